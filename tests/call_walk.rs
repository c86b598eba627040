//! Random walks: whatever an engine, a phone and a caller do, in whatever order, some things always
//! hold.

mod call_phone;

use std::collections::{BTreeMap, BTreeSet};

use call_phone::Phone;
use frontdesk::call::{
    Action, AfterFunction, Call, CallSettings, CallTime, Event, FunctionRun, LogEvent, Mark,
    Passage, Purpose, RecallId, Recollection, ReplyId, ReplyOutcome, Timer, TransferTarget, Usage,
    Words,
};
use proptest::prelude::*;

/// What happens next, with a number that says which one.
#[derive(Debug, Clone, Copy)]
enum Step {
    EngineReady,
    EngineLost(bool),
    Successor(u8),
    Sound(bool),
    LineOpen,
    LineLost,
    Speech(u8),
    Words(u8),
    Recalled(u8),
    Key,
    Audio(u8),
    ReplyWords,
    Function(u8),
    FunctionDone(u8),
    ReplyEnds(u8),
    Stale(u8),
    OwnerEnds,
    OwnerTransfers,
    Drain,
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        4 => Just(Step::EngineReady),
        1 => (0..8_u8).prop_map(|n| Step::EngineLost(n == 0)),
        4 => any::<u8>().prop_map(Step::Successor),
        3 => any::<bool>().prop_map(Step::Sound),
        4 => Just(Step::LineOpen),
        1 => Just(Step::LineLost),
        9 => any::<u8>().prop_map(Step::Speech),
        5 => any::<u8>().prop_map(Step::Words),
        3 => any::<u8>().prop_map(Step::Recalled),
        1 => Just(Step::Key),
        12 => any::<u8>().prop_map(Step::Audio),
        4 => Just(Step::ReplyWords),
        3 => any::<u8>().prop_map(Step::Function),
        3 => any::<u8>().prop_map(Step::FunctionDone),
        6 => any::<u8>().prop_map(Step::ReplyEnds),
        3 => any::<u8>().prop_map(Step::Stale),
    ];
    // Ends of the call are rare, or there would be no walk.
    let step = prop_oneof![
        80 => step,
        1 => Just(Step::OwnerEnds),
        1 => Just(Step::OwnerTransfers),
        1 => Just(Step::Drain),
    ];
    (prop_oneof![6 => 0..400_u64, 1 => 400..9_000_u64], step)
}

fn settings() -> impl Strategy<Value = CallSettings> {
    let budget = prop_oneof![Just(None), Just(Some(0)), Just(Some(600)), Just(Some(2_000))];
    (any::<bool>(), any::<bool>(), any::<bool>(), 0..3_u64, 0..3_u32, budget).prop_map(
        |(greets, interruptible, greeting_interruptible, idle, reprompts, recall_budget_ms)| {
            CallSettings {
                greets,
                interruptible,
                greeting_interruptible,
                reprompt_after_ms: idle * 2_000,
                reprompts,
                limit_ms: 60_000,
                recall_budget_ms,
            }
        },
    )
}

/// The world around the call, and what it has seen.
struct World {
    call: Call,
    now: CallTime,
    phone: Phone,
    line_open: bool,
    ever_open: bool,
    engine_ready: bool,
    /// An engine was dialled that is neither ready nor lost.
    dialling: bool,
    engine_session: u32,
    /// A second session was dialled, and whether it is ready.
    successor: Option<bool>,
    /// The reply that the engine works on, and whether it was told to stop.
    active: Option<(ReplyId, bool)>,
    cancelled: BTreeSet<ReplyId>,
    sent_bytes: BTreeMap<ReplyId, u64>,
    marked: BTreeMap<ReplyId, u64>,
    generation: u32,
    utterances: u32,
    /// Every function call: the session that wanted it, and how many outputs it got.
    calls: BTreeMap<String, (u32, u32)>,
    running: Vec<FunctionRun>,
    runs: usize,
    fillers: usize,
    knowledge: Knowledge,
    over: bool,
    ended: bool,
}

