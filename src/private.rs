//! Private data by type: a phone number, a name, a word of transcript or a secret cannot reach a
//! log, because what holds it does not print it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that never prints itself. [`Private::reveal`] is the one way to it, so each use shows
/// in a search for the word.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private<T>(T);

impl<T> Private<T> {
    /// Wraps a value, so that it does not print.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the wire or the database, never for a log.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// Unwraps the value, which from then on prints.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Private<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_value_does_not_print_itself() {
        let number = Private::new("+15551230001".to_owned());
        assert_eq!(format!("{number:?} {:?}", Some(&number)), "[private] Some([private])");
        assert_eq!(number.reveal(), "+15551230001");
    }
}
