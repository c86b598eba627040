//! What the functions that every agent has do, in an owner's words.

/// Each by its name: what was done, and what is being done.
const DEEDS: [(&str, &str, &str); 9] = [
    ("check_availability", "Looked for free times", "Looking for free times"),
    ("book_appointment", "Booked an appointment", "Booking an appointment"),
    ("reschedule_appointment", "Moved an appointment", "Moving an appointment"),
    ("cancel_appointment", "Cancelled an appointment", "Cancelling an appointment"),
    ("transfer_call", "Put the caller through", "Putting the caller through"),
    ("take_message", "Took a message", "Taking a message"),
    ("send_sms", "Sent a text", "Sending a text"),
    ("search_knowledge", "Looked up what it knows", "Looking up what it knows"),
    ("end_call", "Ended the call", "Ending the call"),
];

/// The names of all of them, with what was done.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEEDS.iter().map(|(name, done, _)| (*name, *done))
}

/// What was done; none: it is a function of the owner's, which has its own name.
pub(super) fn done(name: &str) -> Option<&'static str> {
    all().find(|(known, _)| *known == name).map(|(_, done)| done)
}

/// What is being done; none: it is a function of the owner's, which has its own name.
pub(super) fn doing(name: &str) -> Option<&'static str> {
    DEEDS.iter().find(|(known, ..)| *known == name).map(|(_, _, doing)| *doing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::function::Builtin;

    #[test]
    fn every_function_that_all_agents_have_has_its_words() {
        for builtin in Builtin::all() {
            assert!(done(builtin.name()).is_some() && doing(builtin.name()).is_some());
        }
        assert_eq!((done("prices"), doing("prices"), all().count()), (None, None, DEEDS.len()));
    }
}