/// What was looked up and told, and which stretch of speech an answer has to wait for.
#[derive(Default)]
struct Knowledge {
    budget_ms: Option<u64>,
    outstanding: Vec<RecallId>,
    /// Recalls that came back, and the passages that they brought.
    newest_back: Option<RecallId>,
    passages: BTreeSet<i64>,
    /// What the engine has.
    context: Vec<i64>,
    gaps: BTreeSet<u32>,
    /// What is known of each stretch of speech: the recall of its words, if they came.
    utterances: BTreeMap<String, Told>,
    /// The one that stopped last, and until when its recall is waited for.
    waiting: Option<(String, CallTime)>,
    /// The turn of the keys that were pressed last.
    keys_turn: u32,
}

#[derive(Default, Clone, Copy)]
struct Told {
    stopped: bool,
    worded: bool,
    settled: bool,
    recall: Option<RecallId>,
}

impl Knowledge {
    /// An event is about to happen.
    fn before(&mut self, now: CallTime, event: &Event) {
        let (utterance, told) = match event {
            Event::SpeechStarted { utterance } => (utterance, Told::default()),
            Event::SpeechStopped { utterance } | Event::SpeechCommitted { utterance } => {
                (utterance, Told { stopped: true, ..Told::default() })
            }
            Event::CallerWords { utterance, words } => {
                let settled = !matches!(words, Words::Partial(_));
                (utterance, Told { stopped: settled, worded: true, settled, recall: None })
            }
            Event::LineLost | Event::LineOpen | Event::EngineLost { .. } => {
                self.waiting = None;
                return;
            }
            _ => return,
        };
        let known = self.utterances.get(utterance).copied();
        if known.is_none() {
            self.waiting = None;
        }
        let known = known.unwrap_or_default();
        if told.stopped && !known.stopped {
            let until = now.plus_ms(self.budget_ms.unwrap_or(0));
            self.waiting = Some((utterance.clone(), until));
        }
        let told = Told {
            stopped: told.stopped || known.stopped,
            worded: told.worded || known.worded,
            settled: told.settled || known.settled,
            recall: known.recall,
        };
        self.utterances.insert(utterance.clone(), told);
    }

    /// Something is looked up because of the event.
    fn recall(&mut self, recall: RecallId, query: &str, event: &Event) {
        assert!(self.budget_ms.is_some(), "looked up what there is not");
        assert!(!query.trim().is_empty() && query.len() <= 1_000);
        self.outstanding.push(recall);
        let (Event::SpeechStopped { utterance }
        | Event::SpeechCommitted { utterance }
        | Event::CallerWords { utterance, .. }) = event
        else {
            panic!("looked up because of {event:?}")
        };
        self.utterances.get_mut(utterance).expect("it was told").recall = Some(recall);
    }

    /// An answer is asked for: either time is up, or there is nothing to wait for.
    fn answer(&mut self, now: CallTime) {
        let Some((utterance, until)) = self.waiting.take() else { return };
        let told = self.utterances[&utterance];
        if now >= until {
            return;
        }
        match told.recall {
            Some(recall) => {
                let came = !self.outstanding.contains(&recall);
                let newer_came = self.newest_back.is_some_and(|newest| newest >= recall);
                assert!(came || newer_came, "did not wait for {recall:?} until {until:?}");
            }
            None => assert!(told.worded || told.settled, "did not wait for words until {until:?}"),
        }
    }

    fn context(&mut self, passages: &[Passage]) {
        let given: Vec<i64> = passages.iter().map(|passage| passage.id).collect();
        assert_ne!(given, self.context, "the engine has them");
        assert!(given.iter().all(|id| self.passages.contains(id)), "made up: {given:?}");
        self.context = given;
    }
}

impl World {
    fn new(settings: CallSettings) -> Self {
        let budget_ms = settings.recall_budget_ms;
        Self {
            knowledge: Knowledge { budget_ms, ..Knowledge::default() },
            call: Call::new(settings),
            now: CallTime::default(),
            phone: Phone::default(),
            line_open: false,
            ever_open: false,
            engine_ready: false,
            dialling: true,
            engine_session: 1,
            successor: None,
            active: None,
            cancelled: BTreeSet::new(),
            sent_bytes: BTreeMap::new(),
            marked: BTreeMap::new(),
            generation: 0,
            utterances: 0,
            calls: BTreeMap::new(),
            running: Vec::new(),
            runs: 0,
            fillers: 0,
            over: false,
            ended: false,
        }
    }

