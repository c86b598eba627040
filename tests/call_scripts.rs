//! Calls as scripts: `tests/calls/*.call`. What happens is given, what the core does about it is
//! compared.
//!
//! Each line is `TIME SIGN WORDS`, times in ms:
//! - `<` an event, given;
//! - `~` a mark or a deadline that came by itself; `>` an action. Both are expected.
//! - `|` at the end, the transcript and the end of the call, expected.
//!
//! `set NAME VALUE` changes a setting, `phone off` keeps marks from coming back, `notes on` shows
//! what is written down. After `out NAME` the caller comes back from that party to a call of another
//! process. `#` is a comment. With `UPDATE_CALLS=1` the expected lines are written
//! anew: read the difference.

mod call_phone;

use std::fmt::Write as _;
use std::path::Path;

use call_phone::Phone;
use frontdesk::call::{
    Action, AfterFunction, Call, CallRecord, CallSettings, CallTime, Event, FunctionRun, LogEvent,
    Mark, Passage, Purpose, RecallId, Recollection, ReplyId, ReplyOutcome, Said, Sent, Timer,
    TransferTarget, Usage, Words,
};

#[test]
fn every_script_plays_out_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the scripts are in tests/calls")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "call"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 25, "only {} scripts found", paths.len());
    let failures: Vec<String> = paths.iter().filter_map(|path| check(path)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Plays one script; says what differs.
fn check(path: &Path) -> Option<String> {
    let script = std::fs::read_to_string(path).expect("the script can be read");
    let played = Player::play(&script);
    if played == script {
        return None;
    }
    if std::env::var_os("UPDATE_CALLS").is_some() {
        std::fs::write(path, played).expect("the script can be written");
        return None;
    }
    Some(format!("{}:\n{}", path.display(), difference(&script, &played)))
}

/// The lines around the first difference, `-` expected, `+` what happened.
fn difference(expected: &str, happened: &str) -> String {
    let (expected, happened): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), happened.lines().collect());
    let same = expected.iter().zip(&happened).take_while(|(one, other)| one == other).count();
    let mut text = String::new();
    for line in &expected[same.saturating_sub(6)..same] {
        let _ = writeln!(text, "  {line}");
    }
    for line in expected.iter().skip(same).take(8) {
        let _ = writeln!(text, "- {line}");
    }
    for line in happened.iter().skip(same).take(8) {
        let _ = writeln!(text, "+ {line}");
    }
    text
}

struct Player {
    call: Call,
    phone: Option<Phone>,
    notes: bool,
    at: CallTime,
    record: CallRecord,
    text: String,
}

impl Player {
    fn play(script: &str) -> String {
        let (mut settings, mut notes, mut phone) = (usual_settings(), false, true);
        let mut before = Vec::new();
        for line in script.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["set", name, value] => set(&mut settings, name, value),
                ["notes", "on"] => notes = true,
                ["phone", "off"] => phone = false,
                ["out", name] => before = out_on(name),
                _ => {}
            }
        }
        let mut player = Self {
            call: match &before[..] {
                [] => Call::new(settings),
                before => Call::resume(settings, folded(before)),
            },
            phone: phone.then(Phone::default),
            notes,
            at: CallTime::default(),
            record: folded(&before),
            text: String::new(),
        };
        // Comments stand before the event that they are about.
        let mut comments = String::new();
        for line in script.lines() {
            let expected = line.starts_with('|')
                || matches!(line.split_whitespace().nth(1), Some("~" | ">"))
                    && !line.starts_with('#');
            match line.split_once('<') {
                _ if expected => {}
                Some((time, event)) if !line.starts_with('#') => {
                    let at = CallTime::from_ms(time.trim().parse().expect("a line begins with ms"));
                    assert!(at >= player.at, "{at:?} comes too late in:\n{script}");
                    player.at = at;
                    player.pass_time(at);
                    player.text.push_str(&std::mem::take(&mut comments));
                    player.line(at, '<', event.trim());
                    player.give(at, event.trim());
                }
                _ => {
                    comments.push_str(line);
                    comments.push('\n');
                }
            }
        }
        player.finish();
        player.text
    }

    /// Deadlines and marks until `at`, as they come.
    fn pass_time(&mut self, until: CallTime) {
        for _ in 0..100_000 {
            let deadline = self.call.deadline().filter(|(at, _)| *at <= until);
            let mark = self.phone.as_mut().and_then(Phone::next).filter(|at| *at <= until);
            match (deadline, mark) {
                (_, Some(at)) if deadline.is_none_or(|(due, _)| at <= due) => {
                    let mark = self.phone.as_mut().and_then(Phone::take).expect("a mark is due");
                    if !self.call.is_over() {
                        self.line(at, '~', &format!("mark {mark}"));
                    }
                    self.handle(at, Event::MarkReturned(mark));
                }
                (Some((at, timer)), _) => {
                    self.line(at, '~', &format!("due {}", timer_name(timer)));
                    self.handle(at, Event::Due(timer));
                }
                _ => return,
            }
        }
        panic!("the call does not come to rest");
    }

    fn give(&mut self, at: CallTime, text: &str) {
        if text == "wait" {
            return;
        }
        let event = parse_event(text);
        if let (Event::ReplyAudio { reply, bytes, .. }, Some(phone)) = (&event, &mut self.phone) {
            if !self.call.accepts_audio(*reply) {
                self.line(at, '>', "audio dropped");
                return;
            }
            phone.audio(at, u64::from(*bytes) / 8);
        }
        if let (Event::LineLost, Some(phone)) = (&event, &mut self.phone) {
            phone.lose();
        }
        self.handle(at, event);
    }

    fn handle(&mut self, at: CallTime, event: Event) {
        for action in self.call.handle(at, event) {
            match (&action, &mut self.phone) {
                (Action::ClearLine, Some(phone)) => phone.clear(at),
                (Action::PlaceMark(mark), Some(phone)) => phone.mark(at, *mark),
                _ => {}
            }
            if let Action::Note(event) = &action {
                let opened = self.call.opened_at();
                self.record.apply(opened.map_or(0, |opened| at.ms_since(opened)), event);
            }
            if self.notes || !matches!(action, Action::Note(_)) {
                self.line(at, '>', &show(&action));
            }
        }
    }

    fn line(&mut self, at: CallTime, sign: char, text: &str) {
        let _ = writeln!(self.text, "{:<6} {sign} {text}", at.ms());
    }

    fn finish(&mut self) {
        for line in self.record.transcript().lines() {
            let _ = writeln!(self.text, "| {line}");
        }
        let end = self.record.end().map_or_else(|| "open".to_owned(), |end| lower(&end));
        let _ = writeln!(self.text, "| {end}");
    }
}

