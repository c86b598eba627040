//! One call's one task: everything that can wake it comes through one poll, the core decides, and
//! what it decides is done before the next wake.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use metrics::{counter, histogram};
use tokio::sync::mpsc::Receiver;
use tracing::Span;

use super::bell::Bell;
use super::exit::{Exit, Handing, Leaving, STREAM_LIMIT};
use super::opening::Opening;
use super::phone::{FromPhone, Heard, Phone, pieces};
use super::recalls::Recalls;
use super::registry::{Command, Slot};
use super::stream_watchdog::Watch;
use super::transferred_calls::TransferredCall;
use super::{CallServices, Engines, record::CallLog};
use crate::agent::Agent;
use crate::agent::history::History;
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
///
/// What is read for each frame of audio stands together at the beginning: with hundreds of calls each of
/// its cache lines comes from far.
#[repr(C)]
pub(super) struct CallTask {
    bell: Bell,
    /// Whether a command may be there or the alarm ready: something rang, and they were not asked since
    /// until neither had anything.
    has_rung: bool,
    /// Whether the alarm is set to what is due next: only what wakes the task changes that.
    is_alarm_set: bool,
    pub(super) functions: FuturesUnordered<Running>,
    pub(super) recalls: Recalls,
    pub(super) engine: Option<Box<dyn Engine>>,
    /// The session that is to take its place.
    pub(super) successor: Option<Box<dyn Engine>>,
    /// Reports about replies that wait for the line to open.
    held: VecDeque<Report>,
    /// What has been asked to be sent and is not yet known to have left.
    pub(super) sending: VecDeque<(ReplyId, Sent, Stopwatch)>,
    pub(super) phone: Option<Phone>,
    pub(super) call: Call,
    pub(super) services: Arc<CallServices>,
    /// When the task was made, and how old the call was then.
    pub(super) born: Duration,
    pub(super) age: Duration,
    /// Since when requests are timed that are caused now.
    pub(super) woken: Option<Stopwatch>,
    /// The reply whose audio began last.
    audible: Option<ReplyId>,
    pub(super) watch: Watch,
    pub(super) agent: Arc<Agent>,
    pub(super) caller: Private<String>,
    pub(super) history: History,
    pub(super) call_log: CallLog,
    pub(super) taps: Option<Taps>,
    pub(super) function_caller: Arc<CallContext>,
    pub(super) commands: Receiver<Command>,
    pub(super) slot: Slot,
    pub(super) over: Option<Exit>,
    alarm: Alarm,
    /// When the call is given up for want of a stream.
    pub(super) stream_due: Option<Duration>,
    /// When the media WebSocket is given up for want of `start`.
    pub(super) start_due: Option<Duration>,
    /// Where the caller goes on to, until Twilio has asked.
    pub(super) leaving: Option<Leaving>,
    /// How far the call is on its way to another process.
    pub(super) handing: Option<Handing>,
    pub(super) returns: i32,
    pub(super) has_left: bool,
    /// Until when it may be confirmed that the caller of a stopped stream has left.
    pub(super) confirm_due: Option<Duration>,
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
            bell: Bell::new(),
            has_rung: true,
            is_alarm_set: false,
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
            commands: opening.commands,
            slot: opening.slot,
            born: now,
            age,
            held: VecDeque::new(),
            sending: VecDeque::new(),
            woken: None,
            audible: None,
            alarm: Alarm::new(),
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

    /// Goes on until there is nothing to do, or the call is over. `span` is entered where there may be
    /// something to say, not for audio that passes through.
    pub(super) fn poll_over(&mut self, span: &Span, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Poll::Ready(wake) = self.poll(cx) else { return Poll::Pending };
            self.is_alarm_set = false;
            span.in_scope(|| {
                self.wake(wake, Stopwatch::start());
                self.part_if_quiet();
            });
            if self.over.is_some() {
                return Poll::Ready(());
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        self.has_rung |= self.bell.has_rung(cx);
        if self.has_rung {
            let cx = &mut Context::from_waker(self.bell.ringer());
            if let Poll::Ready(Some(command)) = self.commands.poll_recv(cx) {
                return Poll::Ready(Wake::Command(command));
            }
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
        self.poll_seldom()
    }

    /// What rings the bell, but for commands, which come before all else. Functions and look-ups are asked in
    /// every turn while any run: nobody rings for one that was begun since the last turn. The alarm is asked
    /// after a ring, and when it was set to another time.
    fn poll_seldom(&mut self) -> Poll<Wake> {
        let cx = &mut Context::from_waker(self.bell.ringer());
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
        let mut asks = self.has_rung;
        if is_held_up || !self.is_alarm_set {
            let due = self.next_due();
            asks |= self.alarm.set(due.map(|due| self.services.clock.wall(due)));
            self.is_alarm_set = !is_held_up;
        }
        if asks && self.alarm.poll(cx).is_ready() {
            return Poll::Ready(Wake::Alarm);
        }
        self.has_rung = false;
        Poll::Pending
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
