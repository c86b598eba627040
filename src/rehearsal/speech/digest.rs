//! What a conversation comes to, by rules: enough to rehearse with, in English.
//!
//! It stands in for a model that was given a transcript, a list of `{"line", "at", "speaker", "said"}`
//! with `agent` and `caller` as speakers, and was asked for a summary of it, or whether the
//! `appointment` beside it was settled. It takes words at their face: whoever checks what a model
//! says must not find it careful.

use serde_json::{Map, Value, json};

/// What the agent says that was done, by words that say it.
const CLAIMS: [(&str, &str); 9] = [
    ("booked for", "booked"),
    ("booked you", "booked"),
    ("have you down", "booked"),
    ("is now on", "rescheduled"),
    ("cancelled your", "cancelled"),
    ("sent you a text", "text_sent"),
    ("passed your message", "message_taken"),
    ("putting you through", "transferred"),
    ("have refunded", "other"),
];
/// What a caller says who cannot wait.
const URGENT: [&str; 4] = ["terrible pain", "through the ceiling", "smell gas", "knocked out"];
/// How an answer begins that agrees.
const AGREED: [&str; 5] = ["yes", "great", "perfect", "okay", "sure"];
/// So many of a caller's questions are told.
const QUESTIONS: usize = 4;
/// The longest title, in words.
const TITLE_WORDS: usize = 8;

