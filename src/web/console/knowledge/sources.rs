//! What the agent has learned from pages, websites, files and texts, and is to learn.

use axum::extract::multipart::MultipartRejection;
use axum::extract::{Form, Multipart, Path};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::store::access::{AgentAccess, Maintain, Object};
use crate::store::people::Viewer;
use crate::store::sources::{NewFile, NewSource, SourceRow, SourceType};
use crate::web::AppState;
use crate::web::console::errors::{Fault, Shown};
use crate::web::console::layout::{Section, Shell};
use crate::web::console::plain::plain;
use crate::web::console::time;
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::PageRequest;
use crate::web::sources::{add, interval, new_source, sized};

/// How often a source is read again, with what owners call it.
const INTERVALS: [(&str, &str); 4] = [
    ("none", "only when I say so"),
    ("daily", "every day"),
    ("weekly", "every week"),
    ("monthly", "every month"),
];
/// What files are taken, for the browser's dialogue.
const FILES: &str = ".pdf,.docx,.xlsx,.csv,.pptx,.md,.html,.htm,.txt";

/// The sources, on the page of what an agent knows.
pub(super) fn list(shell: &Shell, agent: Uuid, sources: &[SourceRow], may: bool) -> Markup {
    html! {
        h2 #sources { "Pages and files" @if !sources.is_empty() { " (" (sources.len()) ")" } }
        @if sources.is_empty() {
            p .empty {
                "None yet. "
                @if may { "Add your website, and the agent answers from what it says." }
                @else { "Maintainers and owners add websites and files." }
            }
        } @else {
            @if sources.iter().any(SourceRow::is_under_way) {
                p .note role="status" { "Something is being read. " a href={ "/knowledge?agent=" (agent) "#sources" } { "Look again" } " in a moment." }
            }
            ul .list { @for source in sources { li { (row(shell, agent, source, may)) } } }
        }
        @if may { (forms(agent)) }
    }
}

fn row(shell: &Shell, agent: Uuid, source: &SourceRow, may: bool) -> Markup {
    let (class, words) = state(source);
    let when = source.trained_us.map(|us| time::when(&time::at(us, &shell.zone()), &shell.now));
    let action = format!("/knowledge/{agent}/sources/{}", source.id);
    html! {
        div .row {
            span .grow {
                @if source.passages.unwrap_or_default() > 0 {
                    a href={ "/knowledge/" (agent) "/document?of=" (source.id) } { bdi { (source.name) } }
                } @else {
                    strong { bdi { (source.name) } }
                }
                @if let Some(url) = source.url.as_ref().filter(|url| **url != source.name) { br; span .quiet { bdi { (url) } } }
            }
            span .quiet {
                (kind(&source.source_type))
                @if let Some(pages) = source.pages.filter(|pages| *pages > 1) { " · " (pages) " pages" }
                @if let Some(passages) = source.passages { " · " (passages) @if passages == 1 { " passage" } @else { " passages" } }
                @if let Some(when) = when { " · read " (when) }
            }
            span class={ "badge " (class) } { (words) }
        }
        @if source.is_cut_off && source.status == "done" {
            p .hint { "It is longer than what is learned of it. Add the parts that callers ask about by themselves." }
        }
        @if let Some(why) = source.reason.as_ref().filter(|_| source.status != "done") {
            p class=(if source.is_under_way() { "hint" } else { "error" }) {
                (why) @if source.is_under_way() { " It is tried again by itself." }
            }
            @if source.status == "retraining_failed" { p .hint { "The agent goes on with what it has learned before." } }
        }
        @if may {
            div .actions {
                @if source.url.is_some() || source.status != "done" {
                    form method="post" action=(action) {
                        input type="hidden" name="do" value="train";
                        button type="submit" { "Read again" span .hidden { ": " (source.name) } }
                    }
                }
                @if source.url.is_some() { (often(&action, source)) }
                details {
                    summary { "Remove" span .hidden { " " (source.name) } }
                    form method="post" action=(action) {
                        input type="hidden" name="do" value="remove";
                        p .hint { "The agent forgets all that it has learned from it." }
                        button .danger type="submit" { "Remove it" }
                    }
                }
            }
        }
    }
}