    fn handle(&mut self, event: Event) {
        self.knowledge.before(self.now, &event);
        let actions = self.call.handle(self.now, event.clone());
        let (mut answers, mut grounded) = (0, 0);
        for action in actions {
            assert!(!self.over, "after the end: {action:?} because of {event:?}");
            match &action {
                Action::Recall { recall, query } => self.knowledge.recall(*recall, query, &event),
                Action::Note(LogEvent::ReplyRequested { turn: Some(_), purpose, .. }) => {
                    answers += u32::from(purpose == "answer");
                }
                Action::Note(LogEvent::Grounded { .. }) => grounded += 1,
                _ => {}
            }
            self.see(&action);
        }
        let expected = if self.knowledge.budget_ms.is_some() { answers } else { 0 };
        assert_eq!(grounded, expected, "each answer says what it is grounded on");
        assert_eq!(self.over, self.call.is_over());
        if let Some((at, timer)) = self.call.deadline() {
            assert!(at >= self.now, "{timer:?} is in the past after {event:?}");
        }
    }

    fn see(&mut self, action: &Action) {
        match action {
            Action::Reply { reply, purpose } => {
                match purpose {
                    Purpose::Answer => self.knowledge.answer(self.now),
                    Purpose::Filler => {
                        assert!(!self.running.is_empty(), "nothing is being carried out");
                        self.fillers += 1;
                        assert!(self.fillers <= self.runs, "it was said before");
                    }
                    _ => {}
                }
                assert!(self.engine_ready, "asked an engine that is not ready");
                assert!(self.active.is_none_or(|(_, stopping)| stopping), "two replies at once");
                self.active = Some((*reply, false));
            }
            Action::CancelReply { reply } => {
                assert_eq!(self.active, Some((*reply, false)), "cancelled what is not active");
                self.active = Some((*reply, true));
                self.cancelled.insert(*reply);
            }
            Action::TruncateItem { item, heard_ms } => {
                let sent = self.sent_bytes[&reply_of(item)];
                assert!(*heard_ms > 0 && *heard_ms <= sent / 8, "{heard_ms} of {sent} bytes");
            }
            Action::DeleteItem { item } => {
                assert!(self.sent_bytes.contains_key(&reply_of(item)));
            }
            Action::ClearLine => {
                assert!(self.line_open, "cleared a line that is not open");
                self.phone.clear(self.now);
            }
            Action::PlaceMark(mark) => self.see_mark(*mark),
            Action::RunFunction { run, engine_call_id, .. } => {
                assert!(self.calls.contains_key(engine_call_id));
                self.running.push(*run);
                self.runs += 1;
            }
            Action::GiveOutput { engine_call_id, .. } => {
                let (session, outputs) = self.calls.get_mut(engine_call_id).expect("was wanted");
                assert_eq!(*session, self.engine_session, "an output for an engine that is gone");
                *outputs += 1;
                assert_eq!(*outputs, 1, "two outputs for {engine_call_id}");
            }
            Action::AddMessage { .. } => assert!(self.engine_ready),
            Action::DialEngine { .. } => {
                if self.engine_ready {
                    // It does not react or does not hear: whatever it reports is not heard of.
                    self.lose_engine();
                }
                (self.dialling, self.successor) = (true, None);
            }
            Action::DialSuccessor { .. } => {
                assert!(self.engine_ready && self.successor.is_none());
                self.successor = Some(false);
            }
            Action::Succeed => {
                assert_eq!(self.successor.take(), Some(true), "a session that is not ready");
                self.lose_engine();
                self.engine_ready = true;
            }
            Action::Note(event) => self.see_note(event),
            Action::MoveToFallback => {
                assert!(self.line_open, "moved a call without a line");
                self.over = true;
            }
            Action::Recall { .. } => {}
            Action::SetContext { passages } => {
                assert!(self.engine_ready);
                self.knowledge.context(passages);
            }
            // Also without a line: Twilio asks what happens next.
            Action::Transfer { .. } => self.over = true,
            Action::HangUp(_) => {
                assert!(self.ended, "hung up without writing it down");
                self.over = true;
            }
        }
    }

