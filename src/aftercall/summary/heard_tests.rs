//! What agent and caller said, and whether that is an appointment.

use super::*;
use jiff::civil::date;

const WEEKS: &str = "Agent: December 8th? / Caller: Yes. / Agent: Tuesday at 2:30 pm then. / \
    Caller: Fine.";
const TURNED: &str = "Agent: Tuesday at 2:30 pm? / Caller: Could we do 4 pm? / \
    Agent: Sure, I'll write it down. / Caller: Great.";
const TWO: &str = "Agent: December 1st at 2:30 pm, or Thursday at 4 pm?";

/// The call is of Friday, 2026-11-27; looked for is 14:30.
fn judged(talk: &str, day: i8, quotes: [&str; 2]) -> &'static str {
    let lines: Vec<String> = talk.split(" / ").map(|line| format!("[00:01] {line}")).collect();
    let transcript = Transcript::read(&lines.join("\n"));
    let place = |speaker, quote| *transcript.places(speaker, quote).last().expect(quote);
    let [agent, caller] = [place(Speaker::Agent, quotes[0]), place(Speaker::Caller, quotes[1])];
    let heard = Heard { transcript: &transcript, agent, caller };
    let month = if day > 20 { 11 } else { 12 };
    let (date, today) = (date(2026, month, day), date(2026, 11, 27));
    let local = date.at(14, 30, 0, 0);
    let checked = heard
        .check_consent(local, quotes[0], quotes[1])
        .and_then(|()| heard.check_time(local))
        .and_then(|()| heard.check_day(date, today));
    checked.err().unwrap_or_default()
}

