//! A placed call: asks for TwiML and does what it says, verb after verb.

use std::ops::ControlFlow;
use std::time::Duration;

use super::api::{Reachable, Update, next_update};
use super::caller::Caller;
use super::journal::{CallReport, Ended, Journal, PhoneEventKind};
use super::script::{AfterDrop, Step, StreamFault, WebhookFault};
use super::stream::{self, StreamEnd};
use super::webhook::{self, Answer, Fields, Signing};
use super::{CallOptions, random_sid};
use crate::clock::Stopwatch;
use crate::rehearsal::phone::twiml_reader::{self, Stream, Verb};
use crate::rehearsal::stamp::Histogram;

/// What a 403 most likely means.
const FORBIDDEN: &str = "status 403: signed with --auth-token, the server's TWILIO_AUTH_TOKEN? The \
                         same address as its PUBLIC_URL?";

/// Documents that one call may ask for: redirects end somewhere.
const DOCUMENTS: usize = 20;
/// Twilio's word for a document that could not be had.
const HTTP_RETRIEVAL_FAILURE: &str = "11200";
/// How long it takes to say one character.
const CHARACTER: Duration = Duration::from_millis(60);

/// A call on its way.
pub(super) struct PlacedCall {
    pub(super) options: CallOptions,
    pub(super) caller: Caller,
    pub(super) journal: Journal,
    /// Where updates of the call come from, if it can be reached.
    pub(super) reachable: Option<Reachable>,
}

/// A document to be carried out.
pub(super) struct Document {
    url: String,
    verbs: Vec<Verb>,
}

/// What follows a document.
pub(super) enum Next {
    /// Another one, asked for with these fields.
    Ask { url: String, fields: Fields },
    /// Another one.
    Follow(Document),
    /// The end.
    End(Ended),
}

impl PlacedCall {
    pub(super) fn new(options: CallOptions, steps: Vec<Step>) -> Self {
        let mut journal =
            Journal::new(options.call_sid.clone(), options.clock, options.events.clone());
        journal.report.stamps = options.stamps.as_ref().map(|_| Histogram::default());
        let reachable = options.api.as_ref().map(|api| api.reach(&options));
        Self { options, caller: Caller::new(steps), journal, reachable }
    }

    /// The call from the first ring to the report.
    pub(super) async fn run(mut self) -> CallReport {
        self.journal.tell(PhoneEventKind::Ringing);
        let ended = self.follow_documents().await;
        self.reachable = None;
        if ended == Ended::Server && self.caller.has_more_to_say() {
            self.journal.error("the server ended the call before the caller had said everything");
        }
        let report = self.journal.finish(ended);
        if let Some(url) = &self.options.status_url
            && ended != Ended::Dropped
        {
            let status = match ended {
                Ended::Rejected => "no-answer",
                Ended::Failed if !report.answered => "failed",
                _ => "completed",
            };
            let fields = webhook::status_fields(&self.options, status, report.duration_ms);
            // The call is over, so the answer changes nothing.
            let _ = webhook::post(&self.options, url, &fields, Signing::AuthToken).await;
        }
        report
    }

    async fn follow_documents(&mut self) -> Ended {
        let Some(mut document) = self.first_document().await else { return Ended::Failed };
        for _ in 1..DOCUMENTS {
            match self.carry_out(document).await {
                Next::End(ended) => return ended,
                Next::Follow(next) => document = next,
                Next::Ask { url, fields } => {
                    let answer =
                        webhook::post(&self.options, &url, &fields, Signing::AuthToken).await;
                    match self.read_or_fall_back(url, answer).await {
                        Some(next) => document = next,
                        None => return Ended::Failed,
                    }
                }
            }
        }
        self.journal.error(format!("the call asked for more than {DOCUMENTS} documents"));
        Ended::Failed
    }

    async fn first_document(&mut self) -> Option<Document> {
        let url = self.options.voice_url.clone();
        let fields = webhook::call_fields(&self.options, "ringing");
        let signing = match self.options.webhook_fault {
            WebhookFault::None | WebhookFault::Repeated => Signing::AuthToken,
            WebhookFault::Unsigned => Signing::None,
            WebhookFault::WrongSignature => Signing::WrongKey,
        };
        if self.options.webhook_fault == WebhookFault::Repeated {
            let first = webhook::post(&self.options, &url, &fields, signing).await;
            self.read(url.clone(), first)?;
        }
        let stopwatch = Stopwatch::start();
        let answer = webhook::post(&self.options, &url, &fields, signing).await;
        self.journal.report.webhook_us = u64::try_from(stopwatch.elapsed().as_micros()).ok();
        self.journal.report.webhook_status = answer.as_ref().ok().map(|answer| answer.status);
        self.read_or_fall_back(url, answer).await
    }

