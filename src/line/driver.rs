//! One call's one task: everything that can wake it comes through one poll, the core decides, and
//! what it decides is done before the next wake.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use metrics::{counter, histogram};
use tracing::{Instrument, Span, info};

use super::exit::{Exit, Handing, Leaving, STREAM_LIMIT};
use super::inbox::Inbox;
use super::opening::Opening;
use super::phone::{FromPhone, Heard, Phone, pieces};
use super::recalls::Recalls;
use super::registry::{AfterPlan, Command, Slot};
use super::stream_watchdog::Watch;
use super::transferred_calls::TransferredCall;
use super::{CallServices, Engines, record::CallLog};
use crate::agent::Agent;
use crate::agent::history::History;
use crate::call::lifecycle::LOST;
use crate::call::{Call, CallTime, Event, LogEvent, ReplyId, Sent};
use crate::clock::{self, Alarm, Stopwatch};
use crate::engine::{Engine, Report};
use crate::functions::{CallContext, Running};
use crate::private::Private;
use crate::recording::recorder::{Taps, notice_time};

/// How many reports about replies are held for a line that is not open yet. Beyond, nothing is
/// read from the engine.
const HELD_MAX: usize = 1024;

/// The task that owns a call while it is on the line.
pub(super) struct CallTask {
    pub(super) services: Arc<CallServices>,
    pub(super) call: Call,
    pub(super) agent: Arc<Agent>,
    pub(super) caller: Private<String>,
    pub(super) history: History,
    pub(super) call_log: CallLog,
    pub(super) engine: Option<Box<dyn Engine>>,
    /// The session that is to take its place.
    pub(super) successor: Option<Box<dyn Engine>>,
    pub(super) phone: Option<Phone>,
    pub(super) taps: Option<Taps>,
    pub(super) functions: FuturesUnordered<Running>,
    pub(super) recalls: Recalls,
    pub(super) function_caller: Arc<CallContext>,
    pub(super) commands: Inbox<Command>,
    pub(super) slot: Slot,
    /// When the task was made, and how old the call was then.
    pub(super) born: Duration,
    pub(super) age: Duration,
    /// Reports about replies that wait for the line to open.
    held: VecDeque<Report>,
    /// What has been asked to be sent and is not yet known to have left.
    pub(super) sending: VecDeque<(ReplyId, Sent, Stopwatch)>,
    /// Since when requests are timed that are caused now.
    pub(super) woken: Option<Stopwatch>,
    /// The reply whose audio began last.
    audible: Option<ReplyId>,
    alarm: Alarm,
    /// Whether the alarm is set to what is due next: only what wakes the task changes that.
    is_alarm_set: bool,
    /// When the call is given up for want of a stream.
    pub(super) stream_due: Option<Duration>,
    /// When the media WebSocket is given up for want of `start`.
    pub(super) start_due: Option<Duration>,
    /// Where the caller goes on to, until Twilio has asked.
    pub(super) leaving: Option<Leaving>,
    pub(super) watch: Watch,
    /// How far the call is on its way to another process.
    pub(super) handing: Option<Handing>,
    pub(super) returns: i32,
    pub(super) has_left: bool,
    /// Until when it may be confirmed that the caller of a stopped stream has left.
    pub(super) confirm_due: Option<Duration>,
    pub(super) over: Option<Exit>,
    /// Engines of its own, where a test has those.
    pub(super) engines: Option<Engines>,
}

/// A call that was open before goes on in its own time, nearly since its webhook.
fn age_of(opening: &Opening, speed: u32) -> Duration {
    let since = clock::unix_now().saturating_sub(opening.started);
    if opening.before.has_opened() { since * speed } else { Duration::ZERO }
}

/// Everything that wakes the task.
enum Wake {
    Command(Command),
    Phone(FromPhone),
    Report(Report),
    Successor(Report),
    Sent(ReplyId, Sent, Stopwatch),
    Done(Event),
    Alarm,
}

impl CallTask {
    /// Dials the engine and waits for the rest.
    pub(super) fn new(services: Arc<CallServices>, opening: Opening) -> Self {
        let now = services.clock.now();
        let call_log = CallLog::new(&services, &opening);
        let history = opening.before.history();
        let age = age_of(&opening, services.clock.speed());
        let function_caller = Arc::new(opening.function_caller());
        let taps = Taps::of(
            &services.recorder,
            services.clock,
            &opening.agent,
            opening.call_log_id,
            now,
            age,
        );
        let notice = notice_time(&opening.agent);
        let settings = opening.agent.settings.call_settings(opening.has_knowledge);
        let mut line = Self {
            call: Call::resume(settings, opening.before),
            agent: opening.agent,
            caller: opening.caller,
            history: opening.history,
            call_log,
            engine: None,
            successor: None,
            phone: None,
            taps,
            functions: FuturesUnordered::new(),
            recalls: Recalls::default(),
            function_caller,
            commands: Inbox::new(opening.commands),
            slot: opening.slot,
            born: now,
            age,
            held: VecDeque::new(),
            sending: VecDeque::new(),
            woken: None,
            audible: None,
            alarm: Alarm::new(),
            is_alarm_set: false,
            stream_due: Some(now + STREAM_LIMIT + notice),
            start_due: None,
            leaving: None,
            watch: Watch::default(),
            handing: None,
            returns: opening.returns,
            has_left: false,
            confirm_due: None,
            over: None,
            engines: opening.test.and_then(|test| test.engines),
            services,
        };
        line.dial(history);
        if line.call.record().transfer().is_some() {
            line.tell(Event::TransferFailed);
        }
        line
    }

