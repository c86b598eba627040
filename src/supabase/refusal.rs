//! Why a token is refused.

/// Why a token is refused. None of these repeats anything of it: they may be logged. Whoever sent it
/// is told no more than that it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It is no signed token, or too long for one.
    #[error("not a token")]
    Malformed,
    /// Its header asks for what is not understood (`crit`, `b64`), or says that it is something else.
    #[error("a header that is not understood")]
    Header,
    /// It is signed with an algorithm that is not accepted, with one that its key is not for, or not
    /// at all.
    #[error("an algorithm that is not accepted")]
    Algorithm,
    /// No key of the project has this name.
    #[error("a key that is not known")]
    UnknownKey,
    /// The project's keys cannot be read, and it cannot be checked without.
    #[error("the project's keys cannot be read now")]
    KeysAway,
    /// Somebody else signed it, or it was changed.
    #[error("a signature that does not match")]
    Signature,
    /// A claim that is needed is missing or is no such claim.
    #[error("claims that cannot be read")]
    Claims,
    /// Another project issued it.
    #[error("another issuer")]
    Issuer,
    /// It is for another audience.
    #[error("another audience")]
    Audience,
    /// It is over.
    #[error("expired")]
    Expired,
    /// It is not valid yet.
    #[error("not valid yet")]
    NotYet,
    /// It is for another role: a key of the project, say, rather than a person.
    #[error("another role")]
    Role,
    /// Whoever has it has not said who they are.
    #[error("an anonymous user")]
    Anonymous,
}

impl TokenRefused {
    /// Whether the same token may be taken later, because the fault is not its own.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::KeysAway)
    }
}