    /// Reads an answer, or has the fallback address give another, once in a call. It is told what
    /// went wrong and where, as Twilio tells it.
    async fn read_or_fall_back(
        &mut self,
        url: String,
        answer: Result<Answer, webhook::WebhookError>,
    ) -> Option<Document> {
        let read = self.read(url.clone(), answer);
        if read.is_some() {
            return read;
        }
        let fallback = self.options.fallback_url.take()?;
        self.journal.report.fell_back = true;
        let mut fields = webhook::call_fields(&self.options, "in-progress");
        fields.push(("ErrorCode".to_owned(), HTTP_RETRIEVAL_FAILURE.to_owned()));
        fields.push(("ErrorUrl".to_owned(), url));
        let answer = webhook::post(&self.options, &fallback, &fields, Signing::AuthToken).await;
        self.read(fallback, answer)
    }

    /// Reads an answer; what cannot be a document is an error of the call.
    fn read(
        &mut self,
        url: String,
        answer: Result<Answer, webhook::WebhookError>,
    ) -> Option<Document> {
        let path = url::Url::parse(&url).map_or_else(|_| url.clone(), |url| url.path().to_owned());
        let problem = match answer {
            Ok(Answer { status: 200..=299, body }) => {
                self.journal.document(&body);
                match twiml_reader::parse(&body) {
                    Ok(verbs) => return Some(Document { url, verbs }),
                    Err(error) => error.to_string(),
                }
            }
            // The server refused the signature.
            Ok(Answer { status: 403, .. }) => FORBIDDEN.to_owned(),
            Ok(Answer { status, .. }) => format!("status {status}"),
            Err(error) => error.to_string(),
        };
        self.journal.error(format!("no document from {path}: {problem}"));
        None
    }

    async fn carry_out(&mut self, document: Document) -> Next {
        for verb in document.verbs {
            if let ControlFlow::Break(next) = self.carry_out_verb(&document.url, verb).await {
                return next;
            }
        }
        Next::End(Ended::Server)
    }

    /// What follows the document, if this verb is its last one.
    async fn carry_out_verb(&mut self, base: &str, verb: Verb) -> ControlFlow<Next> {
        if verb == Verb::Reject {
            return ControlFlow::Break(Next::End(Ended::Rejected));
        }
        self.journal.answered();
        if let Some(reachable) = &mut self.reachable {
            reachable.answered();
        }
        match verb {
            Verb::Reject | Verb::Hangup => ControlFlow::Break(Next::End(Ended::Server)),
            Verb::Say { text } => {
                self.journal.said(&text);
                self.listen(CHARACTER * text.chars().count() as u32).await
            }
            Verb::Pause { seconds } => self.listen(Duration::from_secs(seconds.into())).await,
            Verb::Redirect { url, .. } => ControlFlow::Break(self.ask(base, &url, Fields::new())),
            Verb::Connect { action, stream, .. } => {
                self.connect(base, action.as_deref(), &stream).await
            }
            Verb::Dial(dial) => self.dial(base, &dial).await,
            Verb::Record(record) => self.record(base, &record).await,
            Verb::Other(element) => {
                self.journal.error(format!("<{}> is not carried out here", element.name));
                ControlFlow::Continue(())
            }
        }
    }

    /// Stays on the line, unless the caller hangs up or the call is moved in that time.
    pub(super) async fn listen(&mut self, duration: Duration) -> ControlFlow<Next> {
        let clock = self.options.clock;
        let (until, hang_up_at) = (clock.now() + duration, self.hang_up_at());
        tokio::select! {
            () = clock.sleep_until(until.min(hang_up_at)) => match until < hang_up_at {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(Next::End(Ended::Caller)),
            },
            update = next_update(&mut self.reachable) => ControlFlow::Break(self.updated(update)),
        }
    }

    /// What follows when the server moves the call.
    pub(super) fn updated(&mut self, update: Update) -> Next {
        // Addresses in a document that came by itself are absolute, or as the first one's.
        let url = self.options.voice_url.clone();
        match update {
            Update::HangUp => Next::End(Ended::Server),
            Update::Ask(next) => {
                self.journal.tell(PhoneEventKind::Moved);
                self.ask(&url, &next, Fields::new())
            }
            Update::Document(body) => {
                self.journal.tell(PhoneEventKind::Moved);
                match self.read(url, Ok(Answer { status: 200, body })) {
                    Some(document) => Next::Follow(document),
                    None => Next::End(Ended::Failed),
                }
            }
        }
    }