/// How often a source is read again.
fn often(action: &str, source: &SourceRow) -> Markup {
    let now = if source.auto { source.auto_sync_interval.as_str() } else { "none" };
    let is_known = INTERVALS.iter().any(|(value, _)| *value == now);
    html! {
        form .row method="post" action=(action) {
            input type="hidden" name="do" value="interval";
            label for={ "often-" (source.id) } { "By itself" }
            select id={ "often-" (source.id) } name="interval" {
                @for (value, words) in INTERVALS { option value=(value) selected[value == now] { (words) } }
                @if !is_known { option value=(now) selected { (now) } }
            }
            button type="submit" { "Set" span .hidden { " how often " (source.name) " is read again" } }
        }
    }
}

/// How a source stands, and the class of its badge.
fn state(source: &SourceRow) -> (&'static str, String) {
    let of = |n: i32| source.total.map_or_else(|| n.to_string(), |total| format!("{n} of {total}"));
    match (&*source.status, source.stage.as_deref()) {
        ("done", _) => ("good", "known".to_owned()),
        ("failed" | "unk_err", _) => ("bad", "did not work".to_owned()),
        ("retraining_failed", _) => ("warn", "could not be read again".to_owned()),
        (_, Some("fetching")) if source.total.unwrap_or_default() > 1 => {
            ("", format!("reading, {} pages", of(source.done)))
        }
        (_, Some("fetching" | "reading")) => ("", "reading".to_owned()),
        (_, Some("learning")) => ("", format!("learning, {} passages", of(source.done))),
        _ => ("", "waiting".to_owned()),
    }
}

fn kind(source_type: &str) -> &str {
    match SourceType::of(source_type) {
        Some(SourceType::Page) => "page",
        Some(SourceType::Site) => "website",
        Some(SourceType::Pdf) => "PDF",
        Some(SourceType::Docx) => "Word",
        Some(SourceType::Xlsx) => "Excel",
        Some(SourceType::Csv) => "table",
        Some(SourceType::Pptx) => "PowerPoint",
        Some(SourceType::Markdown | SourceType::Html | SourceType::Text) => "text",
        Some(SourceType::Qa) => "questions and answers",
        None => "document",
    }
}

fn forms(agent: Uuid) -> Markup {
    let base = format!("/knowledge/{agent}/sources");
    html! {
        details {
            summary { "Add a website or a page" }
            form .card method="post" action=(base) {
                label for="source-url" { "Address" }
                input #source-url name="url" type="text" inputmode="url" autocomplete="url" required placeholder="https://example.com";
                fieldset {
                    legend { "What to read" }
                    label .check { input type="radio" name="source_type" value="site" checked; "The whole website, up to 500 pages" }
                    label .check { input type="radio" name="source_type" value="page"; "Only this page, or the PDF at this address" }
                }
                label for="source-often" { "Read it again" }
                select #source-often name="auto_sync_interval" { @for (value, words) in INTERVALS { option value=(value) { (words) } } }
                p .actions { button .main type="submit" { "Add it" } }
            }
        }
        details {
            summary { "Upload a file" }
            form .card method="post" action={ (base) "/file" } enctype="multipart/form-data" {
                label for="source-file" { "File" }
                input #source-file name="file" type="file" required accept=(FILES) aria-describedby="source-file-hint";
                p .hint #source-file-hint { "PDF, Word, Excel, PowerPoint, CSV, Markdown, HTML or text, at most 25 MB." }
                p .actions { button .main type="submit" { "Upload it" } }
            }
        }
        details {
            summary { "Write a text" }
            form .card method="post" action=(base) {
                input type="hidden" name="source_type" value="markdown";
                label for="source-name" { "What it is about" }
                input #source-name name="name" type="text" required maxlength="200";
                label for="source-text" { "Text" }
                textarea #source-text name="text" required rows="8" {}
                p .actions { button .main type="submit" { "Add it" } }
            }
        }
    }
}

/// A page with an address, or a text, was sent.
pub(super) async fn send(
    PageRequest { state, viewer }: PageRequest,
    Path(agent): Path<Uuid>,
    Form(sent): Form<Vec<(String, String)>>,
) -> Shown {
    let access = may::<Maintain>(&state, &viewer, Object::Agent(agent), "source.add").await?;
    let fields: Map<String, Value> =
        sent.into_iter().map(|(name, value)| (name, json!(value))).collect();
    let new = new_source(&state, &fields);
    finish(&state, viewer, &access, new).await
}

