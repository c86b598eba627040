//! From what was read to passages that calls find: only what is new is embedded, and all changes at once.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::work::{Gathered, Part, Stop, Work};
use crate::knowledge::embed::{EmbedError, TEXTS_AT_ONCE};
use crate::store::source_passages::NewPassage;
use crate::store::trainings::TrainingEnd;

/// The most passages of a source.
const PASSAGES_MAX: usize = 10_000;
/// What a passage's headings are cut to, in bytes.
const HEADINGS_BYTES: usize = 300;

impl Work<'_> {
    /// Has calls find what was read.
    pub(super) async fn learn(&self, gathered: Gathered) -> Result<TrainingEnd, Stop> {
        let (store, of) = (&self.trainer.store, self.training);
        let embedder = self.trainer.knowledge.embedder();
        let pages = gathered.parts.len();
        let (passages, is_cut_off) = self.passages(gathered, embedder.model());
        if passages.is_empty() {
            return Err(Stop::Failed("There is no text in it that could be learned.".to_owned()));
        }
        let hashes: Vec<String> = passages.iter().map(|one| one.hash.clone()).collect();
        let known = store.embedded_hashes(of, (&hashes, embedder.model())).await?;
        let new: Vec<&NewPassage> =
            passages.iter().filter(|one| !known.contains(&one.hash)).collect();
        let total = passages.len();
        let mut done = total - new.len();
        self.goes_on("learning", done, Some(total)).await?;
        for some in new.chunks(TEXTS_AT_ONCE) {
            let texts: Vec<&str> = some.iter().map(|one| one.content.as_str()).collect();
            let vectors = embedder.embed_texts(&texts).await.map_err(not_embedded)?;
            let kept: Vec<_> =
                some.iter().zip(&vectors).map(|(one, vector)| (&*one.hash, &**vector)).collect();
            store.keep_vectors(of, embedder.model(), &kept).await?;
            done += some.len();
            self.goes_on("learning", done, Some(total)).await?;
        }
        let swapped = store.swap_passages(of, &passages, embedder.model()).await?;
        if swapped.is_none() {
            return Err(Stop::Lost);
        }
        let bytes = passages.iter().map(|one| one.content.len()).sum();
        Ok(TrainingEnd::Done { pages, passages: total, bytes, is_cut_off })
    }

    /// The passages of a source, each text once, and whether some are left out.
    fn passages(&self, gathered: Gathered, model: &str) -> (Vec<NewPassage>, bool) {
        let (mut passages, mut hashes) = (Vec::new(), HashSet::new());
        let mut is_cut_off = gathered.is_cut_off;
        for part in gathered.parts {
            let (title, url) = (self.title(&part), part.url);
            for one in part.passages {
                let content = content(&title, one.heading.as_deref(), &one.text);
                let hash = hash(&content);
                // A page's foot stands on all of them.
                if !hashes.insert(hash.clone()) {
                    continue;
                }
                if passages.len() == PASSAGES_MAX {
                    is_cut_off = true;
                    break;
                }
                let mut metadata = json!({
                    "source_id": self.training.source,
                    "title": title,
                    "position": passages.len() + 1,
                    "hash": hash,
                    "model": model,
                });
                let more = [
                    ("url", url.clone().map(Value::from)),
                    ("heading", one.heading.map(Value::from)),
                    ("page", one.page.map(Value::from)),
                ];
                for (name, value) in more {
                    if let Some(value) = value {
                        metadata[name] = value;
                    }
                }
                passages.push(NewPassage { hash, content, metadata });
            }
        }
        (passages, is_cut_off)
    }

    fn title(&self, part: &Part) -> String {
        let title = if part.title.trim().is_empty() { &self.training.name } else { &part.title };
        title.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A passage with the headings that say what it is about: by itself "9 to 5" answers nothing.
fn content(title: &str, heading: Option<&str>, text: &str) -> String {
    let heading = heading.map(str::trim).filter(|heading| !heading.is_empty() && *heading != title);
    let mut headings = title.to_owned();
    if let Some(heading) = heading {
        let _ = write!(headings, " > {heading}");
    }
    headings.truncate(headings.floor_char_boundary(HEADINGS_BYTES));
    match headings.is_empty() {
        true => text.to_owned(),
        false => format!("{headings}\n{text}"),
    }
}

/// SHA-256, as hexadecimal digits.
fn hash(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn not_embedded(error: EmbedError) -> Stop {
    warn!(%error, "a source waits for its embeddings");
    let why = match &error {
        EmbedError::Refused { status: 429, .. } | EmbedError::Busy => {
            "The service that makes texts searchable takes no more at the moment."
        }
        EmbedError::Refused { .. } | EmbedError::Dimensions(_) => {
            "The service that makes texts searchable refused it. Whoever looks after this server has to look \
             at EMBEDDING_MODEL and its key."
        }
        _ => "The service that makes texts searchable does not answer.",
    };
    Stop::Again(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passage_says_what_it_is_about() {
        let said = content("Prices", Some("Crowns > Gold"), "From 900 euros.");
        assert_eq!(said, "Prices > Crowns > Gold\nFrom 900 euros.");
        assert_eq!(content("Prices", Some("Prices"), "Ask."), "Prices\nAsk.");
        assert_eq!(content("", None, "Ask."), "Ask.");
        let long = content(&"ä".repeat(400), None, "Ask.");
        assert!(long.ends_with("ä\nAsk.") && long.len() < 310);
        assert_ne!(hash("a"), hash("b"));
        assert_eq!(hash("a").len(), 64);
    }
}
