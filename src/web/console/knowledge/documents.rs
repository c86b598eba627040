//! The documents that an agent looks its answers up in, and the passages of one.

use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::store::access::{Object, Read};
use crate::store::documents::DocumentRow;
use crate::web::console::errors::Shown;
use crate::web::console::layout::{Section, Shell};
use crate::web::console::time;
use crate::web::lists::cut;
use crate::web::query::empty_is_none;
use crate::web::session::PageRequest;

/// As many passages are on a page.
const PAGE: i64 = 50;

/// What the page of a document is asked with.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    /// Which document.
    #[serde(default)]
    of: String,
    /// Its passages behind this one.
    #[serde(default, deserialize_with = "empty_is_none")]
    after: Option<i64>,
}

/// The documents, on the page of what an agent knows.
pub(super) fn list(shell: &Shell, agent: Uuid, documents: &[DocumentRow]) -> Markup {
    html! {
        h2 #documents { "Other documents (" (documents.len()) ")" }
        p .hint { "Another program gave the agent these. It looks them up like the rest." }
        ul .list { @for document in documents { li .row { (row(shell, agent, document)) } } }
    }
}

fn row(shell: &Shell, agent: Uuid, document: &DocumentRow) -> Markup {
    let when = document.at_us.map(|us| time::when(&time::at(us, &shell.zone()), &shell.now));
    html! {
        span .grow {
            a href=(address(agent, &document.key, None)) { bdi { (name(document)) } }
            @if let Some(url) = &document.url { br; span .quiet { bdi { (url) } } }
        }
        span .quiet {
            (document.passages) @if document.passages == 1 { " passage" } @else { " passages" }
            ", " (words(document.characters))
            @if let Some(when) = when { " · " (when) }
        }
        @if document.waiting > 0 { span .badge .warn { (document.waiting) " not searched yet" } }
    }
}

fn name(document: &DocumentRow) -> &str {
    match document.name.trim() {
        "" => "Without a name",
        name => name,
    }
}

/// How long a text is, in words as people count them.
fn words(characters: i64) -> String {
    match characters / 6 {
        0..100 => "less than 100 words".to_owned(),
        words if words < 1_000 => format!("about {} words", words / 100 * 100),
        words => format!("about {},000 words", words / 1_000),
    }
}

fn address(agent: Uuid, key: &str, after: Option<i64>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("of", key);
    if let Some(after) = after {
        query.append_pair("after", &after.to_string());
    }
    format!("/knowledge/{agent}/document?{}", query.finish())
}

/// The passages of a document.
pub(super) async fn page(
    PageRequest { state, viewer }: PageRequest,
    Path(agent): Path<Uuid>,
    Query(wanted): Query<Wanted>,
) -> Shown {
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Agent(agent)).await?;
    let from = (wanted.after.unwrap_or(i64::MIN), PAGE + 1);
    let mut passages = store.document_passages(&access, &wanted.of, from).await?;
    let document = store.document(&access, &wanted.of).await?;
    let more = cut(&mut passages, PAGE);
    let shell = Shell::of(store, viewer, Some(agent)).await?;
    let body = html! {
        h1 { bdi { (document.as_ref().map_or("A document that is gone", name)) } }
        p .zone { a href={ "/knowledge?agent=" (agent) "#documents" } { "All that the agent knows" } }
        @if passages.is_empty() {
            p .empty { "There are no passages of it here." }
        } @else {
            ol .list {
                @for passage in &passages {
                    li {
                        @if !passage.title.trim().is_empty() { strong { bdi { (passage.title) } } }
                        @if !passage.is_known { " " span .badge .warn { "not searched yet" } }
                        p { bdi { (passage.text) } }
                    }
                }
            }
            @if let Some(last) = passages.last().filter(|_| more) {
                p .pager { span {} a rel="next" href=(address(agent, &wanted.of, Some(last.id))) { "More passages" } }
            }
        }
    };
    Ok(shell.page(Some(Section::Knowledge), "Document", &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_words() {
        for (characters, told) in [
            (0, "less than 100 words"),
            (599, "less than 100 words"),
            (600, "about 100 words"),
            (5_990, "about 900 words"),
            (6_000, "about 1,000 words"),
            (70_000, "about 11,000 words"),
        ] {
            assert_eq!(words(characters), told, "{characters}");
        }
    }

    #[test]
    fn any_name_stands_in_an_address() {
        let agent = Uuid::nil();
        let address = address(agent, "a&b=c /ü", Some(7));
        assert!(address.ends_with("/document?of=a%26b%3Dc+%2F%C3%BC&after=7"), "{address}");
    }
}