    /// When the caller hangs up, whatever happens.
    pub(super) fn hang_up_at(&mut self) -> Duration {
        let longest = self.options.hang_up_after.unwrap_or(self.options.longest);
        self.journal.answered() + longest.min(self.options.longest)
    }

    /// The next document, for a caller who is on the line, with what else is to be told there.
    pub(super) fn ask(&mut self, base: &str, url: &str, more: Fields) -> Next {
        match absolute(base, url) {
            Some(url) => {
                let mut fields = webhook::call_fields(&self.options, "in-progress");
                fields.extend(more);
                Next::Ask { url, fields }
            }
            None => {
                self.journal.error("a URL in the TwiML cannot be read");
                Next::End(Ended::Failed)
            }
        }
    }

    /// The stream from its opening to the `action`.
    async fn connect(
        &mut self,
        base: &str,
        action: Option<&str>,
        stream: &Stream,
    ) -> ControlFlow<Next> {
        let stream_sid = random_sid("MZ");
        let status_url = stream.status_callback.as_deref().and_then(|url| absolute(base, url));
        let end = Box::pin(stream::run(self, stream, &stream_sid, status_url.as_deref())).await;
        self.journal.tell(PhoneEventKind::StreamEnded);
        let (event, error) = match &end {
            StreamEnd::Dropped(AfterDrop::Nothing) => {
                return ControlFlow::Break(Next::End(Ended::Dropped));
            }
            StreamEnd::Refused(why) => ("stream-error", Some(why.as_str())),
            _ => ("stream-stopped", None),
        };
        if let Some(why) = error {
            self.journal.error(format!("the media stream was not opened: {why}"));
        }
        if let Some(url) = status_url {
            let name = stream.name.as_deref().unwrap_or(&stream_sid);
            let fields = webhook::stream_fields(&self.options, &stream_sid, name, event, error);
            self.report_to(&url, &fields).await;
        }
        let next = match (end, action) {
            (StreamEnd::CallerHungUp, _) => Next::End(Ended::Caller),
            (StreamEnd::Moved(update), _) => self.updated(update),
            (StreamEnd::Server, _) if self.options.stream_fault == StreamFault::Unasked => {
                return match self.listen(self.options.longest).await {
                    ControlFlow::Continue(()) => ControlFlow::Break(Next::End(Ended::Failed)),
                    moved => moved,
                };
            }
            (StreamEnd::RangAgain, _) => {
                let url = self.options.voice_url.clone();
                self.ask(&url, &url, Fields::new())
            }
            (_, Some(action)) => self.ask(base, action, Fields::new()),
            (_, None) => return ControlFlow::Continue(()),
        };
        if let Some(action) = action {
            self.tell_of_end(base, action, Fields::new(), &next).await;
        }
        ControlFlow::Break(next)
    }

    /// The `action` of a verb in whose middle the call ended is told all the same; that of one
    /// from which the call was moved elsewhere is not.
    pub(super) async fn tell_of_end(
        &mut self,
        base: &str,
        action: &str,
        more: Fields,
        next: &Next,
    ) {
        if let (Next::End(_), Some(url)) = (next, absolute(base, action)) {
            let mut fields = webhook::call_fields(&self.options, "completed");
            fields.extend(more);
            self.report_to(&url, &fields).await;
        }
    }

    /// Posts something whose answer does not matter, only that there is a good one.
    async fn report_to(&mut self, url: &str, fields: &Fields) {
        match webhook::post(&self.options, url, fields, Signing::AuthToken).await {
            Ok(Answer { status: 200..=299, .. }) => {}
            Ok(Answer { status, .. }) => {
                self.journal.error(format!("a callback was answered with status {status}"));
            }
            Err(error) => self.journal.error(error.to_string()),
        }
    }
}

/// `url` as a document at `base` means it. An absolute one stays as it was written, because that
/// is what is signed.
pub(super) fn absolute(base: &str, url: &str) -> Option<String> {
    match url::Url::parse(url) {
        Ok(_) => Some(url.to_owned()),
        Err(_) => Some(url::Url::parse(base).ok()?.join(url).ok()?.into()),
    }
}