/// The fields of a summary that the conversation gives.
pub(super) fn digest(record: &Value) -> Map<String, Value> {
    let lines: Vec<&Value> = record["transcript"].as_array().into_iter().flatten().collect();
    let of = |speaker: &str| -> Vec<&str> {
        let lines = lines.iter().filter(|line| line["speaker"] == speaker);
        lines.filter_map(|line| line["said"].as_str()).collect()
    };
    let (caller, agent) = (of("caller"), of("agent"));
    let wanted = caller.first().copied().unwrap_or_default();
    let is_friendly = caller.iter().any(|said| said.to_lowercase().contains("thank"));
    let open: Vec<&str> = lines
        .windows(2)
        .filter(|pair| said(pair[1]).to_lowercase().contains("do not know"))
        .map(|pair| said(pair[0]))
        .collect();
    let is_urgent = |said: &&&str| {
        let lower = said.to_lowercase();
        URGENT.iter().any(|words| lower.contains(words))
    };
    let urgent = caller.iter().find(is_urgent).copied();
    let name = caller.iter().find_map(|said| name(said));
    let claims: Vec<Value> = lines.iter().filter_map(|line| claim(line)).collect();
    let data: Vec<Value> =
        name.iter().map(|name| json!({"name": "full_name", "value": name})).collect();
    let actions: Vec<String> = open.iter().map(|said| format!("Answer: {said}")).collect();
    let fields = [
        ("title", json!(title(wanted, record))),
        ("summary", json!(in_short((&caller, &agent), name.as_deref(), &claims))),
        ("intent", json!(wanted)),
        ("outcome", json!(if open.is_empty() { "resolved" } else { "partly_resolved" })),
        ("sentiment", json!(if is_friendly { "positive" } else { "neutral" })),
        ("action_items", json!(actions)),
        ("unanswered_questions", json!(open)),
        ("data_collected", json!(data)),
        ("language", json!("en")),
        ("urgent", json!(urgent.is_some())),
        ("urgent_reason", json!(urgent.unwrap_or_default())),
        ("appointments", json!(appointments(&lines, name.as_deref()))),
        ("claims", json!(claims)),
        ("settled", json!(settled(&lines, &record["appointment"]))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What came of it in some words, else how the caller began. What the agent only says that it did came of
/// nothing.
fn title(wanted: &str, record: &Value) -> String {
    let did = |name: &str| {
        let mut runs = record["functions"].as_array().into_iter().flatten();
        runs.any(|run| run["name"] == name && run["ok"] == true)
    };
    let (booked, moved, cancelled) =
        (did("book_appointment"), did("reschedule_appointment"), did("cancel_appointment"));
    match (booked, moved, cancelled) {
        (true, true, _) => "Booked an appointment and moved it".to_owned(),
        (true, false, _) => "Booked an appointment".to_owned(),
        (false, true, _) => "Moved an appointment".to_owned(),
        (false, false, true) => "Cancelled an appointment".to_owned(),
        _ => wanted.split_whitespace().take(TITLE_WORDS).collect::<Vec<_>>().join(" "),
    }
}

/// What was asked, and what the agent did about it in the end.
fn in_short((caller, agent): (&[&str], &[&str]), name: Option<&str>, claims: &[Value]) -> String {
    let who = name.unwrap_or("The caller");
    let questions: Vec<String> = caller
        .iter()
        .filter_map(|said| question(said))
        .take(QUESTIONS)
        .map(|question| format!("“{question}”"))
        .collect();
    let begun = match (&questions[..], caller.first()) {
        ([], None) => return String::new(),
        ([], Some(first)) => format!("{who} said: “{first}”"),
        (questions, _) => format!("{who} asked: {}", questions.join(" ")),
    };
    let done = claims.last().and_then(|claim| claim["quote"].as_str());
    let answered = done.map(|quote| format!("In the end the agent said: “{quote}”"));
    // The first words of an agent are its greeting.
    let answer = || agent.get(1).or(agent.first()).map(|said| format!("The agent said: “{said}”"));
    match answered.or_else(answer) {
        Some(answered) => format!("{begun} {answered}"),
        None => begun,
    }
}

/// The sentence of these words that asks, from its beginning.
fn question(said: &str) -> Option<&str> {
    let end = said.find('?')?;
    let begin = said[..end].rfind(['.', '!']).map_or(0, |at| at + 1);
    Some(said[begin..=end].trim())
}

fn said(line: &Value) -> &str {
    line["said"].as_str().unwrap_or_default()
}

fn claim(line: &Value) -> Option<Value> {
    let lower = said(line).to_lowercase();
    let is_agent = line["speaker"] == "agent";
    let (_, kind) = CLAIMS.into_iter().find(|(words, _)| is_agent && lower.contains(words))?;
    Some(json!({"kind": kind, "line": line["line"], "quote": said(line)}))
}

/// Whether an appointment is one that the caller agrees to at once.
fn settled(lines: &[&Value], appointment: &Value) -> &'static str {
    let is_it = |one: &Value| ["date", "time"].iter().all(|name| one[name] == appointment[name]);
    if appointments(lines, None).iter().any(is_it) { "yes" } else { "no" }
}

/// The one or two words behind "I am" or "my name is".
fn name(said: &str) -> Option<String> {
    let at = ["I am ", "my name is "]
        .into_iter()
        .find_map(|mark| said.find(mark).map(|at| at + mark.len()))?;
    let words = said[at..].split_whitespace().take(2);
    let is_name = |word: &&str| word.starts_with(char::is_uppercase);
    let words: Vec<&str> = words.take_while(is_name).collect();
    let name = words.join(" ").trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned();
    (!name.is_empty()).then_some(name)
}

/// A date and a time of the agent that the caller agrees to at once.
fn appointments(lines: &[&Value], name: Option<&str>) -> Vec<Value> {
    let pairs = lines
        .windows(2)
        .filter(|pair| pair[0]["speaker"] == "agent" && pair[1]["speaker"] == "caller");
    pairs
        .filter_map(|pair| {
            let (offer, answer) = (said(pair[0]), said(pair[1]));
            let lower = answer.to_lowercase();
            AGREED.iter().find(|word| lower.starts_with(**word))?;
            let words: Vec<&str> = offer
                .split_whitespace()
                .map(|word| word.trim_matches(|c: char| !c.is_ascii_digit()))
                .collect();
            let shaped = |shape: &str| {
                words.iter().find(|word| {
                    word.len() == shape.len()
                        && word.bytes().zip(shape.bytes()).all(|(byte, is)| match is {
                            b'0' => byte.is_ascii_digit(),
                            other => byte == other,
                        })
                })
            };
            Some(json!({
                "name": name.unwrap_or("Caller"), "service": "", "notes": "",
                "date": shaped("0000-00-00")?, "time": shaped("00:00")?,
                "offer_line": pair[0]["line"], "answer_line": pair[1]["line"],
                "day_line": pair[0]["line"], "time_line": pair[0]["line"],
                "retracted_line": 0, "verdict": "agreed",
            }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_summed_up_by_rules() {
        let said = [
            ("agent", "Good day."),
            ("caller", "Do you have parking?"),
            ("agent", "I do not know. Shall it be Tuesday 2027-01-12 at 14:30?"),
            ("caller", "Yes, thank you. I am Maria Lopez."),
            ("agent", "You are booked for Tuesday."),
        ];
        let lines: Vec<Value> = (1..)
            .zip(said)
            .map(|(line, (speaker, said))| json!({"line": line, "speaker": speaker, "said": said}))
            .collect();
        let mut record = json!({"transcript": lines});
        let mut title = |ok: bool| {
            record["functions"] = json!([{"name": "book_appointment", "ok": ok}]);
            super::digest(&record)["title"].clone()
        };
        assert_eq!(title(true), "Booked an appointment");
        assert_eq!(title(false), "Do you have parking?", "it is only said");
        let digest = super::digest(&record);
        assert_eq!(
            digest["summary"],
            "Maria Lopez asked: “Do you have parking?” In the end the agent said: “You are booked for \
             Tuesday.”"
        );
        assert_eq!(digest["sentiment"], "positive");
        assert_eq!(digest["unanswered_questions"], json!(["Do you have parking?"]));
        assert_eq!(digest["data_collected"][0]["value"], "Maria Lopez");
        assert_eq!(
            digest["claims"],
            json!([{"kind": "booked", "line": 5, "quote": "You are booked for Tuesday."}])
        );
        let [appointment] = &digest["appointments"].as_array().unwrap()[..] else { panic!() };
        assert_eq!(
            (&appointment["date"], &appointment["time"]),
            (&json!("2027-01-12"), &json!("14:30"))
        );
        assert_eq!(appointment["name"], "Maria Lopez");
        assert_eq!(
            (&appointment["offer_line"], &appointment["answer_line"]),
            (&json!(3), &json!(4))
        );
        for (time, settled) in [("14:30", "yes"), ("15:30", "no")] {
            record["appointment"] = json!({"date": "2027-01-12", "time": time});
            assert_eq!(super::digest(&record)["settled"], settled);
        }
    }

    #[test]
    fn nothing_said_gives_nothing() {
        let digest = digest(&json!({"transcript": []}));
        assert_eq!((&digest["title"], &digest["appointments"]), (&json!(""), &json!([])));
        assert_eq!(digest["summary"], "");
        assert_eq!((&digest["urgent"], &digest["urgent_reason"]), (&json!(false), &json!("")));
    }

    #[test]
    fn who_asked_nothing_is_told_by_what_they_said() {
        let said = |words: &[&str]| -> Value {
            let speakers = ["agent", "caller"].into_iter().cycle();
            let lines =
                speakers.zip(words).map(|(who, said)| json!({"speaker": who, "said": said}));
            digest(&json!({"transcript": lines.collect::<Vec<_>>()}))["summary"].clone()
        };
        let told = said(&["Hello.", "I am in pain. Can I come?", "Come at once."]);
        assert_eq!(told, "The caller asked: “Can I come?” The agent said: “Come at once.”");
        let told = said(&["Hello.", "Goodbye."]);
        assert_eq!(told, "The caller said: “Goodbye.” The agent said: “Hello.”");
    }

    #[test]
    fn what_cannot_wait_is_urgent_because_of_what_it_is() {
        let said = |said: &str| {
            let line = json!({"line": 1, "speaker": "caller", "said": said});
            digest(&json!({"transcript": [line]}))
        };
        let pain = said("I am in terrible pain.");
        assert_eq!(
            (&pain["urgent"], &pain["urgent_reason"]),
            (&json!(true), &json!("I am in terrible pain."))
        );
        assert_eq!(said("It is urgent that you call me.")["urgent"], false);
    }
}