    fn see_mark(&mut self, mark: Mark) {
        let sent = self.sent_bytes.get(&mark.reply).copied().unwrap_or_default();
        assert_eq!(mark.ms, sent / 8, "a mark says what was sent");
        assert!(mark.generation >= self.generation, "generations do not go back");
        self.generation = mark.generation;
        let before = self.marked.insert(mark.reply, mark.ms);
        assert!(before.is_none_or(|before| before <= mark.ms), "marks of a reply do not go back");
        if self.line_open {
            self.phone.mark(self.now, mark);
        }
    }

    fn see_note(&mut self, event: &LogEvent) {
        assert!(!self.ended, "after the end: {event:?}");
        match event {
            LogEvent::AgentSaid { reply, generated, heard, heard_ms, .. } => {
                let sent = self.sent_bytes.get(&ReplyId(*reply)).copied().unwrap_or_default();
                assert!(*heard_ms <= sent / 8, "heard {heard_ms} ms of {sent} bytes");
                assert!(generated.starts_with(heard.as_str()));
            }
            LogEvent::Ended(_) => self.ended = true,
            LogEvent::Grounded { chunks, .. } => {
                let ids: Vec<i64> = chunks.iter().map(|chunk| chunk.id).collect();
                assert_eq!(ids, self.knowledge.context, "it says what the engine has");
            }
            // Their answer waits for nothing, nor for what was said in a turn before theirs.
            LogEvent::KeysPressed { turn, .. } => {
                (self.knowledge.waiting, self.knowledge.keys_turn) = (None, *turn);
            }
            LogEvent::CallerSaid { turn, .. } if *turn < self.knowledge.keys_turn => {
                self.knowledge.waiting = None;
            }
            LogEvent::Gap { turn, .. } => assert!(self.knowledge.gaps.insert(*turn), "told twice"),
            _ => {}
        }
    }

