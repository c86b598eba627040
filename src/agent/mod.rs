//! What an agent is: its settings and its prompt. Pure.

pub mod prompt;
pub mod settings;