fn target(name: &str) -> TransferTarget {
    TransferTarget { name: name.to_owned(), number: "+15550003333".to_owned().into() }
}

/// What was written of a call whose caller was greeted and then put through.
fn out_on(name: &str) -> Vec<LogEvent> {
    vec![
        LogEvent::LineOpened { stream_sid: "MZ1".to_owned() },
        LogEvent::AgentSaid {
            reply: 1,
            turn: None,
            started_ms: 100,
            generated: "Good day.".to_owned(),
            heard: "Good day.".to_owned(),
            heard_ms: 900,
            interrupted: false,
        },
        LogEvent::TransferStarted { target: target(name) },
    ]
}

fn folded(events: &[LogEvent]) -> CallRecord {
    let mut record = CallRecord::new();
    events.iter().for_each(|event| record.apply(0, event));
    record
}

fn usual_settings() -> CallSettings {
    CallSettings {
        greets: true,
        interruptible: true,
        greeting_interruptible: true,
        reprompt_after_ms: 10_000,
        reprompts: 2,
        limit_ms: 1_800_000,
        recall_budget_ms: None,
    }
}

fn set(settings: &mut CallSettings, name: &str, value: &str) {
    let number = || value.parse().expect("the setting is a number");
    match name {
        "greets" => settings.greets = value == "yes",
        "interruptible" => settings.interruptible = value == "yes",
        "greeting_interruptible" => settings.greeting_interruptible = value == "yes",
        "reprompt_after" => settings.reprompt_after_ms = number(),
        "reprompts" => settings.reprompts = value.parse().expect("the setting is a number"),
        "limit" => settings.limit_ms = number(),
        "budget" => settings.recall_budget_ms = Some(number()),
        _ => panic!("no such setting: {name}"),
    }
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn parse_event(text: &str) -> Event {
    let words: Vec<&str> = text.split_whitespace().collect();
    let rest = |skip: usize| {
        let mut rest = text;
        for _ in 0..skip {
            rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
        }
        rest.to_owned()
    };
    match words[..] {
        ["line", "open"] => Event::LineOpen,
        ["line", "lost"] => Event::LineLost,
        ["caller", "left"] => Event::CallerLeft,
        ["owner", "ends"] => Event::OwnerEnds { words: None },
        ["owner", "ends", ..] => Event::OwnerEnds { words: Some(rest(2)) },
        ["owner", "transfers", name] => Event::OwnerTransfers { target: target(name) },
        ["drain"] => Event::Drain,
        ["engine", "ready"] => Event::EngineReady { lasts_ms: None },
        ["engine", "ready", ms] => Event::EngineReady { lasts_ms: Some(number(ms).into()) },
        ["successor", "ready"] => Event::SuccessorReady { lasts_ms: None },
        ["successor", "lost"] => Event::SuccessorLost { fatal: false, why: "closed".to_owned() },
        ["successor", "lost", "fatal"] => {
            Event::SuccessorLost { fatal: true, why: "quota".to_owned() }
        }
        ["line", "loud"] => Event::LineSound { loud: true },
        ["line", "quiet"] => Event::LineSound { loud: false },
        ["setting", "refused", field] => {
            Event::SettingRefused { field: field.to_owned(), value: "text".to_owned() }
        }
        ["engine", "lost"] => Event::EngineLost { fatal: false, why: "closed".to_owned() },
        ["engine", "lost", "fatal"] => Event::EngineLost { fatal: true, why: "quota".to_owned() },
        ["speech", utterance, "started"] => Event::SpeechStarted { utterance: utterance.into() },
        ["speech", utterance, "stopped"] => Event::SpeechStopped { utterance: utterance.into() },
        ["speech", utterance, "committed"] => {
            Event::SpeechCommitted { utterance: utterance.into() }
        }
        ["words", utterance, "inaudible"] => {
            Event::CallerWords { utterance: utterance.into(), words: Words::Inaudible }
        }
        ["words", utterance, ..] => {
            Event::CallerWords { utterance: utterance.into(), words: Words::Final(rest(2)) }
        }
        ["partial", utterance, ..] => {
            Event::CallerWords { utterance: utterance.into(), words: Words::Partial(rest(2)) }
        }
        ["key", key] => Event::KeyPressed(key.chars().next().expect("a key is named")),
        ["done", run, "failed", ..] => done(run, false, rest(3), None, None),
        ["done", run, "ends", ..] => {
            done(run, true, rest(3), Some(AfterFunction::EndCall { words: None }), None)
        }
        ["done", run, "says", ..] => done(
            run,
            true,
            DONE.to_owned(),
            Some(AfterFunction::EndCall { words: Some(rest(3)) }),
            None,
        ),
        ["done", run, "notes", ..] => {
            let note = LogEvent::MessageTaken { text: rest(3), callback: None };
            done(run, true, "{}".to_owned(), None, Some(note))
        }
        ["done", run, "transfers", name, ..] => done(
            run,
            true,
            rest(4),
            Some(AfterFunction::Transfer { target: target(name), words: None }),
            None,
        ),
        ["done", run, "transfers_saying", name, ..] => {
            let then = AfterFunction::Transfer { target: target(name), words: Some(rest(4)) };
            done(run, true, DONE.to_owned(), Some(then), None)
        }
        ["transfer", "failed"] => Event::TransferFailed,
        ["done", run, ..] => done(run, true, rest(2), None, None),
        ["recalled", recall, ref found @ ..] => {
            Event::Recalled { recall: RecallId(number(recall)), found: recollection(found) }
        }
        ["mark", mark] => Event::MarkReturned(mark.parse::<Mark>().expect("a mark is named")),
        ["reply", reply, ref what @ ..] => reply_event(ReplyId(number(reply)), what, &rest(3)),
        _ => panic!("no such event: {text}"),
    }
}

/// What a function that only asks something of the call returns.
const DONE: &str = r#"{"ok":true}"#;

/// A function's end. What has something to be written down comes from a row.
fn done(
    run: &str,
    ok: bool,
    output: String,
    then: Option<AfterFunction>,
    note: Option<LogEvent>,
) -> Event {
    let row = note.as_ref().map(|_| "row".to_owned());
    let notes = note.into_iter().collect();
    Event::FunctionDone { run: FunctionRun(number(run)), ok, output, row, then, notes }
}

/// `failed`, `nothing`, or passages as `id:similarity`.
fn recollection(found: &[&str]) -> Recollection {
    let passage = |text: &&str| {
        let (id, similarity) = text.split_once(':').expect("a passage is id:similarity");
        let similarity = similarity.parse().expect("a similarity is a number");
        Passage { id: number(id).into(), similarity, text: format!("Passage {id}.") }
    };
    match found {
        ["failed"] => Recollection::Failed,
        ["nothing"] => Recollection::Found(Vec::new()),
        passages => Recollection::Found(passages.iter().map(passage).collect()),
    }
}

fn reply_event(reply: ReplyId, what: &[&str], rest: &str) -> Event {
    let ended = |outcome| Event::ReplyEnded { reply, outcome, usage: Usage::default() };
    let failed = |fatal| ended(ReplyOutcome::Failed { fatal, why: "server_error".to_owned() });
    match *what {
        ["started"] => Event::ReplyStarted { reply },
        ["audio", ms] => {
            Event::ReplyAudio { reply, item: format!("item{}", reply.0), bytes: number(ms) * 8 }
        }
        ["audio", ms, item] => {
            Event::ReplyAudio { reply, item: item.to_owned(), bytes: number(ms) * 8 }
        }
        ["words", ..] => Event::ReplyWords { reply, text: format!("{rest} ") },
        ["wants", id, name, ref arguments @ ..] => Event::FunctionWanted {
            reply,
            engine_call_id: id.to_owned(),
            name: name.to_owned(),
            arguments: if arguments.is_empty() { "{}".to_owned() } else { arguments.join(" ") },
        },
        ["request", "sent", took_us] => {
            Event::Sent { reply, what: Sent::Request, took_us: number(took_us) }
        }
        ["first", "sent", took_us] => {
            Event::Sent { reply, what: Sent::FirstAudio, took_us: number(took_us) }
        }
        ["completed"] => ended(ReplyOutcome::Completed),
        ["cancelled"] => ended(ReplyOutcome::Cancelled),
        ["incomplete"] => ended(ReplyOutcome::Incomplete { why: "max_output_tokens".to_owned() }),
        ["failed"] => failed(false),
        ["failed", "fatal"] => failed(true),
        ["busy"] => ended(ReplyOutcome::Busy { why: "rate_limit_exceeded".to_owned() }),
        ["used", input, output] => Event::ReplyEnded {
            reply,
            outcome: ReplyOutcome::Completed,
            usage: Usage {
                input_tokens: number(input).into(),
                output_tokens: number(output).into(),
            },
        },
        _ => panic!("no such report of a reply: {what:?}"),
    }
}

fn show(action: &Action) -> String {
    match action {
        Action::Reply { reply, purpose } => format!("reply {} {}", reply.0, show_purpose(purpose)),
        Action::CancelReply { reply } => format!("cancel {}", reply.0),
        Action::TruncateItem { item, heard_ms } => format!("truncate {item} at {heard_ms}"),
        Action::DeleteItem { item } => format!("delete {item}"),
        Action::AddMessage { role, text } => format!("message {} {text}", lower(role)),
        Action::ClearLine => "clear".to_owned(),
        Action::PlaceMark(mark) => format!("mark {mark}"),
        Action::RunFunction { run, engine_call_id, name, arguments, .. } => {
            format!("run {} {engine_call_id} {name} {arguments}", run.0)
        }
        Action::GiveOutput { engine_call_id, output } => {
            format!("output {engine_call_id} {output}")
        }
        Action::DialEngine { history } => format!("dial engine{}", show_history(history)),
        Action::DialSuccessor { history } => format!("dial successor{}", show_history(history)),
        Action::Succeed => "succeed".to_owned(),
        Action::Note(event) => format!("note {}", show_note(event)),
        Action::Recall { recall, query } => format!("recall {} {query}", recall.0),
        Action::SetContext { passages } => {
            let ids = passages.iter().map(|passage| format!(" {}", passage.id));
            format!("context{}", ids.collect::<String>())
        }
        Action::Transfer { target } => {
            format!("transfer {} {}", target.name, target.number.reveal())
        }
        Action::MoveToFallback => "move to fallback".to_owned(),
        Action::HangUp(end) => format!("hang up {}", lower(end)),
    }
}

fn show_history(history: &[Said]) -> String {
    history.iter().map(|said| format!(" [{}: {}]", lower(&said.role), said.text)).collect()
}

fn show_purpose(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Reprompt(n) => format!("reprompt {n}"),
        Purpose::Goodbye(reason, words) => format!("goodbye {}{}", lower(reason), exactly(words)),
        Purpose::LimitWarning => "limit warning".to_owned(),
        Purpose::WelcomeBack => "welcome back".to_owned(),
        Purpose::Handover(name, words) => format!("handover {name}{}", exactly(words)),
        Purpose::HandoverFailed(name) => format!("handover failed {name}"),
        other => lower(other),
    }
}

/// The words that a reply is to say, if it is told which.
fn exactly(words: &Option<String>) -> String {
    words.as_ref().map(|words| format!(" [{words}]")).unwrap_or_default()
}

/// A note as its JSON, which is what is written.
fn show_note(event: &LogEvent) -> String {
    let json = serde_json::to_value(event).expect("a note is JSON");
    format!("{} {}", json["kind"].as_str().unwrap_or_default(), json["data"])
}

/// A name from its debug form: `End { status: Completed, ended_by: Caller }` is `completed caller`.
fn lower(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    match text.split_once('{') {
        None => text.to_lowercase(),
        Some((_, fields)) => fields
            .trim_end_matches('}')
            .split(',')
            .filter_map(|field| field.split_once(':').map(|(_, value)| value.trim().to_lowercase()))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn timer_name(timer: Timer) -> String {
    match timer {
        Timer::LimitWarning => "limit warning".to_owned(),
        other => lower(&other),
    }
}
