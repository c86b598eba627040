//! One person's stream of events (`text/event-stream`): what happens in the live calls that they see.
//!
//! Whether they still see them is asked again before anything is told that is a second behind the
//! last answer. `id` is a time by the database's clock; who comes back with it is told again what was
//! written since, and some seconds before: telling a line twice does no harm.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, StatusCode};
use rand::Rng as _;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::hub::{Told, Watching};
use super::words::{CallWords, LiveMessage, fold};
use crate::clock::{self, Stopwatch};
use crate::store::EventRow;
use crate::store::access::VisibleAgents;
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::problem::Problem;
use crate::web::session;

/// How long what was asked about access counts.
const ACCESS_COUNTS: Duration = Duration::from_millis(800);
/// How long the first look may take.
const BEGIN_LIMIT: Duration = Duration::from_secs(4);
/// So often something is sent, so that nobody between takes the stream for dead.
const COMMENT_PAUSE: Duration = Duration::from_secs(20);
/// How long a stream lasts before it is to come back: connections do not last for ever.
const LASTS: Duration = Duration::from_secs(9 * 60);
/// How much before its position a stream goes on: a statement may be committed later than one that
/// began after it.
const OVERLAP_US: i64 = 5_000_000;
/// How much longer before it a call may have ended whose end was written later.
const END_OVERLAP_US: i64 = 600_000_000;
/// Whoever gets no stream may ask again in so many seconds.
const RETRY_SECONDS: u64 = 10;
/// Who sees no agent comes back in so many milliseconds.
const NOTHING_RETRY_MS: u32 = 30_000;
/// How many events of a call are read for somebody who comes: for a list, and for one call.
const EVENTS_OF_LIST: i64 = 12;
const EVENTS_OF_CALL: i64 = 2_000;

/// What somebody wants to be told of.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// One agent's calls alone.
    pub agent: Option<Uuid>,
    /// One call alone, of this agent.
    pub call: Option<(Uuid, Uuid)>,
    /// Tests too.
    pub tests: bool,
    /// Where the stream goes on that they had.
    pub position: Option<i64>,
    /// Whether it goes on, or says only what there is now.
    pub follow: bool,
}

impl Wanted {
    fn agents(&self, seen: &VisibleAgents) -> VisibleAgents {
        seen.only(self.call.map(|(agent, _)| agent).or(self.agent))
    }

    fn includes(&self, call: Uuid, is_test: bool) -> bool {
        match self.call {
            Some((_, wanted)) => wanted == call,
            None => self.tests || !is_test,
        }
    }
}

/// A stream.
struct LiveStream {
    state: Arc<AppState>,
    viewer: Viewer,
    parts: Parts,
    wanted: Wanted,
    /// What the person saw when it was asked last.
    agents: VisibleAgents,
    asked: Stopwatch,
    _watching: Watching,
    told: broadcast::Receiver<Arc<Told>>,
    queue: VecDeque<Bytes>,
    began: Stopwatch,
    sent: Stopwatch,
}

/// Answers with the stream.
///
/// # Errors
/// Too many streams, or the database.
pub async fn answer(
    state: Arc<AppState>,
    viewer: &Viewer,
    parts: Parts,
    wanted: Wanted,
) -> Result<Response, Problem> {
    if wanted.follow && state.services.registry.is_draining() {
        let why = "this process goes down; another one answers in a moment";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why));
    }
    let agents = wanted.agents(&state.owners.store.visible_agents(viewer).await?);
    // Who sees no agent has nothing to wait for, and takes nobody's place: they come back now and then.
    if !wanted.follow || agents.list().is_empty() {
        let queue = first(&state, viewer, &agents, &wanted).await?;
        let body: Vec<u8> = queue.into_iter().flatten().collect();
        return Ok(respond(Body::from(body)));
    }
    let watched = state.live.watch(viewer.id(), agents.clone());
    let (watching, told) =
        watched.map_err(|none| Problem::wait(RETRY_SECONDS, none.to_string()))?;
    let late = || {
        let why = "the database does not answer now; calls are still being answered";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
    };
    clock::within(BEGIN_LIMIT, watching.begun()).await.ok_or_else(late)?;
    let queue = first(&state, viewer, &agents, &wanted).await?;
    let now = Stopwatch::start();
    let stream = LiveStream {
        state,
        viewer: viewer.clone(),
        parts,
        wanted,
        agents,
        asked: now,
        _watching: watching,
        told,
        queue,
        began: now,
        sent: now,
    };
    let bytes = stream::unfold(stream, |mut stream| async move {
        let next = stream.next().await?;
        Some((Ok::<_, Infallible>(next), stream))
    });
    Ok(respond(Body::from_stream(bytes)))
}

