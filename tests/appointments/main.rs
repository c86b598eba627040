//! How well appointments that were agreed by telephone are told from those that were not.
//!
//! `dialogues.json` has short dialogues in six languages with what was agreed in each, and what a
//! model may say to it, also carelessly. The test runs them all against a scripted service: what it
//! shows is that the server's checks lose nothing that was agreed and stop what was not. With a real
//! service `scripts/evaluate-appointments` measures the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frontdesk::agent::prompt::Prompts;
use frontdesk::agent::{Agent, AgentSource, BusinessSource};
use frontdesk::config::OpenAi;
use frontdesk::post_call::summary::Summaries;
use frontdesk::rehearsal::speech::script::{Chat, Script};
use frontdesk::rehearsal::speech::{SpeechOptions, serve};
use frontdesk::store::{EndedCall, Store};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;
use uuid::Uuid;

const DIALOGUES: &str = include_str!("dialogues.json");
const ZONE: &str = "America/New_York";
/// Friday, 14:55 in [`ZONE`].
const BEGAN: &str = "2026-11-27T19:55:00Z";
const LASTED_US: i64 = 300_000_000;

#[derive(Deserialize)]
struct Dialogue {
    id: String,
    language: String,
    lines: Vec<String>,
    agreed: Vec<Slot>,
    /// The appointments of the scripted summary.
    model: Vec<Value>,
    /// The scripted answers of the second look.
    second: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Slot {
    date: String,
    time: String,
}

/// What came of the dialogues of one language.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Score {
    dialogues: usize,
    /// Written and agreed.
    right: usize,
    /// Written and not agreed.
    wrong: usize,
    /// Agreed and not written.
    missed: usize,
}

impl Score {
    fn add(&mut self, agreed: &BTreeSet<Slot>, written: &BTreeSet<Slot>) {
        self.dialogues += 1;
        self.right += agreed.intersection(written).count();
        self.wrong += written.difference(agreed).count();
        self.missed += agreed.difference(written).count();
    }

    fn line(&self, name: &str) -> String {
        let share = |of: usize| match of {
            0 => "   -".to_owned(),
            of => format!("{:.3}", self.right as f64 / of as f64),
        };
        format!(
            "{name:<10} {:>9} {:>6} {:>6} {:>7} {:>10} {:>7}",
            self.dialogues,
            self.right,
            self.wrong,
            self.missed,
            share(self.right + self.wrong),
            share(self.right + self.missed)
        )
    }
}

fn dialogues() -> Vec<Dialogue> {
    serde_json::from_str(DIALOGUES).expect("the dialogues")
}

fn agent() -> Agent {
    let open = json!({"open": "00:00", "close": "23:59"});
    let week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let week: BTreeMap<&str, &Value> = week.into_iter().map(|day| (day, &open)).collect();
    Agent::new(AgentSource {
        business: Some(BusinessSource {
            timezone: Some(ZONE.to_owned()),
            appointment_minutes: Some(30),
            operating_schedule: Some(json!(week)),
            ..BusinessSource::default()
        }),
        ..AgentSource::default()
    })
}

fn call(dialogue: &Dialogue) -> EndedCall {
    let lines = dialogue.lines.iter().zip(0..);
    let transcript: Vec<String> =
        lines.map(|(line, n)| format!("[{:02}:{:02}] {line}", n * 5 / 60, n * 5 % 60)).collect();
    let began = BEGAN.parse::<Timestamp>().expect("a time").as_microsecond();
    EndedCall {
        agent_id: Uuid::nil(),
        caller: "+15551230001".to_owned().into(),
        status: "completed".to_owned(),
        transcript: transcript.join("\n").into(),
        metadata: json!({}).into(),
        started_us: began,
        ended_us: began + LASTED_US,
    }
}

/// What the scripted service says: a summary, then the second looks.
fn scripted(dialogue: &Dialogue) -> impl Iterator<Item = Chat> + use<> {
    let looks: Vec<Chat> = dialogue
        .second
        .iter()
        .map(|settled| Chat::Answer(json!({"settled": settled, "contradicting_line": 0})))
        .collect();
    let summary = json!({"appointments": dialogue.model, "claims": []});
    std::iter::once(Chat::Answer(summary)).chain(looks)
}

