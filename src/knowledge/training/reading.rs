//! Documents are read in a process of their own, with limits of memory and time: whatever a stranger's file
//! does to a library that reads it, calls go on.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::clock;
use crate::knowledge::documents::html::Page;
use crate::knowledge::documents::{
    Document, Kind, Limits, SplitLimits, Unreadable, extract_labelled, guess, split,
};
use crate::store::sources::SourceType;

/// How long a document may take to be read, and how much memory that may take, bytes.
const TIME_LIMIT: Duration = Duration::from_secs(90);
const PROCESSOR_SECONDS: u64 = 60;
const MEMORY_MAX: u64 = 2 << 30;
/// The most that is taken of what the process says, bytes: more than all limits of a document allow.
const ANSWER_BYTES_MAX: u64 = 48 << 20;
/// A passage is given to calls whole: with its headings it has at most 2,000 bytes in most languages.
const SPLIT: SplitLimits = SplitLimits { target: 900, max: 1_300, tiny: 200, passages: 10_000 };

/// The hidden command that reads a document.
pub const COMMAND: &str = "read-document";

/// What is known of a document's bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Label {
    /// What it is said to be, as `sources.source_type` has it; none: it is guessed.
    pub source_type: Option<String>,
    /// Its content type, if one was named.
    pub content_type: Option<String>,
    /// What its file is called.
    pub file_name: Option<String>,
    /// Where it was fetched from.
    pub url: Option<String>,
}

/// What a document says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What it calls itself; empty where it does not.
    pub title: String,
    /// Its passages, in their order.
    pub passages: Vec<ReadPassage>,
    /// Whether a limit was reached.
    pub is_cut_off: bool,
    /// Of a page: the pages that it links to.
    pub links: Vec<String>,
    /// Of a page: whether it asks not to be found.
    pub is_hidden: bool,
    /// Of a page: whether it asks for a password, and little else.
    pub asks_password: bool,
    /// Of a page: whether it says nothing before scripts run.
    pub needs_scripts: bool,
}

/// A passage of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadPassage {
    /// The headings it stands under, joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// What it says.
    pub text: String,
    /// The page, slide or sheet that it begins on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
}

/// Why a document was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// It cannot be; with what its owner can do.
    #[error("{0}")]
    Unreadable(String),
    /// It took more time or memory than is given to one, or broke what reads it.
    #[error(
        "This document is too large or too unusual to be read. Upload it in parts, or save it anew as a PDF \
         or as plain text."
    )]
    TooMuch,
    /// No process could be started.
    #[error("the process that reads documents did not start: {0}")]
    NoProcess(String),
}

/// What the process answers.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Read(Reading),
    Unreadable(String),
}

/// Reads documents in processes of their own.
#[derive(Debug, Clone)]
pub struct Reader {
    program: PathBuf,
}

impl Reader {
    /// By this program, which has the command [`COMMAND`].
    pub fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`NotRead`].
    pub async fn read(&self, label: &Label, bytes: &[u8]) -> Result<Reading, NotRead> {
        let label = serde_json::to_string(label).unwrap_or_default();
        let mut child = tokio::process::Command::new(&self.program)
            .args([OsString::from(COMMAND), label.into()])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| NotRead::NoProcess(error.to_string()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else { return Err(NotRead::TooMuch) };
        let mut said = Vec::new();
        let mut stdout = stdout.take(ANSWER_BYTES_MAX);
        let talking = async {
            let telling = async {
                // One that reads no further has its reasons, and says them.
                let _ = stdin.write_all(bytes).await;
                drop(stdin);
            };
            let (_, heard) = tokio::join!(telling, stdout.read_to_end(&mut said));
            heard
        };
        let heard = clock::within(TIME_LIMIT, talking).await;
        if heard.is_none() {
            let _ = child.kill().await;
        }
        let _ = clock::within(TIME_LIMIT, child.wait()).await;
        match serde_json::from_slice(&said) {
            Ok(Answer::Read(reading)) => Ok(reading),
            Ok(Answer::Unreadable(why)) => Err(NotRead::Unreadable(why)),
            Err(_) => Err(NotRead::TooMuch),
        }
    }
}

