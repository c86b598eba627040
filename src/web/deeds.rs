//! What the functions that every agent has do, in an owner's words.

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

/// What was done; none: it is a function of the owner's, which has its own name.
pub(super) fn done(name: &str) -> Option<&'static str> {
    named(name).map(|deed| deed.done)
}

/// What is being done; none: it is a function of the owner's, which has its own name.
pub(super) fn doing(name: &str) -> Option<&'static str> {
    named(name).map(|deed| deed.doing)
}

/// What was wanted of a run that did not do it; none: it is a function of the owner's.
pub(super) fn tried(name: &str) -> Option<&'static str> {
    named(name).map(|deed| deed.tried)
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
            assert!(done(builtin.name()).is_some() && doing(builtin.name()).is_some());
            assert!(tried(builtin.name()).is_some_and(|words| words.starts_with("Tried to ")));
        }
        assert_eq!((done("prices"), doing("prices"), all().count()), (None, None, DEEDS.len()));
    }
}