    /// Runs the call to its end and has its row completed. `span` is entered where there may be
    /// something to say, not for audio that passes through.
    pub(super) async fn run(mut self, span: Span) {
        while self.over.is_none() {
            let wake = std::future::poll_fn(|cx| self.poll(cx)).await;
            self.is_alarm_set = false;
            span.in_scope(|| {
                self.wake(wake, Stopwatch::start());
                self.part_if_quiet();
            });
        }
        self.complete().instrument(span).await;
    }

    async fn complete(mut self) {
        self.leave_stream();
        let (end, is_noted) = match self.over.take() {
            Some(Exit::Out { limit, plan, answer }) => {
                info!("the caller is out");
                self.call_log.go_out(limit, self.returns).await;
                let services = Arc::clone(&self.services);
                self.slot.note_position(self.call_log.position());
                if matches!(plan, AfterPlan::Transfer(_)) {
                    let call_sid = self.call_log.call_sid().to_owned();
                    services.registry.kept.keep(&call_sid, self.keep());
                } else {
                    drop(self.slot);
                }
                // The send fails where the webhook no longer waits; the plan holds all the same.
                let _ = answer.send(plan);
                return;
            }
            Some(Exit::Elsewhere(answer)) => {
                info!("the call goes on elsewhere");
                drop(self.slot);
                // The send fails where nobody waits for the answer any more.
                let _ = answer.send(true);
                return;
            }
            Some(Exit::Ended(end)) => (self.confirm(end).await, true),
            Some(Exit::EndedOutside(end)) => (end, false),
            None => (LOST, false),
        };
        if !self.call_log.is_ours(is_noted, &self.services).await {
            info!("the call went on elsewhere");
            return;
        }
        if !is_noted {
            self.call_log.write(self.now(), LogEvent::Ended(end));
        }
        info!(status = ?end.status, ended_by = ?end.ended_by, "call ended");
        self.slot.ended();
        self.call_log.complete(end, self.call.record(), &self.services).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        if let Poll::Ready(Some(command)) = self.commands.poll(cx) {
            return Poll::Ready(Wake::Command(command));
        }
        if let Some(phone) = &mut self.phone {
            if let Err(why) = phone.poll_write(cx) {
                return Poll::Ready(Wake::Phone(FromPhone::Gone(why)));
            }
            let hear = |heard: Heard<'_>| {
                self.engine.iter_mut().for_each(|engine| match heard {
                    Heard::Audio(payload) => engine.hear(payload),
                    Heard::Silence(bytes) => engine.hear_silence(bytes),
                });
            };
            if let Poll::Ready(from_phone) = phone.poll_read(cx, hear) {
                return Poll::Ready(Wake::Phone(from_phone));
            }
        }
        let may_read =
            self.held.len() < HELD_MAX && self.phone.as_ref().is_none_or(|phone| !phone.is_full());
        if let Some(engine) = &mut self.engine {
            if !may_read {
                engine.poll_write(cx);
            } else if let Poll::Ready(report) = engine.poll(cx) {
                return Poll::Ready(Wake::Report(report));
            }
        }
        if let Some(successor) = &mut self.successor
            && let Poll::Ready(report) = successor.poll(cx)
        {
            return Poll::Ready(Wake::Successor(report));
        }
        if let Some(sent) = self.take_sent() {
            return Poll::Ready(sent);
        }
        // Asking an empty set costs as much as reading a message.
        if !self.functions.is_empty()
            && let Poll::Ready(Some(done)) = self.functions.poll_next_unpin(cx)
        {
            return Poll::Ready(Wake::Done(done));
        }
        if let Poll::Ready(recalled) = self.recalls.poll(cx) {
            return Poll::Ready(Wake::Done(recalled));
        }
        let is_held_up = self.phone.as_ref().is_some_and(Phone::is_held_up);
        if is_held_up || !self.is_alarm_set {
            let due = self.next_due();
            self.alarm.set(due.map(|due| self.services.clock.wall(due)));
            self.is_alarm_set = !is_held_up;
        }
        self.alarm.poll(cx).map(|()| Wake::Alarm)
    }

    /// The oldest thing asked to be sent, once it has left.
    fn take_sent(&mut self) -> Option<Wake> {
        let (_, what, _) = self.sending.front()?;
        let is_gone = match what {
            Sent::Request => self.engine.as_ref().is_none_or(|engine| engine.is_flushed()),
            Sent::FirstAudio => self.phone.as_ref().is_none_or(Phone::is_flushed),
        };
        let (reply, what, since) = self.sending.pop_front_if(|_| is_gone)?;
        Some(Wake::Sent(reply, what, since))
    }

    pub(super) fn now(&self) -> CallTime {
        CallTime::from(self.services.clock.now().saturating_sub(self.born) + self.age)
    }

    /// Tells the core, and does what it says.
    pub(super) fn tell(&mut self, event: Event) {
        let at = self.now();
        for action in self.call.handle(at, event) {
            self.perform(action);
        }
    }

    fn wake(&mut self, wake: Wake, since: Stopwatch) {
        match wake {
            Wake::Report(report) => self.report(report, since),
            Wake::Successor(report) => self.about_successor(report),
            Wake::Phone(FromPhone::Event(event)) | Wake::Done(event) => {
                self.sending_since(since, |line| line.tell(event));
            }
            Wake::Phone(FromPhone::Started(stream_sid)) => self.started(stream_sid),
            Wake::Phone(FromPhone::Stopped) => self.stopped(),
            Wake::Phone(FromPhone::Gone(why)) => self.phone_gone(why),
            Wake::Sent(reply, what, asked) => {
                let took = asked.elapsed();
                histogram!("frontdesk_own_time_seconds", "what" => match what {
                    Sent::Request => "request",
                    Sent::FirstAudio => "first_audio",
                })
                .record(took);
                let took_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
                self.tell(Event::Sent { reply, what, took_us });
            }
            Wake::Command(command) => self.command(command),
            Wake::Alarm => self.due(),
        }
    }

    /// Requests that `act` causes are timed from `since`, when we woke for them. What it makes of
    /// those before is its own matter: it may dial another engine, which forgets them.
    pub(super) fn sending_since(&mut self, since: Stopwatch, act: impl FnOnce(&mut Self)) {
        let before = self.woken.replace(since);
        act(self);
        self.woken = before;
    }

    fn report(&mut self, report: Report, since: Stopwatch) {
        self.watch_caller(&report);
        let is_about_a_reply = matches!(
            report,
            Report::Audio { .. }
                | Report::Event(
                    Event::ReplyStarted { .. }
                        | Event::ReplyWords { .. }
                        | Event::ReplyEnded { .. }
                        | Event::FunctionWanted { .. }
                )
        );
        let waits = is_about_a_reply && self.call.opened_at().is_none();
        if waits {
            self.held.push_back(report);
            return;
        }
        self.sending_since(since, |line| match report {
            Report::Event(event) => line.tell(event),
            Report::Audio { reply, item, payload } => line.audio(reply, &item, &payload, since),
        });
    }

    /// A piece of a reply goes to the phone, with marks in between.
    fn audio(&mut self, reply: ReplyId, item: &str, payload: &bytes::Bytes, since: Stopwatch) {
        for (piece, bytes) in pieces(payload) {
            if !self.call.accepts_audio(reply) {
                counter!("frontdesk_stale_audio_total").increment(1);
                return;
            }
            let Some(phone) = &mut self.phone else { return };
            phone.play(piece);
            if self.audible != Some(reply) {
                self.audible = Some(reply);
                self.sending.push_back((reply, Sent::FirstAudio, since));
            }
            self.tell(Event::ReplyAudio { reply, item: item.to_owned(), bytes });
        }
    }

    pub(super) fn started(&mut self, stream_sid: String) {
        (self.stream_due, self.start_due) = (None, None);
        self.watch.begin(self.services.clock.now());
        self.call_log.stream(stream_sid, self.now());
        self.tell(Event::LineOpen);
        for report in std::mem::take(&mut self.held) {
            self.report(report, Stopwatch::start());
        }
    }

    /// What is left of a call whose caller is out; its slot is free.
    pub(super) fn keep(self) -> TransferredCall {
        let mut record = self.call.into_record();
        for stream_sid in self.call_log.stream_sids() {
            // The core does not know their names, and by them it is known that the call has opened.
            record.apply(0, &LogEvent::LineOpened { stream_sid: stream_sid.clone() });
        }
        TransferredCall {
            agent: self.agent,
            call_log_id: self.function_caller.call_log_id,
            caller: self.caller,
            history: self.history,
            started: self.call_log.started(),
            position: self.call_log.position(),
            record,
            is_partial: self.call_log.is_partial(),
            returns: self.returns,
        }
    }
}
