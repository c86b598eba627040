//! The work on one source, from its address or its file to passages that calls find.

use std::time::Duration;

use serde_json::json;
use tracing::{info, warn};
use url::Url;

use super::fetch::{NotFetched, fetch};
use super::reading::{Label, NotRead, ReadPassage, Reading};
use super::{LEASE, Trainer};
use crate::store::StoreError;
use crate::store::source_pages::FetchedPage;
use crate::store::sources::SourceType;
use crate::store::trainings::{Training, TrainingEnd};

/// How often a source is tried while something is away, and the pauses between: the first, and at most.
const ATTEMPTS: i32 = 8;
const PAUSE: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// What is said where it is not known what is wrong.
pub(super) const BROKEN: &str = "Something on this server did not work. Try it again; if that does not help, tell whoever \
                      looks after this server.";

/// Why the work stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// It cannot be; in an owner's words.
    Failed(String),
    /// It may be in some minutes; in an owner's words.
    Again(String),
    /// Somebody has asked for it anew, or removed the source.
    Lost,
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NotFetched> for Stop {
    fn from(not: NotFetched) -> Self {
        if not.may_pass { Self::Again(not.why) } else { Self::Failed(not.why) }
    }
}

/// The work on one source.
pub(super) struct Work<'a> {
    pub(super) trainer: &'a Trainer,
    pub(super) training: &'a Training,
}

/// What was read of a source: a document, or a page.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) title: String,
    pub(super) url: Option<String>,
    pub(super) passages: Vec<ReadPassage>,
}

/// All that was read of a source.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) parts: Vec<Part>,
    pub(super) is_cut_off: bool,
}

impl Work<'_> {
    /// Does it; none: it is no longer this process's.
    pub(super) async fn carry_out(&self) -> Option<TrainingEnd> {
        let of = self.training;
        let end = match self.attempt().await {
            Ok(end) => end,
            Err(Stop::Lost) => return None,
            Err(Stop::Failed(why)) => TrainingEnd::Failed(why),
            Err(Stop::Again(why)) if of.attempt >= ATTEMPTS => TrainingEnd::Failed(why),
            Err(Stop::Again(why)) => TrainingEnd::Again(why, pause(of.attempt)),
            Err(Stop::Store(error)) => {
                warn!(%error, source = %of.source, "the work on a source was stopped by the database");
                match of.attempt >= ATTEMPTS {
                    true => TrainingEnd::Broken(BROKEN.to_owned()),
                    false => TrainingEnd::Again(BROKEN.to_owned(), pause(of.attempt)),
                }
            }
        };
        match &end {
            TrainingEnd::Done { pages, passages, .. } => {
                info!(source = %of.source, pages, passages, "a source is learned");
            }
            TrainingEnd::Failed(why) | TrainingEnd::Broken(why) | TrainingEnd::Again(why, _) => {
                info!(source = %of.source, attempt = of.attempt, why, "a source is not learned");
            }
        }
        Some(end)
    }

    async fn attempt(&self) -> Result<TrainingEnd, Stop> {
        let gathered = self.gather().await?;
        self.learn(gathered).await
    }

    async fn gather(&self) -> Result<Gathered, Stop> {
        let of = self.training;
        let known = SourceType::of(&of.source_type);
        if known == Some(SourceType::Site) {
            return self.crawl().await;
        }
        if let Some(file) = self.trainer.store.source_file(of.source).await? {
            let part = match known {
                Some(SourceType::Qa) => answers(file.content.reveal())?,
                _ => {
                    let label = Label {
                        source_type: known.map(|known| known.word().to_owned()),
                        content_type: file.content_type,
                        file_name: Some(file.name),
                        url: None,
                    };
                    return self.document(&label, file.content.reveal()).await;
                }
            };
            return Ok(Gathered { parts: vec![part], is_cut_off: false });
        }
        match of.url.as_deref().map(Url::parse) {
            Some(Ok(url)) => self.page(&url).await,
            Some(Err(_)) => Err(Stop::Failed(
                "This is no address. Write a whole one, such as https://example.com/prices.".to_owned(),
            )),
            None => Err(Stop::Failed(
                "There is nothing to read: the source has neither an address nor a file. Remove it and add \
                 it again."
                    .to_owned(),
            )),
        }
    }

    /// A document that was sent.
    async fn document(&self, label: &Label, bytes: &[u8]) -> Result<Gathered, Stop> {
        self.goes_on("reading", 0, None).await?;
        let reading = self.read(label, bytes).await?;
        let is_cut_off = reading.is_cut_off;
        let part = Part { title: reading.title, url: None, passages: reading.passages };
        Ok(Gathered { parts: vec![part], is_cut_off })
    }

    /// One page, or a document on a website.
    async fn page(&self, url: &Url) -> Result<Gathered, Stop> {
        let of = self.training;
        self.goes_on("fetching", 0, Some(1)).await?;
        let store = &self.trainer.store;
        let pages = store.source_pages(of.source).await?;
        let page = pages.iter().find(|page| page.url == url.as_str());
        let etag = page.filter(|_| !of.is_forced).and_then(|page| page.etag.as_deref());
        let fetched = fetch(&self.trainer.client, of.agent, url, etag).await?;
        if let Some(body) = &fetched.body {
            self.goes_on("reading", 0, Some(1)).await?;
            let label = Label {
                source_type: (!of.source_type.is_empty()).then(|| of.source_type.clone()),
                content_type: fetched.content_type.clone(),
                file_name: fetched
                    .url
                    .path_segments()
                    .and_then(|mut all| all.next_back())
                    .map(str::to_owned),
                url: Some(fetched.url.to_string()),
            };
            let reading = self.read(&label, body).await?;
            if let Some(why) = unusable(&reading) {
                return Err(Stop::Failed(why.to_owned()));
            }
            let data = kept(&reading);
            let etag = fetched.etag.as_deref();
            let page = FetchedPage { url: url.as_str(), etag, data: Some(&data), why: None };
            store.fetched_page(of, &page).await?;
        } else {
            let page = FetchedPage { url: url.as_str(), etag, data: None, why: None };
            store.fetched_page(of, &page).await?;
        }
        store.forget_old_pages(of).await?;
        self.kept_pages().await
    }

    /// What is kept of the pages that were fetched, now or before.
    pub(super) async fn kept_pages(&self) -> Result<Gathered, Stop> {
        let mut gathered = Gathered::default();
        for mut page in self.trainer.store.page_texts(self.training.source).await? {
            let passages = serde_json::from_value(page["passages"].take()).unwrap_or_default();
            gathered.is_cut_off |= page["is_cut_off"] == true;
            let text = |name: &str| page[name].as_str().unwrap_or_default().to_owned();
            gathered.parts.push(Part { title: text("title"), url: Some(text("url")), passages });
        }
        Ok(gathered)
    }

    /// Reads a document in a process of its own.
    pub(super) async fn read(&self, label: &Label, bytes: &[u8]) -> Result<Reading, Stop> {
        self.trainer.reader.read(label, bytes).await.map_err(|not| match not {
            NotRead::Unreadable(_) | NotRead::TooMuch => Stop::Failed(not.to_string()),
            NotRead::NoProcess(_) => {
                warn!(error = %not, "a source waits");
                Stop::Again(BROKEN.to_owned())
            }
        })
    }

    /// Says how far the work is.
    pub(super) async fn goes_on(
        &self,
        stage: &str,
        done: usize,
        total: Option<usize>,
    ) -> Result<(), Stop> {
        let goes_on =
            self.trainer.store.training_goes_on(self.training, (stage, done, total), LEASE);
        if goes_on.await? { Ok(()) } else { Err(Stop::Lost) }
    }
}