    /// Deadlines and marks until then, as they come.
    fn pass(&mut self, until: CallTime) {
        let mut at_once = 0;
        loop {
            let deadline = self.call.deadline().filter(|(at, _)| *at <= until);
            let mark = self.phone.next().filter(|at| *at <= until);
            let at = match (deadline, mark) {
                (Some((due, _)), Some(mark)) => due.min(mark),
                (Some((due, _)), None) => due,
                (None, Some(mark)) => mark,
                (None, None) => break,
            };
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 200, "a busy loop");
            self.now = self.now.max(at);
            if mark == Some(at) {
                let mark = self.phone.take().expect("a mark is due");
                self.handle(Event::MarkReturned(mark));
            } else if let Some((due, timer)) = deadline {
                self.handle(Event::Due(timer));
                assert_ne!(self.call.deadline(), Some((due, timer)), "a deadline was not moved");
            }
        }
        self.now = self.now.max(until);
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::EngineReady => {
                if std::mem::take(&mut self.dialling) {
                    self.engine_ready = true;
                    self.handle(Event::EngineReady { lasts_ms: Some(30_000) });
                }
            }
            Step::EngineLost(fatal) => {
                if self.engine_ready || self.dialling {
                    self.lose_engine();
                    self.handle(Event::EngineLost { fatal, why: "closed".to_owned() });
                }
            }
            Step::Successor(which) => {
                if which < 200 && self.successor == Some(false) {
                    self.successor = Some(true);
                    self.handle(Event::SuccessorReady { lasts_ms: Some(30_000) });
                } else if which >= 200 && self.successor.take().is_some() {
                    let fatal = which.is_multiple_of(16);
                    self.handle(Event::SuccessorLost { fatal, why: "closed".to_owned() });
                }
            }
            Step::Sound(loud) => self.handle(Event::LineSound { loud }),
            Step::LineOpen => {
                if self.line_open {
                    self.phone.lose();
                }
                (self.line_open, self.ever_open) = (true, true);
                self.handle(Event::LineOpen);
            }
            Step::LineLost => {
                self.line_open = false;
                self.phone.lose();
                self.handle(Event::LineLost);
            }
            Step::Speech(which) => self.speech(which),
            Step::Words(which) => self.words(which),
            Step::Recalled(which) => self.recalled(which),
            Step::Key => self.handle(Event::KeyPressed('5')),
            Step::OwnerEnds => self.handle(Event::OwnerEnds { words: None }),
            Step::OwnerTransfers => {
                let number = "+15550003333".to_owned().into();
                let target = TransferTarget { name: "Owner".into(), number };
                self.handle(Event::OwnerTransfers { target });
            }
            Step::Drain => self.handle(Event::Drain),
            Step::FunctionDone(which) if !self.running.is_empty() => {
                let run = self.running.swap_remove(usize::from(which) % self.running.len());
                let number = "+15550003333".to_owned().into();
                let target = TransferTarget { name: "Sales".into(), number };
                self.handle(Event::FunctionDone {
                    run,
                    ok: true,
                    output: "{}".to_owned(),
                    row: None,
                    then: match which {
                        0..40 => Some(AfterFunction::Transfer { target, words: None }),
                        241.. => Some(AfterFunction::EndCall { words: None }),
                        _ => None,
                    },
                    notes: Vec::new(),
                });
            }
            Step::FunctionDone(_) => {}
            Step::Stale(which) => self.stale(which),
            Step::Audio(_) | Step::ReplyWords | Step::Function(_) | Step::ReplyEnds(_) => {
                if let Some((reply, stopping)) = self.active.filter(|_| self.engine_ready) {
                    self.reply(reply, stopping, step);
                }
            }
        }
    }

    fn lose_engine(&mut self) {
        (self.engine_ready, self.dialling) = (false, false);
        self.engine_session += 1;
        self.knowledge.context.clear();
        self.knowledge.waiting = None;
        self.active = None;
    }

    fn speech(&mut self, which: u8) {
        let utterance = format!("u{}", self.utterances.saturating_sub(u32::from(which / 4) % 3));
        match which % 4 {
            0 | 1 if which < 200 => {
                self.utterances += 1;
                let utterance = format!("u{}", self.utterances);
                self.handle(Event::SpeechStarted { utterance });
            }
            0..=2 => self.handle(Event::SpeechStopped { utterance }),
            _ => self.handle(Event::SpeechCommitted { utterance }),
        }
    }

    fn words(&mut self, which: u8) {
        let utterance = format!("u{}", self.utterances.saturating_sub(u32::from(which) % 3));
        let text = match which % 4 {
            0 => "Hello",
            1 => "Hello there",
            2 => "Hello there, do you have parking",
            _ => "",
        };
        let words = match which / 64 {
            0 | 1 => Words::Partial(text.to_owned()),
            2 if which.is_multiple_of(8) => Words::Inaudible,
            _ => Words::Final(text.to_owned()),
        };
        self.handle(Event::CallerWords { utterance, words });
    }

    /// One of the recalls that are under way comes back.
    fn recalled(&mut self, which: u8) {
        if self.knowledge.outstanding.is_empty() {
            return;
        }
        let index = usize::from(which) % self.knowledge.outstanding.len();
        let recall = self.knowledge.outstanding.swap_remove(index);
        let found = match which / 32 {
            0 => Recollection::Failed,
            kind => {
                let ids = (1..i64::from(kind % 4)).map(|n| i64::from(recall.0) * 10 + n);
                let passage = |id| Passage { id, similarity: 0.5, text: format!("Passage {id}") };
                Recollection::Found(ids.map(passage).collect())
            }
        };
        if let Recollection::Found(passages) = &found {
            self.knowledge.passages.extend(passages.iter().map(|passage| passage.id));
            self.knowledge.newest_back = self.knowledge.newest_back.max(Some(recall));
        }
        self.handle(Event::Recalled { recall, found });
    }

    /// The engine goes on with the reply that it works on; after it was told to stop, too.
    fn reply(&mut self, reply: ReplyId, stopping: bool, step: Step) {
        match step {
            Step::Audio(size) => self.audio(reply, u32::from(size) * 6 + 1),
            Step::ReplyWords => {
                self.handle(Event::ReplyWords { reply, text: "some words ".into() })
            }
            Step::Function(which) => {
                let engine_call_id = format!("c{}", self.calls.len());
                self.calls.insert(engine_call_id.clone(), (self.engine_session, 0));
                let name = if which < 40 { "end_call" } else { "book" }.to_owned();
                let arguments = "{}".to_owned();
                self.handle(Event::FunctionWanted { reply, engine_call_id, name, arguments });
            }
            Step::ReplyEnds(which) => {
                self.active = None;
                let outcome = match which {
                    _ if stopping => ReplyOutcome::Cancelled,
                    0..10 => ReplyOutcome::Failed { fatal: which == 0, why: "error".to_owned() },
                    20..30 => ReplyOutcome::Busy { why: "rate_limit_exceeded".to_owned() },
                    10..20 => ReplyOutcome::Incomplete { why: "content_filter".to_owned() },
                    _ => ReplyOutcome::Completed,
                };
                self.handle(Event::ReplyEnded { reply, outcome, usage: Usage::default() });
            }
            _ => {}
        }
    }

    fn audio(&mut self, reply: ReplyId, bytes: u32) {
        let accepted = self.call.accepts_audio(reply);
        assert!(!accepted || !self.cancelled.contains(&reply), "audio of a cancelled reply");
        if accepted && self.line_open {
            *self.sent_bytes.entry(reply).or_default() += u64::from(bytes);
            self.phone.audio(self.now, u64::from(bytes) / 8);
            self.handle(Event::ReplyAudio { reply, item: format!("item{}", reply.0), bytes });
        }
    }

    /// Reports that make no sense any more, or never did.
    fn stale(&mut self, which: u8) {
        let reply = ReplyId(1_000 + u32::from(which));
        assert!(!self.call.accepts_audio(reply));
        self.handle(match which % 7 {
            0 => Event::ReplyAudio { reply, item: "item".to_owned(), bytes: 800 },
            1 => Event::MarkReturned(Mark { generation: 0, reply, ms: 100 }),
            2 => Event::FunctionDone {
                run: FunctionRun(reply.0),
                ok: true,
                output: "{}".to_owned(),
                row: None,
                then: None,
                notes: Vec::new(),
            },
            3 => Event::Due(Timer::Limit),
            4 => Event::ReplyWords { reply, text: "stale".to_owned() },
            5 => {
                let passage = Passage { id: -1, similarity: 1.0, text: "stale".to_owned() };
                let found = Recollection::Found(vec![passage]);
                Event::Recalled { recall: RecallId(reply.0), found }
            }
            _ => {
                let outcome = ReplyOutcome::Completed;
                Event::ReplyEnded { reply, outcome, usage: Usage::default() }
            }
        });
    }

    /// When the call is over, or nothing but time can happen any more.
    fn finish(&mut self, caller_leaves: bool) {
        if caller_leaves || !self.ever_open {
            self.handle(Event::CallerLeft);
            self.pass(self.now.plus_ms(2_000));
        } else {
            // The limit, a goodbye and the last words.
            self.pass(self.now.plus_ms(60_000 + 40_000));
        }
        assert!(self.call.is_over(), "the call did not end");
        assert_eq!(self.call.deadline(), None);
        assert!(self.call.handle(self.now, Event::LineOpen).is_empty());
    }

    /// Every function call of the engine that is still there has its output, unless the call ended
    /// before that could be known.
    fn check_outputs(&self) {
        for (engine_call_id, (session, outputs)) in &self.calls {
            let answered = *outputs == 1 || *session != self.engine_session;
            assert!(answered, "{engine_call_id} was left without an output");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_must_always_hold_does(
        settings in settings(),
        steps in prop::collection::vec(step(), 1..120),
        caller_leaves in any::<bool>(),
    ) {
        let mut world = World::new(settings);
        world.take_step(Step::EngineReady);
        for (delay_ms, step) in steps {
            world.pass(world.now.plus_ms(delay_ms));
            if world.call.is_over() {
                break;
            }
            world.take_step(step);
        }
        world.finish(caller_leaves);
    }

    #[test]
    fn every_function_call_gets_its_output(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let settings = CallSettings {
            greets: true,
            interruptible: true,
            greeting_interruptible: true,
            reprompt_after_ms: 0,
            reprompts: 0,
            limit_ms: 3_600_000,
            recall_budget_ms: None,
        };
        let mut world = World::new(settings);
        world.take_step(Step::EngineReady);
        world.take_step(Step::LineOpen);
        for (delay_ms, step) in steps {
            world.pass(world.now.plus_ms(delay_ms));
            world.take_step(step);
        }
        // The longest a function may take, and a reply that wants one and then stalls.
        world.pass(world.now.plus_ms(60_000));
        if !world.call.is_over() {
            world.check_outputs();
        }
    }
}

fn reply_of(item: &str) -> ReplyId {
    let number = item.strip_prefix("item").and_then(|number| number.parse().ok());
    ReplyId(number.expect("items are named after their reply"))
}
