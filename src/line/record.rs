//! The log of one call: its events while it goes on, and its row when it has ended.

use std::time::Duration;

use metrics::{counter, histogram};
use serde_json::{Value, json};
use uuid::Uuid;

use super::CallServices;
use super::opening::Opening;
use crate::call::{CallRecord, CallTime, End, LogEvent};
use crate::call_log::writer::LogWriter;
use crate::clock;
use crate::store::{CompletedCall, EventRow, LogPosition, OffStream};

/// How long the database may take to say which process has a call that has ended here.
const OWNER_LIMIT: Duration = Duration::from_millis(500);

/// Reports of broken streams that are written down. A call has a few streams; callbacks about them
/// come as often as their sender likes.
const STREAM_ERRORS_MAX: usize = 32;

/// A call's log: counts its events, folds them into its record, and hands them to the log writer.
pub(super) struct CallLog {
    log: LogWriter,
    call_log_id: Uuid,
    agent_id: Uuid,
    call_sid: String,
    instance_id: Uuid,
    model: String,
    started: Duration,
    /// The first stream's start, the transcript's 00:00.
    opened_at: Option<CallTime>,
    /// The streams that have opened here.
    stream_sids: Vec<String>,
    /// What Twilio said was wrong with streams, by its numbers.
    stream_errors: Vec<String>,
    /// Whether what another process wrote of the call before could not be read.
    is_partial: bool,
    /// What the next event is written with.
    position: LogPosition,
}

impl CallLog {
    /// Makes the log of a call that begins here.
    pub(super) fn new(services: &CallServices, opening: &Opening) -> Self {
        let mut log = Self {
            log: services.log.clone(),
            call_log_id: opening.call_log_id,
            agent_id: opening.agent.id,
            call_sid: opening.call_sid.clone(),
            instance_id: services.instance_id,
            model: services.engines.models.realtime.clone(),
            started: opening.started,
            opened_at: opening.before.has_opened().then(CallTime::default),
            stream_sids: Vec::new(),
            stream_errors: Vec::new(),
            is_partial: opening.is_partial,
            position: opening.position,
        };
        for (at_ms, event) in opening.test.iter().flat_map(|test| &test.earlier) {
            log.write_at(*at_ms, event);
        }
        log
    }

    /// Twilio's name for the call.
    pub(super) fn call_sid(&self) -> &str {
        &self.call_sid
    }

    /// When the webhook came, since the Unix epoch.
    pub(super) fn started(&self) -> Duration {
        self.started
    }

    /// The streams that have opened here.
    pub(super) fn stream_sids(&self) -> &[String] {
        &self.stream_sids
    }

    /// What the next event is written with.
    pub(super) fn position(&self) -> LogPosition {
        self.position
    }

    /// Whether what was written of the call before could not be read.
    pub(super) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// A stream has opened under this name.
    pub(super) fn stream(&mut self, stream_sid: String, at: CallTime) {
        self.opened_at.get_or_insert(at);
        self.stream_sids.push(stream_sid);
    }

    /// Writes an event to the call's record and to the log.
    pub(super) fn write(&mut self, at: CallTime, mut event: LogEvent) {
        if let (LogEvent::LineOpened { stream_sid }, Some(ours)) =
            (&mut event, self.stream_sids.last())
        {
            stream_sid.clone_from(ours);
        }
        if let LogEvent::StreamFailed { code } = &event {
            if self.stream_errors.len() >= STREAM_ERRORS_MAX {
                return;
            }
            self.stream_errors.push(code.clone());
        }
        let at_ms = self.opened_at.map_or(0, |opened_at| at.ms_since(opened_at));
        if let LogEvent::FirstAudio { first_audio_ms, .. } = event {
            histogram!("frontdesk_first_audio_seconds").record(first_audio_ms as f64 / 1000.0);
        }
        self.write_at(at_ms, &event);
    }

