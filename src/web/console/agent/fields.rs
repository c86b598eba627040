//! What the page of an agent lets one write: a form for each section, a line for each field.

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// One line of text.
    Line,
    /// Several lines.
    Area,
    /// A number; what comes without one.
    Number(&'static str),
    /// Minutes, which are stored as seconds; what holds without any.
    Minutes(&'static str),
    /// A tick; what holds without one.
    Check(bool),
    /// One of these; the first is what holds without one. Each with what it means.
    Choice(&'static [(&'static str, &'static str)]),
    /// A text that is not shown again.
    Secret,
    /// Names and telephone numbers, a row each.
    Numbers,
    /// The language to begin in.
    Language,
    /// The first words, with the choice of none.
    Greeting,
    /// A time zone.
    Zone,
    /// A voice of the speech service, or another one by its name.
    Voice,
}

/// A field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Field {
    /// Its path in the agent's document.
    pub(super) path: &'static str,
    /// What owners call it.
    pub(super) label: &'static str,
    /// What it means.
    pub(super) hint: &'static str,
    pub(super) kind: Kind,
}

/// A section of the page, with a form of its own.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    /// Its name in addresses and forms.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) fields: &'static [Field],
}

const fn field(path: &'static str, label: &'static str, hint: &'static str, kind: Kind) -> Field {
    Field { path, label, hint, kind }
}

/// Weekly hours and holidays, which have an editor of their own.
pub(in crate::web::console) const SCHEDULE: &str = "business.operating_schedule";

/// How long a call may be: seconds, which owners write as minutes.
pub(in crate::web::console) const LONGEST_CALL: &str = "settings.limits.call_seconds";
/// What is accepted there.
pub(super) const MINUTES: &str = "Write how many minutes, from 1 to 240.";

/// All sections, in the page's order.
pub(super) const PARTS: [Part; 6] = [
    Part { id: "greeting", title: "Greeting & voice", fields: GREETING },
    Part { id: "hours", title: "Hours & holidays", fields: HOURS },
    Part { id: "messages", title: "Put through & messages", fields: MESSAGES },
    Part { id: "bookings", title: "Bookings", fields: BOOKINGS },
    Part { id: "recording", title: "Recording & keeping", fields: RECORDING },
    Part { id: "instructions", title: "Instructions", fields: INSTRUCTIONS },
];

const GREETING: &[Field] = &[
    field("name", "The agent's name", "It says this when a caller asks.", Kind::Line),
    field("settings.greeting", "First words", "", Kind::Greeting),
    field(
        "settings.language",
        "Language",
        "It begins in it, and changes to the caller's by itself.",
        Kind::Language,
    ),
    field(
        "settings.voice",
        "Voice",
        "How one sounds is best heard: choose it, and press “Try before saving”.",
        Kind::Voice,
    ),
    field("settings.interruptions.allow", "Callers may interrupt the agent", "", Kind::Check(true)),
    field("settings.interruptions.greeting", "Also its first words", "", Kind::Check(false)),
    field(
        "settings.idle.reprompt_seconds",
        "Silence before it asks if somebody is there, in seconds",
        "10 unless set. 0: it never asks.",
        Kind::Number("10"),
    ),
    field(
        "settings.idle.reprompts",
        "How often it asks before it hangs up",
        "2 unless set.",
        Kind::Number("2"),
    ),
    field(
        LONGEST_CALL,
        "Longest call, in minutes",
        "30 unless set. The caller is warned before the end.",
        Kind::Minutes("30"),
    ),
];
const HOURS: &[Field] = &[
    field(
        "business.business_timezone",
        "Time zone",
        "Hours, bookings and the times on these pages are in it.",
        Kind::Zone,
    ),
    field(
        "settings.hours.closed",
        "Outside opening hours",
        "",
        Kind::Choice(&[
            ("answer", "The agent answers, and says that you are closed where it matters"),
            ("fallback", "Callers get what is set under Put through & messages"),
        ]),
    ),
];
const MESSAGES: &[Field] = &[
    field("settings.transfer.targets", "Who callers can be put through to", "", Kind::Numbers),
    field(
        "settings.fallback.kind",
        "When the agent cannot take a call",
        "",
        Kind::Choice(&[
            ("voicemail", "The caller leaves a message after the tone"),
            ("forward", "Another number rings"),
            ("say", "The caller hears a message, and that is all"),
        ]),
    ),
    field(
        "settings.fallback.number",
        "The number that rings then",
        "With its country code, or as it is dialled where you are.",
        Kind::Line,
    ),
    field(
        "settings.fallback.message",
        "What the caller hears then",
        "Empty: an apology.",
        Kind::Area,
    ),
    field(
        "settings.limits.concurrent_calls",
        "Calls at once",
        "Further callers get the above.",
        Kind::Number("20"),
    ),
    field(
        "settings.live.take_over",
        "Who may end a live call or put its caller through",
        "",
        Kind::Choice(&[
            ("maintainer", "Maintainers and owners"),
            ("support", "Everybody who sees calls"),
        ]),
    ),
    field(
        "settings.webhook.url",
        "Tell another program of each call",
        "Its address, such as https://example.com/calls.",
        Kind::Line,
    ),
    field("settings.webhook.secret", "What that is signed with", "", Kind::Secret),
];
const BOOKINGS: &[Field] = &[field(
    "business.default_appointment_length",
    "How long an appointment takes, in minutes",
    "Unless something else is agreed.",
    Kind::Number("60"),
)];
const RECORDING: &[Field] = &[
    field(
        "settings.recording.enabled",
        "Record calls",
        "In many places the law wants callers to be told, or asked.",
        Kind::Check(false),
    ),
    field(
        "settings.recording.notice",
        "What callers are told first",
        "Empty: This call is recorded.",
        Kind::Area,
    ),
    field(
        "settings.retention.recording_days",
        "Delete recordings after so many days",
        "Empty: never.",
        Kind::Number(""),
    ),
    field(
        "settings.retention.transcript_days",
        "Delete the words of calls after so many days",
        "Empty: never.",
        Kind::Number(""),
    ),
];
const INSTRUCTIONS: &[Field] = &[
    field("business.business_name", "Name of the business", "As the agent says it.", Kind::Line),
    field(
        "business.type_of_business",
        "Kind of business",
        "Such as dentist or plumber.",
        Kind::Line,
    ),
    field("business.business_phone", "Telephone of the business", "", Kind::Line),
    field("business.business_summary", "What the business does", "", Kind::Area),
    field(
        "business.additional_context",
        "What the agent should know",
        "Prices, parking, insurance, the way there.",
        Kind::Area,
    ),
    field(
        "settings.instructions",
        "How the agent should behave",
        "Such as: ask for the postcode first.",
        Kind::Area,
    ),
    field(
        "settings.knowledge.matches",
        "Passages that it looks up for an answer",
        "At most so many.",
        Kind::Number("4"),
    ),
];

