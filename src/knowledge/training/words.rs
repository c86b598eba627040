//! Why a source was not learned, in an owner's words.

use http::StatusCode;

use crate::functions::egress::{EgressError, Refusal};

/// Why an address gave nothing.
pub(super) fn of_egress(error: EgressError) -> &'static str {
    match error {
        EgressError::Refused(Refusal::Scheme) => "The address begins with neither http nor https.",
        EgressError::Refused(Refusal::Credentials) => {
            "The address has a name and a password in it. Write it without them."
        }
        EgressError::Refused(_) | EgressError::Unreachable => {
            "No server on the internet answers at this address. Look at the address, and open it in a browser."
        }
        EgressError::Redirected(_) => {
            "The address leads on to a place that is not fetched. Open it in a browser, and write the address \
             that you end at."
        }
        EgressError::ResponseTooLarge | EgressError::RequestTooLarge => {
            "What is at this address is larger than 25 MB."
        }
        EgressError::Busy => "Too much is fetched for this agent at the moment.",
        EgressError::Broken => "The connection to the website broke.",
        EgressError::TimedOut => "The website gave no answer in time.",
    }
}

/// Whether it may be otherwise in some minutes.
pub(super) fn may_pass(error: EgressError) -> bool {
    matches!(
        error,
        EgressError::Unreachable | EgressError::Busy | EgressError::Broken | EgressError::TimedOut
    )
}

/// Why a status gives nothing; none: it is one that does.
pub(super) fn of_status(status: StatusCode) -> Option<String> {
    let words = match status.as_u16() {
        200..=299 | 304 => return None,
        401 | 403 | 407 => {
            "The website lets nobody read this who is not signed in there. Upload it as a file, or type what \
             callers ask about as questions and answers."
        }
        404 | 410 => "There is no such page on the website. Look at the address.",
        429 => "The website was asked too often.",
        500..=599 => "The website has a fault at the moment.",
        other => return Some(format!("The website answered with status {other}.")),
    };
    Some(words.to_owned())
}