    fn write_at(&mut self, at_ms: u64, event: &LogEvent) {
        let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
        let LogPosition { epoch, next_seq } = self.position;
        self.log.event(EventRow::new(self.call_log_id, epoch, next_seq, at_ms, event));
        self.position.next_seq += 1;
    }

    /// Writes that the caller leaves for at most `limit`. What Twilio reports of that completes the
    /// row.
    pub(super) async fn go_out(&self, limit: Duration, returns: i32) {
        self.log
            .go_out(OffStream {
                agent_id: Some(self.agent_id),
                call_sid: self.call_sid.clone(),
                call_log_id: Some(self.call_log_id),
                instance_id: self.instance_id,
                epoch: Some(self.position.epoch),
                taken_by: None,
                until_us: unix_us(clock::unix_now().saturating_add(limit)),
                returns,
                metadata: json!({}).into(),
            })
            .await;
    }

    /// Whether no other process has taken the call over meanwhile, as far as its row can be read;
    /// unless `knows_best`, nor completed it. The statement that completes the row asks the same; but a
    /// process that believes that a call is over has Twilio hang up on it, so it asks first.
    pub(super) async fn is_ours(&self, knows_best: bool, services: &CallServices) -> bool {
        if !self.log.is_database_up() {
            return true;
        }
        let reading = services.function_services.store.call_by_sid(self.agent_id, &self.call_sid);
        match clock::within(OWNER_LIMIT, reading).await {
            Some(Ok(Some(row))) => {
                // A row that was there before the spool's copy came has an epoch of its own, with
                // which the log writes.
                let epoch = (row.id == self.call_log_id).then_some(self.position.epoch);
                row.owner().is_still(self.instance_id, epoch, knows_best)
            }
            Some(Ok(None) | Err(_)) | None => true,
        }
    }

    /// Completes the call's row from everything that was written down.
    pub(super) async fn complete(&self, end: End, record: &CallRecord, services: &CallServices) {
        let ended = clock::unix_now();
        let status = status_word(end);
        let by = json!(end.ended_by).as_str().unwrap_or_default().to_owned();
        counter!("frontdesk_calls_ended_total", "status" => status.clone(), "by" => by)
            .increment(1);
        let mut metadata = record.metadata();
        if let Some(Value::Array(stream_sids)) = metadata.get_mut("stream_sids") {
            stream_sids.extend(self.stream_sids.iter().map(|sid| json!(sid)));
        }
        if !self.stream_errors.is_empty() {
            let before = metadata.remove("stream_errors").unwrap_or_else(|| json!([]));
            let errors = before.as_array().into_iter().flatten().cloned();
            let errors = errors.chain(self.stream_errors.iter().map(|code| json!(code)));
            metadata.insert("stream_errors".into(), errors.collect());
        }
        metadata.insert("call_sid".into(), json!(self.call_sid));
        metadata.insert("engine".into(), json!("realtime"));
        metadata.insert("model".into(), json!(self.model));
        metadata.insert("ended_by".into(), json!(end.ended_by));
        let lasted = ended.saturating_sub(self.started) * services.clock.speed();
        services
            .log
            .complete(CompletedCall {
                call_log_id: self.call_log_id,
                agent_id: Some(self.agent_id),
                call_sid: self.call_sid.clone(),
                is_partial: self.is_partial,
                instance_id: Some(self.instance_id),
                epoch: Some(self.position.epoch),
                status,
                transcript: record.transcript().into(),
                metadata: Value::Object(metadata).into(),
                ended_us: unix_us(ended),
                duration_ms: i64::try_from(lasted.as_millis()).unwrap_or(i64::MAX),
            })
            .await;
    }
}

/// A time since the Unix epoch as rows have it, in microseconds.
pub fn unix_us(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// `call_logs.status`, as the contract spells it.
pub fn status_word(end: End) -> String {
    json!(end.status).as_str().unwrap_or("failed").to_owned()
}
