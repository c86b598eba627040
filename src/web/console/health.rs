//! `/health`: for whoever looks after the installation.

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};

use super::errors::{Fault, Shown};
use super::layout::{Section, Shell};
use super::time;
use super::words::capital;
use crate::web::AppState;
use crate::web::doctor::{Found, Known, Verdict};
use crate::web::session::PageRequest;
use crate::web::speech::{self, Trouble};

/// How often the page is loaded again while it is being looked, in seconds.
const REFRESH_SECONDS: u32 = 3;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/health", get(page).merge(post(again)))
}

async fn page(PageRequest { state, viewer }: PageRequest) -> Shown {
    if !viewer.is_admin() {
        return Err(Fault::NotFound);
    }
    let known = state.owners.doctor.known(false);
    let is_looking = known.as_ref().is_some_and(|known| known.is_looking);
    let head = html! {
        @if is_looking { meta http-equiv="refresh" content=(REFRESH_SECONDS); }
    };
    let shell = Shell::of(&state.owners.store, viewer, None).await?;
    let speech = speech::trouble(&state).await;
    let body = body(&state, known.as_ref(), speech.filter(|trouble| trouble.is_stand_in));
    Ok(shell.page_with(Some(Section::Health), "Health", &head, &body))
}

/// Looks once more.
async fn again(PageRequest { state, viewer }: PageRequest) -> Shown {
    if !viewer.is_admin() {
        return Err(Fault::NotFound);
    }
    // What it finds is on the page; that there is nobody who looks, too.
    let _ = state.owners.doctor.known(true);
    Ok(Redirect::to("/health").into_response())
}

/// One line: what was looked at, whether it is well, and in which words.
struct Finding {
    what: &'static str,
    is_well: bool,
    words: String,
}