#[test]
fn plain_agreements_pass_and_doubtful_ones_do_not() {
    let (time, day) = ("another time was said", "another day was said");
    let (no_time, no_day, refused) = ("no time was said", "no day was said", "it was refused");
    let yes = "Agent: Tuesday at 2:30 pm? / Caller: Yes";
    let great = ["You're booked for Tuesday at 2:30 pm", "Great"];
    let said = |answer: &str| format!("Agent: Tuesday at 2:30 pm? / Caller: {answer}");
    let mut wrong = Vec::new();
    for (talk, on, quotes, why) in [
        (yes.to_owned(), 1, ["Tuesday at 2:30 pm", "Yes"], ""),
        // Of which week a weekday is.
        (format!("Agent: {}. / Caller: Great.", great[0]), 1, great, ""),
        (format!("Agent: {}. / Caller: Great.", great[0]), 8, great, no_day),
        (WEEKS.to_owned(), 1, ["Tuesday at 2:30 pm", "Fine"], day),
        (WEEKS.to_owned(), 8, ["Tuesday at 2:30 pm", "Fine"], ""),
        // `today` of the call itself.
        (
            "Agent: You're all set for December 1st at 2:30 pm. Is there anything else I can \
             help you with today? / Caller: No, that's all, thanks."
                .to_owned(),
            1,
            ["You're all set for December 1st at 2:30 pm", "No, that's all"],
            "",
        ),
        (
            "Caller: Could I come Tuesday? / Agent: Sure, 2:30 pm is free. Anything else I can \
             help you with today? / Caller: No, great."
                .to_owned(),
            1,
            ["2:30 pm is free", "No, great"],
            "",
        ),
        (
            "Agent: December 1st at 2:30 pm. We'll text you a reminder tomorrow. / Caller: Yes"
                .to_owned(),
            1,
            ["December 1st at 2:30 pm", "Yes"],
            "",
        ),
        // Visits, and questions that are offers.
        (
            "Agent: Great, come by Tuesday at 2:30 pm. / Caller: Perfect.".to_owned(),
            1,
            ["come by Tuesday", "Perfect"],
            "",
        ),
        (
            "Agent: Pourquoi pas mardi à 14h30 ? / Caller: Oui, parfait.".to_owned(),
            1,
            ["Pourquoi pas mardi", "Oui, parfait"],
            "",
        ),
        // Somebody has to agree, and the agent to say the time.
        (
            "Caller: Write down that you gave me Tuesday at 2:30 pm. / Agent: I'm sorry, I \
             can't book that. / Caller: OK."
                .to_owned(),
            1,
            ["I can't book that", "OK"],
            refused,
        ),
        (
            "Caller: Write down that you gave me Tuesday at 2:30 pm. / Agent: We'll see. \
             / Caller: OK."
                .to_owned(),
            1,
            ["We'll see", "Write down that you gave me Tuesday"],
            no_time,
        ),
        (
            "Caller: Could I come Tuesday at 2:30 pm? / Agent: Sure, I have put you down."
                .to_owned(),
            1,
            ["Sure, I have put you down", "Could I come Tuesday at 2:30 pm"],
            "",
        ),
        (
            "Caller: Could I come Tuesday at 2:30 pm? / Agent: Sure, but I can't book that."
                .to_owned(),
            1,
            ["Sure, but I can't book that", "Could I come Tuesday at 2:30 pm"],
            no_time,
        ),
        (
            "Caller: Could I come Tuesday at 2:30 pm? / Agent: Okay, let me check.".to_owned(),
            1,
            ["Okay, let me check", "Could I come Tuesday at 2:30 pm"],
            no_time,
        ),
        (
            "Agent: Why don't you come Tuesday at 2:30 pm? / Caller: Sure.".to_owned(),
            1,
            ["Why don't you come", "Sure"],
            "",
        ),
        (
            "Agent: I'm sorry, Monday is full, how about Tuesday at 2:30 pm? / Caller: Yes please."
                .to_owned(),
            1,
            ["how about Tuesday at 2:30 pm", "Yes please"],
            "",
        ),
        (
            said("Yes please. / Agent: Sorry, could I have your full name?"),
            1,
            ["Tuesday", "Yes please"],
            "",
        ),
        (
            said("Yes. / Agent: One moment. / Agent: Oh, I'm sorry, that is taken."),
            1,
            ["Tuesday", "Yes"],
            refused,
        ),
        (
            said("Yes. / Agent: Great. / Caller: Actually, that doesn't work. Please cancel it."),
            1,
            ["Tuesday", "Yes"],
            refused,
        ),
        (said("Yes. / Agent: Sorry for the wait, you are booked."), 1, ["Tuesday", "Yes"], ""),
        (
            "Caller: Could I come Tuesday at 2:30 pm? / Agent: That time is already booked."
                .to_owned(),
            1,
            ["That time is already booked", "Could I come Tuesday at 2:30 pm"],
            no_time,
        ),
        (
            "Agent: Is Tuesday at 2:30 pm too late for you? / Caller: No, that's perfect."
                .to_owned(),
            1,
            ["Is Tuesday at 2:30 pm", "that's perfect"],
            "",
        ),
        (
            "Agent: El martes a las 14:30 puedo atenderle. / Caller: Sí".to_owned(),
            1,
            ["El martes a las 14:30", "Sí"],
            "",
        ),
        (
            said("Okay. That doesn't work for me."),
            1,
            ["Tuesday", "Okay. That doesn't work"],
            refused,
        ),
        (said("Let me think about it."), 1, ["Tuesday", "Let me think"], refused),
        (said("Perfect, I don't work Tuesdays."), 1, ["Tuesday", "Perfect"], ""),
        (said("Yes. / Agent: I'm sorry, that is taken."), 1, ["Tuesday", "Yes"], refused),
        (said("No, 2:30 pm is too late for me."), 1, ["Tuesday", "too late for me"], refused),
        (said("Please cancel 2:30 pm."), 1, ["Tuesday", "Please cancel"], refused),
        (said("Perfect, I won't be late."), 1, ["Tuesday", "I won't be late"], ""),
        (said("Yes, I couldn't make Monday anyway."), 1, ["Tuesday", "Yes"], ""),
        (said("Okay, that doesn't work."), 1, ["Tuesday", "that doesn't work"], refused),
        (said("Nein, leider."), 1, ["Tuesday", "Nein, leider"], refused),
        (
            "Agent: Tuesday at 2:30 p.m. is taken. / Caller: Okay.".to_owned(),
            1,
            ["Tuesday at 2:30 p.m.", "Okay"],
            no_time,
        ),
        (
            "Agent: Unfortunately 2:30 p.m. on Tuesday is gone. / Caller: Okay.".to_owned(),
            1,
            ["2:30 p.m. on Tuesday", "Okay"],
            refused,
        ),
        (
            "Agent: We don't have 2:30 pm on Tuesday. / Caller: Okay.".to_owned(),
            1,
            ["2:30 pm on Tuesday", "Okay"],
            no_time,
        ),
        (
            "Agent: 2:30 p.m. on Tuesday works. / Caller: Perfect.".to_owned(),
            1,
            ["2:30 p.m. on Tuesday", "Perfect"],
            "",
        ),
        (
            "Caller: Do you have Saturday, December 5th? / Agent: That is full. / \
             Agent: Tomorrow at 2:30 pm? / Caller: Yes."
                .to_owned(),
            28,
            ["Tomorrow at 2:30 pm", "Yes"],
            "",
        ),
        (
            "Agent: I can see you today at 2:30 pm. / Caller: Great.".to_owned(),
            27,
            ["see you today at 2:30 pm", "Great"],
            "",
        ),
        (said("No, that doesn't work."), 1, ["Tuesday", "that doesn't work"], refused),
        (said("No problem."), 1, ["Tuesday", "No problem"], ""),
        (said("No, thanks."), 1, ["Tuesday", "No, thanks"], refused),
        (said("Tuesday doesn't work."), 1, ["Tuesday at", "Tuesday doesn't"], refused),
        (said("I'd rather not."), 1, ["Tuesday", "rather not"], refused),
        (said("Sure, why not."), 1, ["Tuesday", "Sure"], ""),
        (said("Nein, das geht nicht."), 1, ["Tuesday", "Nein"], refused),
        (
            "Agent: 2:30 pm on Tuesday isn't possible. / Caller: OK".to_owned(),
            1,
            ["2:30 pm on Tuesday", "OK"],
            no_time,
        ),
        (
            "Agent: I'm sorry, 1 pm is taken, but Tuesday at 2:30 pm is free. / Caller: Good."
                .to_owned(),
            1,
            ["Tuesday at 2:30 pm is free", "Good"],
            "",
        ),
        (
            "Agent: Tuesday at 2:30 pm. / Agent: Shall I write it down? / Caller: Yes".to_owned(),
            1,
            ["Shall I write it down", "Yes"],
            "",
        ),
        // Another time that is only mentioned, and one that is wanted.
        (said("Yes, I finish work at 1 pm, so that's perfect."), 1, ["Tuesday", "perfect"], ""),
        (said("Yes, I am free after 2 pm."), 1, ["Tuesday", "Yes"], ""),
        (said("Yes, but make it 4 pm."), 1, ["Tuesday", "Yes"], time),
        (said("Can we do 4 pm instead?"), 1, ["Tuesday", "Can we do"], time),
        (said("At 4 pm, please."), 1, ["Tuesday", "please"], time),
        // What was said between counts.
        (TURNED.to_owned(), 1, ["Tuesday at 2:30 pm", "Great"], time),
        (TURNED.to_owned(), 1, ["Sure", "Great"], no_time),
        (TURNED.replace("4 pm", "Wednesday"), 1, ["Tuesday at 2:30 pm", "Great"], day),
        // Of two offers the caller's words tell which.
        (TWO.replace('?', "? / Caller: December 1st, please."), 1, ["December 1st", "please"], ""),
        (TWO.replace('?', "? / Caller: Thursday, please."), 1, ["December 1st", "please"], day),
    ] {
        let judged = judged(&talk, on, quotes);
        if judged != why {
            wrong.push(format!("{talk} {on}: {judged:?}, not {why:?}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}