/// A file was sent.
pub(super) async fn upload(
    PageRequest { state, viewer }: PageRequest,
    Path(agent): Path<Uuid>,
    parts: Result<Multipart, MultipartRejection>,
) -> Shown {
    let access = may::<Maintain>(&state, &viewer, Object::Agent(agent), "source.add").await?;
    let new = match parts {
        Ok(mut parts) => file(&mut parts).await,
        Err(_) => Err(no_file()),
    };
    finish(&state, viewer, &access, new).await
}

async fn file(parts: &mut Multipart) -> Result<NewSource, Problem> {
    let unreadable = || Problem::invalid("file", "the file did not arrive whole; send it again");
    while let Some(part) = parts.next_field().await.map_err(|_| unreadable())? {
        if part.name() != Some("file") {
            continue;
        }
        let name: String = part.file_name().unwrap_or_default().chars().take(200).collect();
        let content_type = part.content_type().map(str::to_owned);
        let content = part.bytes().await.map_err(|_| unreadable())?;
        if name.is_empty() {
            break;
        }
        sized("file", content.len())?;
        return Ok(NewSource {
            source_type: SourceType::of_file_name(&name),
            file: Some(NewFile {
                name: name.clone(),
                content_type,
                content: content.to_vec().into(),
            }),
            name,
            url: None,
            auto_sync_interval: "none".to_owned(),
        });
    }
    Err(no_file())
}

fn no_file() -> Problem {
    Problem::invalid("file", "no file was chosen; accepted is a PDF, a Word file or the like")
}

/// Adds a source and leads back; what is wrong is said on a page of its own, from which the browser goes back to
/// the form as it was filled in.
async fn finish(
    state: &AppState,
    viewer: Viewer,
    access: &AgentAccess<Maintain>,
    new: Result<NewSource, Problem>,
) -> Shown {
    let agent = access.agent_id();
    let added = match new {
        Ok(new) => add(state, &viewer, access, &new).await,
        Err(problem) => Err(problem),
    };
    match added {
        Ok(_) => Ok(back(agent)),
        Err(problem) if is_told(&problem) => refused(state, viewer, agent, &problem).await,
        Err(problem) => Err(problem.into()),
    }
}

fn is_told(problem: &Problem) -> bool {
    matches!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT)
}

async fn refused(state: &AppState, viewer: Viewer, agent: Uuid, problem: &Problem) -> Shown {
    let shell = Shell::of(&state.owners.store, viewer, Some(agent)).await?;
    let why = problem.detail.clone().unwrap_or_default();
    let body = html! {
        h1 { "Not added" }
        p .note.bad role="alert" { (plain(&why)) }
        p { a href={ "/knowledge?agent=" (agent) "#sources" } { "All that the agent knows" } }
        (forms(agent))
    };
    let page = shell.page(Some(Section::Knowledge), "Not added", &body);
    Ok((problem.status(), page).into_response())
}

fn back(agent: Uuid) -> Response {
    Redirect::to(&format!("/knowledge?agent={agent}#sources")).into_response()
}

/// What is done with a source.
#[derive(Debug, Deserialize)]
pub(super) struct Deed {
    #[serde(default, rename = "do")]
    what: String,
    #[serde(default, rename = "interval")]
    often: String,
}

/// A source is read again, removed, or read again in other intervals.
pub(super) async fn change(
    PageRequest { state, viewer }: PageRequest,
    Path((agent, id)): Path<(Uuid, Uuid)>,
    Form(deed): Form<Deed>,
) -> Shown {
    let action = match &*deed.what {
        "train" => "source.train",
        "remove" => "source.remove",
        _ => "source.interval",
    };
    let access = may::<Maintain>(&state, &viewer, Object::Agent(agent), action).await?;
    let store = &state.owners.store;
    let is_done = match action {
        "source.train" => store.train_source(&access, &viewer, id).await?,
        "source.remove" => store.remove_source(&access, &viewer, id).await?,
        _ => {
            let often = interval(&deed.often)?;
            store.set_source_interval(&access, &viewer, (id, &often)).await?
        }
    };
    if is_done { Ok(back(agent)) } else { Err(Fault::NotFound) }
}