/// Whether only this machine reaches the server: it is being tried.
fn is_local(state: &AppState) -> bool {
    let Ok(url) = url::Url::parse(state.public_url.as_str()) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn findings(state: &AppState) -> Vec<Finding> {
    let registry = &state.services.registry;
    let health = state.services.log.health();
    let finding = |what, is_well, words: String| Finding { what, is_well, words };
    vec![
        finding(
            "Taking calls",
            !registry.is_draining() && registry.has_room(),
            match (registry.is_draining(), registry.has_room()) {
                (true, _) => "The server is shutting down: other ones take the calls.".to_owned(),
                (_, false) => "All lines are taken: callers hear the fallback.".to_owned(),
                _ => "Yes.".to_owned(),
            },
        ),
        finding(
            "Database",
            health.database_up,
            if health.database_up {
                "It answers.".to_owned()
            } else {
                "It does not answer. Calls go on, and what happens is kept until it is back."
                    .to_owned()
            },
        ),
        finding(
            "Waiting to be written",
            health.spool_bytes == 0,
            format!("{} events, {} bytes on disk.", health.queued, health.spool_bytes),
        ),
        finding(
            "Background work",
            state.tasks.ended().is_none(),
            match state.tasks.ended() {
                Some(task) => format!("The task “{task}” has ended: restart the server."),
                None => "All of it runs.".to_owned(),
            },
        ),
    ]
}

/// The same of what matters once others than this machine reach the server.
fn of_a_real_server(state: &AppState, is_local: bool) -> Vec<Finding> {
    let has_key = state.owners.store.vault().has_key();
    let credentials = match has_key {
        true => "They are encrypted.",
        false => "They are kept as they are. Set SECRETS_KEY to encrypt them.",
    };
    let address = state.public_url.as_str();
    let words = match is_local {
        true => {
            format!("{address}: only this machine reaches it. Set PUBLIC_URL before Twilio is to.")
        }
        false => format!("{address} is what Twilio and browsers use."),
    };
    let is_secure = address.starts_with("https:");
    vec![
        Finding { what: "Credentials at rest", is_well: has_key, words: credentials.to_owned() },
        Finding { what: "Public address", is_well: is_secure, words },
    ]
}

fn body(state: &AppState, known: Option<&Known>, stand_in: Option<Trouble>) -> Markup {
    let is_local = is_local(state);
    html! {
        h1 { "Health" }
        p .zone { "Version " (env!("CARGO_PKG_VERSION")) "." }
        h2 { "This server now" }
        ul .list {
            @for finding in findings(state) {
                li .row {
                    span .grow { b { (finding.what) } br; (finding.words) }
                    @if finding.is_well { span .badge .good { "well" } } @else { span .badge .warn { "look at this" } }
                }
            }
            @if let Some(trouble) = stand_in {
                li .row {
                    span .grow { b { "The voice" } br; (trouble.what) " " (trouble.remedy) }
                    span .badge { "enough for trying" }
                }
            }
            @for finding in of_a_real_server(state, is_local) {
                li .row {
                    span .grow { b { (finding.what) } br; (finding.words) }
                    @match (finding.is_well, is_local) {
                        (true, _) => span .badge .good { "well" },
                        (false, true) => span .badge { "enough for trying" },
                        (false, false) => span .badge .warn { "look at this" },
                    }
                }
            }
        }
        h2 { "What calls need" }
        @match known {
            None => p .quiet { "Run " code { "frontdesk doctor" } " on the server: it looks at keys, models, numbers and the database." },
            Some(known) => (examined(known)),
        }
    }
}

/// What `doctor` found: what is wrong first, then what to look at.
fn examined(known: &Known) -> Markup {
    let found = known.found.as_deref().unwrap_or_default();
    let of = |verdict: Verdict| found.iter().filter(move |found| found.verdict == verdict);
    let (wrong, look) = (of(Verdict::Wrong).count(), of(Verdict::Look).count());
    let ago = i64::try_from(known.ago.as_secs()).unwrap_or(i64::MAX);
    html! {
        @if known.is_looking {
            p .note role="status" { "Keys, models, numbers, agents and the database are being looked at. This takes some seconds; calls go on." }
        }
        @if known.found.is_some() {
            p .zone {
                "Looked at " @if ago == 0 { "just now" } @else { (time::length(ago)) " ago" } ": "
                @match (wrong, look) {
                    (0, 0) => "all is well.",
                    (0, look) => { "nothing is wrong; " (look) " to look at." },
                    (wrong, look) => { (wrong) " wrong, " (look) " to look at." },
                }
            }
            @if wrong + look > 0 {
                ul .list {
                    @for found in of(Verdict::Wrong).chain(of(Verdict::Look)) { li .row { (line(found)) } }
                }
            }
            details {
                summary { "What is well (" (of(Verdict::Well).count()) ")" }
                ul .list { @for found in of(Verdict::Well) { li .row { (line(found)) } } }
            }
        }
        @if !known.is_looking {
            form method="post" action="/health" { p { button type="submit" { "Look again" } } }
        }
    }
}

fn line(found: &Found) -> Markup {
    let (class, word) = match found.verdict {
        Verdict::Well => ("badge good", "well"),
        Verdict::Look => ("badge warn", "look at this"),
        Verdict::Wrong => ("badge bad", "wrong"),
    };
    html! {
        span .grow {
            @let name = name(&found.what);
            // A setting that has no other name is named once.
            @let setting = Some(&found.what).filter(|what| is_setting(what) && **what != name);
            b { (name) } @if let Some(setting) = setting { " " code .quiet { (setting) } }
            br;
            (sentence(&found.found))
            @if let Some(remedy) = &found.remedy { br; b { "What to do: " } (sentence(remedy)) }
        }
        span class=(class) { (word) }
    }
}

/// What people call what was looked at.
fn name(what: &str) -> String {
    let known = match what {
        "PUBLIC_URL" => "The address that Twilio reaches",
        "DATA_DIR" => "The disk",
        "PROMPTS_DIR" => "The templates of what agents are told",
        "OBJECT_STORE_URL" => "Where recordings are kept",
        "DATABASE_URL" => "Where the database is",
        "database" => "The database",
        "database schema" => "The tables",
        "database role" => "What the server may do in the database",
        "database connection" => "The way to the database",
        "pgvector" => "The database's search by meaning",
        "OPENAI_BASE_URL" => "The speech service",
        "OPENAI_API_KEY" => "The key of the speech service",
        "REALTIME_MODEL" => "The model that speaks",
        "TRANSCRIPTION_MODEL" => "The model that writes down what callers say",
        "CHAT_MODEL" => "The model that writes summaries",
        "EMBEDDING_MODEL" => "The model that finds what an agent knows",
        "embeddings" => "Making texts searchable",
        "sessions" => "Trying the agents",
        "TWILIO_ACCOUNT_SID" => "The Twilio account",
        "TWILIO_AUTH_TOKEN" => "What Twilio signs with",
        other => return capital(other),
    };
    known.to_owned()
}

/// Whether it is the name of a variable, which one needs in order to set it.
fn is_setting(what: &str) -> bool {
    what.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The same with its end, and without what a terminal would obey.
fn sentence(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let plain = plain.trim();
    // A host, an address and a model are written as they are.
    let first = plain.split(' ').next().unwrap_or_default();
    let is_name = first.contains(['.', '/', ':', '_', '-']) || first.contains(char::is_numeric);
    let plain = if is_name { plain.to_owned() } else { capital(plain) };
    if plain.ends_with(['.', '?', '!']) { plain } else { format!("{plain}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_things_have_one_name() {
        let all = [
            "PUBLIC_URL",
            "DATA_DIR",
            "PROMPTS_DIR",
            "OBJECT_STORE_URL",
            "DATABASE_URL",
            "database",
            "database schema",
            "database role",
            "database connection",
            "pgvector",
            "OPENAI_BASE_URL",
            "OPENAI_API_KEY",
            "REALTIME_MODEL",
            "TRANSCRIPTION_MODEL",
            "CHAT_MODEL",
            "EMBEDDING_MODEL",
            "embeddings",
            "sessions",
            "TWILIO_ACCOUNT_SID",
            "TWILIO_AUTH_TOKEN",
        ];
        let names: std::collections::BTreeSet<String> = all.into_iter().map(name).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
    }

    #[test]
    fn what_is_found_is_told_in_an_owners_words() {
        let found = |what: &str, found: &str, remedy: Option<&str>| Found {
            what: what.to_owned(),
            verdict: Verdict::Wrong,
            found: found.to_owned(),
            remedy: remedy.map(str::to_owned),
        };
        let key = line(&found("OPENAI_API_KEY", "not set", Some("set it"))).into_string();
        for words in ["The key of the speech service", "Not set.", "What to do: ", "Set it."] {
            assert!(key.contains(words), "{key}");
        }
        let odd = line(&found("agent <b>x", "a\nb\u{1b}", None)).into_string();
        assert_eq!(sentence("api.example.com refuses it"), "api.example.com refuses it.");
        assert!(odd.contains("Agent &lt;b&gt;x") && odd.contains("A b."), "{odd}");
        assert!(!odd.contains("<code"), "it is said once: {odd}");
        assert!(key.contains("OPENAI_API_KEY</code>"), "{key}");
        let account = line(&found("TWILIO_ACCOUNT_SID", "not set", None)).into_string();
        assert!(account.contains("<b>The Twilio account</b>"), "{account}");
        let unknown = line(&found("SOME_SETTING", "not set", None)).into_string();
        assert_eq!(unknown.matches("SOME_SETTING").count(), 1, "it is said once: {unknown}");
    }
}
