//! What was done, in an owner's words.

/// Each action and its words, which come after a name.
const WORDS: &[(&str, &str)] = &[
    ("access.accept", "accepted an invitation"),
    ("access.change", "changed the role of"),
    ("access.decline", "declined an invitation"),
    ("access.invite", "gave access to"),
    ("access.leave", "left the business"),
    ("access.link", "made a sign-in link for"),
    ("access.off", "switched off the access of"),
    ("access.on", "switched on the access of"),
    ("access.read", "looked at who has access"),
    ("access.refused", "tried something that their role does not allow"),
    ("access.remove", "removed"),
    ("account.change", "changed their own details"),
    ("agent.activate", "switched an agent on"),
    ("agent.change", "changed the agent"),
    ("agent.create", "made the agent"),
    ("agent.delete", "deleted the agent"),
    ("agent.inspect", "looked at the agent's settings"),
    ("agent.make", "made the agent"),
    ("agent.restore", "restored an earlier version of the agent"),
    ("agent.try", "tried the agent"),
    ("answer.change", "changed what the agent answers"),
    ("answer.give", "gave the agent an answer"),
    ("answer.remove", "removed what the agent answered"),
    ("booking.came", "noted that somebody came"),
    ("booking.cancel", "cancelled a booking"),
    ("booking.change", "changed a booking"),
    ("booking.check", "said that a booking is right"),
    ("booking.make", "made a booking"),
    ("booking.missed", "noted that somebody did not come"),
    ("booking.move", "moved a booking"),
    ("booking.reopen", "put a booking back"),
    ("booking.text", "asked for a text about a cancelled booking"),
    ("call.delete", "deleted a call"),
    ("call.end", "ended a call"),
    ("call.transfer", "had a call put through"),
    ("call.undone", "wanted something done with a call, and nothing was"),
    ("call.watch", "watched a call while it went on"),
    ("caller.delete", "deleted what is kept of a caller"),
    ("caller.export", "exported everything of a caller"),
    ("calls.export", "exported calls"),
    ("collected.export", "exported what a function collected"),
    ("credentials.change", "changed the telephone account's credentials"),
    ("credentials.remove", "went back to the server's telephone account"),
    ("feed.make", "made an address for other calendars"),
    ("feed.revoke", "stopped the address for other calendars"),
    ("function.change", "changed a function"),
    ("function.delete", "deleted a function"),
    ("function.inspect", "looked at the agent's functions"),
    ("function.make", "made a function"),
    ("function.try", "tried a function"),
    ("knowledge.ask", "asked what an agent would find"),
    ("live.watch", "watched the live calls"),
    ("message.left", "had a call deleted whose message stays at Twilio"),
    ("number.connect", "connected a number"),
    ("number.restore", "put a number back to what it was"),
    (
        "number.returned",
        "could not have the number's calls go to the other agent, and gave it back to this one",
    ),
    (
        "number.taken",
        "found the number on another telephone account, and gave it to an agent there",
    ),
    ("recording.listen", "listened to a recording"),
    ("session.end", "signed a browser of theirs out"),
    ("session.end_others", "signed all other browsers of theirs out"),
    ("sign_in", "signed in"),
    ("sign_in.refused", "tried to sign in and was refused"),
    ("task.change", "changed a task"),
    ("task.done", "ticked a task off"),
    ("task.note", "wrote a note to a task"),
    ("task.reopen", "opened a task again"),
    ("token.make", "made a key for a program"),
    ("token.revoke", "revoked a key of a program"),
    ("voicemail.listen", "listened to a message that a caller left"),
    ("webhook.redeliver", "sent a notice again"),
    ("webhook.test", "tested the webhook"),
];

/// The words of an action; of one that has none, the action itself, readable.
pub(super) fn words(action: &str) -> String {
    match WORDS.iter().find(|(known, _)| *known == action) {
        Some((_, words)) => (*words).to_owned(),
        None => action.replace(['.', '_'], " "),
    }
}

/// With what somebody did it, where that is not a browser.
pub(super) fn means(kind: &str) -> Option<&'static str> {
    match kind {
        "token" => Some("with a key for programs"),
        "supabase" => Some("over the API"),
        "system" => Some("on the server"),
        _ => None,
    }
}

/// The page of what it was done to, if it has one, and what that is called.
pub(super) fn link(object: &str) -> Option<(String, &'static str)> {
    let (kind, id) = object.split_once(' ')?;
    // An id of ours, and nothing that would lead elsewhere.
    let is_id = !id.is_empty() && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    let (path, words) = match kind {
        "call" => ("/calls/", "the call"),
        "appointment" => ("/bookings/", "the booking"),
        "agent" => ("/agents/", "the agent"),
        _ => return None,
    };
    is_id.then(|| (format!("{path}{id}"), words))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn deeds_are_told_in_words() {
        assert_eq!(words("recording.listen"), "listened to a recording");
        assert_eq!(words("thing.turn_over"), "thing turn over");
    }

    #[test]
    fn a_link_leads_to_pages_of_ours_alone() {
        assert_eq!(link("call 0196-a"), Some(("/calls/0196-a".to_owned(), "the call")));
        for odd in ["call", "call ", "call /../x", "call a?b", "person 1", "x 1"] {
            assert_eq!(link(odd), None, "{odd}");
        }
    }

    #[test]
    fn words_are_in_order_and_once() {
        assert!(WORDS.is_sorted_by(|a, b| a.0 < b.0));
    }

    /// Every text of the form `kind.deed` in the files below a folder, but for this one and tests.
    fn texts(folder: &std::path::Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                texts(&path, found);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs")
                || path.ends_with("activity/words.rs")
                || path.ends_with("activity/changed.rs")
            {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            found.extend(source.split('"').filter(|text| is_action(text)).map(str::to_owned));
        }
    }

    fn is_action(text: &str) -> bool {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
        };
        text == "sign_in" || text.split_once('.').is_some_and(|(a, b)| is_word(a) && is_word(b))
    }

    #[test]
    fn every_action_that_is_written_has_words_and_all_words_have_their_action() {
        /// Files, events of the stream and fields that look like actions.
        const OTHERS: [&str; 6] = [
            "call.ended",
            "call.started",
            "call.words",
            "calls.csv",
            "calls.json",
            "webhook.secret",
        ];
        let mut written = BTreeSet::new();
        for folder in ["src/store", "src/web"] {
            texts(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut written);
        }
        let kind = |action: &str| action.split('.').next().unwrap_or_default().to_owned();
        let kinds: BTreeSet<String> = WORDS.iter().map(|(action, _)| kind(action)).collect();
        written.retain(|text| kinds.contains(&kind(text)) && !OTHERS.contains(&&**text));
        let known: BTreeSet<String> =
            WORDS.iter().map(|(action, _)| (*action).to_owned()).collect();
        let without: Vec<_> = written.difference(&known).collect();
        assert!(without.is_empty(), "written, and no words here: {without:?}");
        let dead: Vec<_> = known.difference(&written).collect();
        assert!(dead.is_empty(), "words of what nothing writes: {dead:?}");
    }
}
