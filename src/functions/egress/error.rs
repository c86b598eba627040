//! Why there is no answer, and what of that may be told to whom.

use super::{REDIRECTS_MAX, RESPONSE_BYTES_MAX};

/// Why a request was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is another kind of address.
    #[error("only http and https addresses are allowed")]
    Scheme,
    /// A user or a password stands in it.
    #[error("an address with credentials in it is not allowed")]
    Credentials,
    /// Its host is not a name that could be in the DNS.
    #[error("the host is not a name or a public address")]
    Host,
    /// It leads into a private network.
    #[error("the host has an address that is not public")]
    NotPublic,
    /// A redirect from `https` to `http`.
    #[error("redirected from https to http")]
    Downgrade,
    /// A redirect that would hand a body or a deed to another host.
    #[error("redirected to another host with what was meant for this one")]
    OtherHost,
    /// A redirect to nowhere.
    #[error("redirected to what is not an address")]
    Location,
    /// A redirect to a host that gives no connection.
    #[error("to no public address that can be reached")]
    Absent,
    /// A redirect too many.
    #[error("redirected more than {REDIRECTS_MAX} times")]
    Redirects,
}

/// Why there is no answer. Names no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The request is not allowed.
    #[error("{0}")]
    Refused(Refusal),
    /// The service answered with a redirect that leads nowhere.
    #[error("redirected: {0}")]
    Redirected(Refusal),
    /// The body is too large.
    #[error("the request is too large")]
    RequestTooLarge,
    /// The answer is too large.
    #[error("an answer of more than {RESPONSE_BYTES_MAX} bytes")]
    ResponseTooLarge,
    /// Too many requests are on their way.
    #[error("too many requests at once")]
    Busy,
    /// No connection was made.
    #[error("no connection to a public address of that host")]
    Unreachable,
    /// The connection broke, or what came was not HTTP.
    #[error("the connection broke")]
    Broken,
    /// The time was up.
    #[error("no answer in time")]
    TimedOut,
}

impl EgressError {
    /// The same as it may be told to whoever chose the address: whether a name is unknown, its machine
    /// does not answer or it leads into a private network is all one, or they would learn what is there.
    #[must_use]
    pub fn told(self) -> Self {
        match self {
            Self::Refused(Refusal::NotPublic | Refusal::Host) => Self::Unreachable,
            Self::Redirected(Refusal::NotPublic | Refusal::Host) => {
                Self::Redirected(Refusal::Absent)
            }
            other => other,
        }
    }

    /// Whether the service may have done what it was asked, although there is no answer.
    pub fn may_be_done(self) -> bool {
        match self {
            Self::Refused(_) | Self::RequestTooLarge | Self::Busy | Self::Unreachable => false,
            Self::Redirected(_) | Self::ResponseTooLarge | Self::Broken | Self::TimedOut => true,
        }
    }
}
