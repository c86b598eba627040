//! The note of a task: what people write in it, and what a tap writes.

use super::todo::TASK_NOTE_CHARACTERS;
use crate::private::Private;

/// What somebody says with one tap of something that the agent claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum TaskVerdict {
    /// The booking is there now.
    Booked,
    /// It is done now.
    Done,
    /// The agent claimed nothing.
    NotSo,
    /// It is not done, and need not be any more.
    Otherwise,
}

impl TaskVerdict {
    const ALL: [Self; 4] = [Self::Booked, Self::Done, Self::NotSo, Self::Otherwise];

    /// Its word in forms.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// The one of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }

    /// What is written in the note.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Booked => "It is booked.",
            Self::Done => "It is done.",
            Self::NotSo => "The agent did not say so.",
            Self::Otherwise => "It is settled otherwise.",
        }
    }

    /// What a tap wrote in a note, if it was the last to write there.
    pub fn in_note(note: &str) -> Option<Self> {
        let last = note.lines().last().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|verdict| verdict.sentence() == last)
    }

    /// A note without the verdict in its last line.
    fn taken_from(note: &str) -> &str {
        let is_verdict =
            |line: &str| Self::ALL.into_iter().any(|verdict| verdict.sentence() == line.trim());
        let (before, last) = note.rsplit_once('\n').unwrap_or(("", note));
        if is_verdict(last) { before.trim_end() } else { note }
    }

    /// A note with this as its last line. An earlier verdict makes way, and what somebody wrote stays,
    /// alone where there is no room for more.
    fn written_in(self, note: &str) -> String {
        let said = match Self::taken_from(note).trim_end() {
            "" => self.sentence().to_owned(),
            kept => format!("{kept}\n{}", self.sentence()),
        };
        if said.chars().count() > TASK_NOTE_CHARACTERS { note.to_owned() } else { said }
    }
}

/// What becomes of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteChange {
    /// It is this from now on, at most [`TASK_NOTE_CHARACTERS`], empty for none.
    Now(Private<String>),
    /// A tap says this beside what is written.
    Verdict(TaskVerdict),
    /// There is something to do again: what a tap said does not hold any more.
    Reopened,
}

impl NoteChange {
    /// The note from now on.
    pub(super) fn applied(&self, note: &str) -> String {
        match self {
            Self::Now(now) => now.reveal().clone(),
            Self::Verdict(verdict) => verdict.written_in(note),
            Self::Reopened => TaskVerdict::taken_from(note).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_takes_back_a_tap_and_nothing_that_somebody_wrote() {
        let note = |verdict: TaskVerdict, note: &str| NoteChange::Verdict(verdict).applied(note);
        assert_eq!(note(TaskVerdict::Booked, ""), "It is booked.");
        assert_eq!(note(TaskVerdict::NotSo, "It is booked."), "The agent did not say so.");
        let beside = note(TaskVerdict::Booked, "Rang her at 10.\nShe comes.");
        assert_eq!(beside, "Rang her at 10.\nShe comes.\nIt is booked.");
        assert_eq!(TaskVerdict::in_note(&beside), Some(TaskVerdict::Booked));
        assert_eq!(TaskVerdict::in_note("It is booked.\nNot yet."), None);
        let again = note(TaskVerdict::NotSo, &beside);
        assert_eq!(again, "Rang her at 10.\nShe comes.\nThe agent did not say so.");
        assert_eq!(NoteChange::Reopened.applied(&again), "Rang her at 10.\nShe comes.");
        assert_eq!(NoteChange::Reopened.applied("She comes."), "She comes.");
        let full = "x".repeat(TASK_NOTE_CHARACTERS);
        assert_eq!(note(TaskVerdict::Done, &full), full);
        for verdict in TaskVerdict::ALL {
            assert_eq!(TaskVerdict::from_word(verdict.word()), Some(verdict));
        }
    }
}