fn summaries(base_url: &str, api_key: Option<String>, model: &str) -> Summaries {
    let url: Url = base_url.trim_end_matches('/').parse().expect("a URL");
    let service = OpenAi { base_url: url, api_key: api_key.map(Into::into) };
    // Nothing is asked of it.
    let nowhere = "postgres://127.0.0.1:1/none".parse().expect("options");
    let store = Store::connect_lazily(nowhere, 1);
    Summaries::new(store, Arc::new(Prompts::built_in()), &service, model).expect("TLS is set up")
}

async fn written(
    summaries: &Summaries,
    dialogue: &Dialogue,
) -> Result<(BTreeSet<Slot>, Value), String> {
    let found = summaries.findings(&agent(), &call(dialogue)).await;
    let found = found.map_err(|error| error.to_string())?;
    let zone = TimeZone::get(ZONE).expect("a zone");
    let all = found.appointments.reveal();
    let slots = all.as_array().into_iter().flatten().filter_map(|one| {
        let at = Timestamp::from_microsecond(one["start_us"].as_i64()?).ok()?;
        let local = at.to_zoned(zone.clone());
        let (date, time) = (local.date().to_string(), local.strftime("%H:%M").to_string());
        Some(Slot { date, time })
    });
    Ok((slots.collect(), all.clone()))
}

/// The scores by language, and in all; each dialogue that is not right is printed.
async fn score(summaries: &Summaries, dialogues: &[Dialogue]) -> BTreeMap<String, Score> {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for dialogue in dialogues {
        let agreed: BTreeSet<Slot> = dialogue.agreed.iter().cloned().collect();
        let (written, found) = match written(summaries, dialogue).await {
            Ok(written) => written,
            Err(error) => (BTreeSet::new(), Value::String(error)),
        };
        if written != agreed {
            println!("{}: agreed {agreed:?}, written {written:?}: {found}", dialogue.id);
        }
        for name in [dialogue.language.as_str(), "all"] {
            scores.entry(name.to_owned()).or_default().add(&agreed, &written);
        }
    }
    scores
}

/// By the scripted service, one dialogue after the other.
async fn score_scripted(dialogues: &[Dialogue]) -> BTreeMap<String, Score> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let chats = dialogues.iter().flat_map(scripted).collect();
    let script = Script { chats, ..Script::default() };
    let options = SpeechOptions { script, ..SpeechOptions::default() };
    let speech = serve(listener, options, std::future::pending::<()>()).expect("it starts");
    score(&summaries(&speech.base_url(), Some("scripted".to_owned()), "scripted"), dialogues).await
}

#[tokio::test]
async fn what_was_agreed_is_written_and_nothing_else() {
    let dialogues = dialogues();
    assert!(dialogues.len() >= 60, "{}", dialogues.len());
    let names: BTreeSet<&str> = dialogues.iter().map(|dialogue| dialogue.id.as_str()).collect();
    assert_eq!(names.len(), dialogues.len(), "two dialogues have one id");
    for dialogue in &dialogues {
        // The second looks of a call are asked for at the same time.
        assert!(dialogue.second.windows(2).all(|two| two[0] == two[1]), "{}", dialogue.id);
    }
    let scores = score_scripted(&dialogues).await;
    assert_eq!(scores.len(), 7, "six languages: {scores:?}");
    for (language, score) in scores {
        assert!(score.right >= 5 && score.dialogues - score.right >= 3, "{language}: {score:?}");
        assert_eq!((score.wrong, score.missed), (0, 0), "{language}: {score:?}");
    }
}

#[tokio::test]
#[ignore = "asks a language service: scripts/evaluate-appointments"]
async fn evaluate() {
    let dialogues = dialogues();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let scores = match set("EVALUATE_URL") {
        Some(url) => {
            let model = set("CHAT_MODEL").expect("CHAT_MODEL names the model");
            score(&summaries(&url, set("OPENAI_API_KEY"), &model), &dialogues).await
        }
        None => score_scripted(&dialogues).await,
    };
    println!("language   dialogues  right  wrong  missed  precision  recall");
    for (language, score) in scores {
        println!("{}", score.line(&language));
    }
}
