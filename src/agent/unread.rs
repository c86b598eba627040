//! What of an agent's rows is more than is read of it.

use serde_json::Value;
use uuid::Uuid;

use super::{AgentSource, TOO_LARGE};

/// A value that is too large to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// `private_settings`.
    Settings,
    /// The opening hours.
    Hours,
    /// What a function does, or what it asks for, by its id.
    Function(Uuid),
}

impl AgentSource {
    /// What of it was too large to be read.
    pub fn unread(&self) -> Vec<Unread> {
        let is_unread = |value: &Value| value == TOO_LARGE;
        let hours =
            self.business.as_ref().and_then(|business| business.operating_schedule.as_ref());
        let functions = self.functions.iter().filter(|function| {
            is_unread(function.data.reveal()) || is_unread(function.variables.reveal())
        });
        let settings = is_unread(self.private_settings.reveal()).then_some(Unread::Settings);
        let hours = hours.is_some_and(is_unread).then_some(Unread::Hours);
        let functions = functions.map(|function| Unread::Function(function.id));
        settings.into_iter().chain(hours).chain(functions).collect()
    }
}