/// The section with this name.
pub(super) fn part(id: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.id == id)
}

impl Field {
    /// Whether it stands beside others.
    pub(super) fn is_short(&self) -> bool {
        matches!(
            self.kind,
            Kind::Line
                | Kind::Number(_)
                | Kind::Minutes(_)
                | Kind::Zone
                | Kind::Voice
                | Kind::Language
        )
    }
}

impl Part {
    /// Where its values stand in the agent's document.
    pub(super) fn pointers(&self) -> Vec<String> {
        let all = self.fields.iter().map(|field| field.path);
        let schedule = (self.id == "hours").then_some(SCHEDULE);
        all.chain(schedule).map(pointer).collect()
    }
}

/// What a field is called, and what its values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web::console) struct Known<'a> {
    /// What owners call it.
    pub(in crate::web::console) label: &'static str,
    /// The rest of the path, where it leads below a field.
    pub(in crate::web::console) below: &'a str,
    /// Its values with what each means, where these are a choice.
    pub(in crate::web::console) choices: &'static [(&'static str, &'static str)],
}

/// The field that a path leads to, or to a value below it.
pub(in crate::web::console) fn known(path: &str) -> Option<Known<'_>> {
    let below = |field: &Field| {
        let names = [Some(field.path), field.path.strip_prefix("business.")].into_iter().flatten();
        let mut rests = names.filter_map(|name| path.strip_prefix(name));
        rests.find_map(|rest| if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') })
    };
    let fields = PARTS.iter().flat_map(|part| part.fields);
    let found = fields.filter_map(|field| Some((field, below(field)?)));
    // `settings.fallback` is no field, and `settings.fallback.kind` is one.
    let (field, below) = found.min_by_key(|(_, below)| below.len())?;
    let choices = match field.kind {
        Kind::Choice(choices) if below.is_empty() => choices,
        _ => &[],
    };
    Some(Known { label: field.label, below, choices })
}

/// What owners call a field, by its path.
pub(in crate::web::console) fn label(path: &str) -> Option<&'static str> {
    match path {
        "twilio_phone_number" => Some("Number"),
        "status" => Some("In service"),
        "unAvailable" => Some("Unavailable for now"),
        "changed_secrets" => Some("Secrets that were changed"),
        _ if path.starts_with(SCHEDULE) || path.starts_with("operating_schedule") => {
            Some("Opening hours")
        }
        _ => known(path).filter(|known| known.below.is_empty()).map(|known| known.label),
    }
}

/// A path as a JSON pointer.
pub(super) fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_place() {
        for part in &PARTS {
            assert!(part.pointers().len() >= part.fields.len());
            assert_eq!(super::part(part.id), Some(part));
        }
        assert_eq!(label("settings.greeting"), Some("First words"));
        assert_eq!(label("business_name"), Some("Name of the business"));
        assert_eq!(label("settings.nonsense"), None);
    }
}