/// Why a page is of no use to an agent, if it is.
pub(super) fn unusable(reading: &Reading) -> Option<&'static str> {
    if reading.asks_password {
        return Some(
            "The page asks for a password. Upload what it says as a file, or type it as questions and answers.",
        );
    }
    if reading.needs_scripts && reading.passages.is_empty() {
        return Some(
            "The page says nothing until programs run in a browser. Save it as a PDF and upload that, or type \
             what callers ask about.",
        );
    }
    reading.passages.is_empty().then_some("There is no text on this page.")
}

/// What is kept of a page.
pub(super) fn kept(reading: &Reading) -> serde_json::Value {
    let texts = reading.passages.iter().map(|one| one.text.as_str());
    json!({
        "title": reading.title,
        "text": texts.collect::<Vec<_>>().join("\n\n"),
        "passages": reading.passages,
        "is_cut_off": reading.is_cut_off,
    })
}

/// Questions with their answers: `[{"question": …, "answer": …}]`.
fn answers(bytes: &[u8]) -> Result<Part, Stop> {
    #[derive(serde::Deserialize)]
    struct Pair {
        question: String,
        answer: String,
    }
    let pairs: Vec<Pair> = serde_json::from_slice(bytes).map_err(|_| {
        Stop::Failed(
            "These are no questions and answers. Remove the source and add it again.".to_owned(),
        )
    })?;
    let passage = |pair: Pair| ReadPassage {
        heading: Some(pair.question.trim().to_owned()),
        text: pair.answer.trim().to_owned(),
        page: None,
    };
    let passages = pairs.into_iter().map(passage).filter(|one| !one.text.is_empty()).collect();
    Ok(Part { passages, ..Part::default() })
}

/// The pause after this attempt, counted from 1.
fn pause(attempt: i32) -> Duration {
    let doubled = 2_u32.saturating_pow(u32::try_from(attempt - 1).unwrap_or(0));
    PAUSE.saturating_mul(doubled).min(PAUSE_MAX)
}