/// What the process does: reads a document from its standard input, and says what is in it as JSON.
///
/// # Errors
/// What is said of its input and output. Of a document that cannot be read it says so.
pub fn read_standard_input(label: &str) -> std::io::Result<()> {
    use std::io::Read as _;
    let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
    // What is refused here, the system has bounded already.
    let _ = setrlimit(Resource::As, limit(MEMORY_MAX));
    let _ = setrlimit(Resource::Cpu, limit(PROCESSOR_SECONDS));
    let _ = setrlimit(Resource::Core, limit(0));
    let limits = Limits::default();
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(limits.bytes as u64 + 1).read_to_end(&mut bytes)?;
    let label: Label = serde_json::from_str(label).unwrap_or_default();
    let answer = match read(&label, &bytes, &limits) {
        Ok(reading) => Answer::Read(reading),
        Err(why) => Answer::Unreadable(why.to_string()),
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &answer)?;
    out.flush()
}

fn read(label: &Label, bytes: &[u8], limits: &Limits) -> Result<Reading, Unreadable> {
    let content_type = label.content_type.as_deref();
    let guessed = guess(content_type, label.file_name.as_deref(), bytes);
    let kind = label.source_type.as_deref().and_then(SourceType::of).and_then(kind_of);
    // What somebody calls a page may be a PDF.
    let kind = match (kind, guessed) {
        (Some(Kind::Page | Kind::Html | Kind::Text), Some(found)) if is_file(found) => found,
        // A picture, or a program.
        (None | Some(Kind::Page | Kind::Html | Kind::Text), None) => {
            return Err(Unreadable::WrongKind { expected: "page or document with text in it" });
        }
        (Some(kind), _) => kind,
        (None, Some(found)) => found,
    };
    let mut reading = Reading::default();
    if let (Kind::Page | Kind::Html, Some(url)) = (kind, label.url.as_deref())
        && let Ok(base) = Url::parse(url)
    {
        let page = Page::read(bytes, content_type, &base);
        reading.links = page.links.into_iter().map(String::from).collect();
        reading.is_hidden = page.noindex;
        reading.asks_password = page.sign_in;
        reading.needs_scripts = page.needs_scripts;
    }
    match extract_labelled(kind, bytes, content_type, limits) {
        Ok(document) => Ok(with_passages(reading, &document)),
        // The way goes on, although there is nothing to learn here.
        Err(Unreadable::Empty) if !reading.links.is_empty() => Ok(reading),
        Err(why) => Err(why),
    }
}

fn with_passages(reading: Reading, document: &Document) -> Reading {
    let passages = split(document, &SPLIT);
    let read = |one: crate::knowledge::documents::Passage| ReadPassage {
        heading: one.heading,
        text: one.text,
        page: one.page,
    };
    Reading {
        title: document.title.clone().unwrap_or_default(),
        is_cut_off: passages.cut_off,
        passages: passages.passages.into_iter().map(read).collect(),
        ..reading
    }
}

/// How a type of source is read; none of those that are no document.
fn kind_of(source: SourceType) -> Option<Kind> {
    Some(match source {
        SourceType::Page | SourceType::Site => Kind::Page,
        SourceType::Pdf => Kind::Pdf,
        SourceType::Docx => Kind::Docx,
        SourceType::Xlsx => Kind::Xlsx,
        SourceType::Csv => Kind::Csv,
        SourceType::Pptx => Kind::Pptx,
        SourceType::Markdown => Kind::Markdown,
        SourceType::Html => Kind::Html,
        SourceType::Text => Kind::Text,
        SourceType::Qa => return None,
    })
}

/// Whether it is no text that a browser shows.
fn is_file(kind: Kind) -> bool {
    matches!(kind, Kind::Pdf | Kind::Docx | Kind::Xlsx | Kind::Pptx)
}
