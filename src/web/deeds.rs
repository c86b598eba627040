//! What functions do, in an owner's words.

use super::console::words::capital;

/// A function in an owner's words.
struct Deed {
    name: &'static str,
    /// What was done.
    done: &'static str,
    /// What is being done.
    doing: &'static str,
    /// What was wanted, where it was not done.
    tried: &'static str,
}

const fn deed(
    name: &'static str,
    done: &'static str,
    doing: &'static str,
    tried: &'static str,
) -> Deed {
    Deed { name, done, doing, tried }
}

const DEEDS: [Deed; 9] = [
    deed(
        "check_availability",
        "Looked for free times",
        "Looking for free times",
        "Tried to look for free times",
    ),
    deed(
        "book_appointment",
        "Booked an appointment",
        "Booking an appointment",
        "Tried to book an appointment",
    ),
    deed(
        "reschedule_appointment",
        "Moved an appointment",
        "Moving an appointment",
        "Tried to move an appointment",
    ),
    deed(
        "cancel_appointment",
        "Cancelled an appointment",
        "Cancelling an appointment",
        "Tried to cancel an appointment",
    ),
    deed(
        "transfer_call",
        "Put the caller through",
        "Putting the caller through",
        "Tried to put the caller through",
    ),
    deed("take_message", "Took a message", "Taking a message", "Tried to take a message"),
    deed("send_sms", "Sent a text", "Sending a text", "Tried to send a text"),
    deed(
        "search_knowledge",
        "Looked up what it knows",
        "Looking up what it knows",
        "Tried to look up what it knows",
    ),
    deed("end_call", "Ended the call", "Ending the call", "Tried to end the call"),
];

/// The names of all of them, with what was done.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEEDS.iter().map(|deed| (deed.name, deed.done))
}

/// Whether every agent has it, so that it has words of its own.
pub(super) fn is_known(name: &str) -> bool {
    named(name).is_some()
}

/// What was done; of a function of the owner's, that it was used.
pub(super) fn done(name: &str) -> String {
    named(name).map_or_else(|| format!("Used “{}”", spoken(name)), |deed| deed.done.to_owned())
}

/// What is being done; of a function of the owner's, that it is being used.
pub(super) fn doing(name: &str) -> String {
    named(name).map_or_else(|| format!("Using “{}”", spoken(name)), |deed| deed.doing.to_owned())
}

/// What was wanted of a run that did not do it.
pub(super) fn tried(name: &str) -> String {
    let own = || format!("Tried to use “{}”", spoken(name));
    named(name).map_or_else(own, |deed| deed.tried.to_owned())
}

/// A function's name as people say it: `Check insurance` of `check_insurance`.
pub(super) fn spoken(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    match words.trim() {
        "" => name.to_owned(),
        words => capital(words),
    }
}

fn named(name: &str) -> Option<&'static Deed> {
    DEEDS.iter().find(|deed| deed.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::function::Builtin;

    #[test]
    fn every_function_that_all_agents_have_has_its_words() {
        for builtin in Builtin::all() {
            assert!(is_known(builtin.name()), "{builtin:?}");
            assert!(tried(builtin.name()).starts_with("Tried to "));
        }
        assert_eq!(all().count(), DEEDS.len());
    }

    #[test]
    fn an_owners_function_is_called_as_people_say_it() {
        assert!(!is_known("check_insurance"));
        assert_eq!(done("check_insurance"), "Used “Check insurance”");
        assert_eq!(doing("check-insurance"), "Using “Check insurance”");
        assert_eq!(tried("prices"), "Tried to use “Prices”");
        assert_eq!((spoken("_"), spoken("")), ("_".to_owned(), String::new()));
    }
}