fn respond(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

/// What somebody is told who comes: the calls that there are, what was said in them last or since they
/// went, and which have ended since.
async fn first(
    state: &AppState,
    viewer: &Viewer,
    agents: &VisibleAgents,
    wanted: &Wanted,
) -> Result<VecDeque<Bytes>, Problem> {
    let store = &state.owners.store;
    let now = match wanted.call {
        Some((_, call)) => store.live_among(agents, &[call]).await?,
        None => store.live_calls(agents).await?,
    };
    let listening = &state.owners.listening;
    if wanted.call.is_some() {
        listening.note_watching(store, viewer, &now.calls).await?;
    } else {
        listening.note_lists(store, viewer, agents, &now.calls).await?;
    }
    let calls: Vec<_> =
        now.calls.iter().filter(|call| wanted.includes(call.id, call.is_test())).collect();
    let each = if wanted.call.is_some() { EVENTS_OF_CALL } else { EVENTS_OF_LIST };
    let since_us = wanted.position.map(|position| position.saturating_sub(OVERLAP_US));
    let mut ids: Vec<Uuid> = calls.iter().map(|call| call.id).collect();
    let mut ended = match wanted.position {
        Some(position) => {
            store.ended_since(agents, position.saturating_sub(END_OVERLAP_US)).await?
        }
        None => Vec::new(),
    };
    if let Some((_, call)) = wanted.call
        && !ids.contains(&call)
    {
        // Its last words come before its end.
        ids.push(call);
        ended = store.ended_of(agents, &[call]).await?;
    }
    let events = store.latest_events(agents, &ids, each, since_us).await?;
    // Not all at once when a server comes back.
    let retry_ms = match agents.list().is_empty() {
        true => NOTHING_RETRY_MS,
        false => rand::rng().random_range(2_000..5_000),
    };
    let mut queue = VecDeque::from([Bytes::from(format!("retry: {retry_ms}\n\n"))]);
    for call in calls {
        queue.push_back(written(&LiveMessage::from(call), now.at_us));
    }
    for call in ids {
        for message in words_of_call(call, &events) {
            queue.push_back(written(&message, now.at_us));
        }
    }
    for end in ended.iter().filter(|end| wanted.includes(end.id, end.is_test)) {
        queue.push_back(written(&LiveMessage::from(end), now.at_us));
    }
    Ok(queue)
}

/// What was said in a call, each line once.
fn words_of_call(call: Uuid, events: &[EventRow]) -> impl Iterator<Item = LiveMessage> {
    let of_call: Vec<EventRow> =
        events.iter().filter(|event| event.call_log_id == call).cloned().collect();
    let (lines, doing) = fold(&of_call);
    let last = doing.map(|doing| CallWords { call, at_ms: None, doing: Some(doing), line: None });
    let lines = lines.into_iter().map(move |line| CallWords {
        call,
        at_ms: None,
        doing: None,
        line: Some(line),
    });
    lines.chain(last).map(LiveMessage::Words)
}

fn written(message: &LiveMessage, position: i64) -> Bytes {
    // JSON has no line break of its own.
    let data = serde_json::to_string(message).unwrap_or_default();
    Bytes::from(format!("event: {}\nid: {position}\ndata: {data}\n\n", message.name()))
}

impl LiveStream {
    /// The next piece; none: the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let age = self.asked.elapsed();
            if age >= ACCESS_COUNTS {
                self.still_sees().await?;
                continue;
            }
            if let Some(bytes) = self.queue.pop_front() {
                self.sent = Stopwatch::start();
                return Some(bytes);
            }
            if self.began.elapsed() >= LASTS {
                return None;
            }
            if self.sent.elapsed() >= COMMENT_PAUSE {
                self.queue.push_back(Bytes::from_static(b": still here\n\n"));
                continue;
            }
            tokio::select! {
                told = self.told.recv() => match told {
                    Ok(told) => self.take(&told).await?,
                    // Too slow: it comes back with its position, and has lost nothing.
                    Err(_) => return None,
                },
                () = clock::pause(ACCESS_COUNTS.saturating_sub(age)) => {}
                () = self.state.services.registry.drained() => return None,
            }
        }
    }

    /// None: it cannot be written down that they see it.
    async fn take(&mut self, told: &Told) -> Option<()> {
        let Some(agent) = self.agents.find(told.agent_id) else { return Some(()) };
        if !self.wanted.includes(told.message.call(), told.is_test) {
            return Some(());
        }
        if self.wanted.call.is_none() && !told.is_test {
            let owners = &self.state.owners;
            let noted = owners.listening.note_list(&owners.store, &self.viewer, agent).await;
            noted.ok()?;
        }
        self.queue.push_back(written(&told.message, told.position));
        Some(())
    }

    /// Asks again who it is and what they see. None: not the same any more, or not known.
    async fn still_sees(&mut self) -> Option<()> {
        let viewer = session::sender(&self.state, &self.parts).await.ok()??;
        let seen = self.state.owners.store.visible_agents(&viewer).await.ok()?;
        let agents = self.wanted.agents(&seen);
        self.asked = Stopwatch::start();
        // Who sees others now comes again, and is told of those.
        (agents.ids() == self.agents.ids()).then_some(())
    }
}
