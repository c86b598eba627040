//! What an agent's business has written down, searched by meaning: a service embeds the words, and
//! the agent's own passages are searched for what is near.

pub mod answers;
pub mod documents;
mod embed;
pub mod feature_hash;
mod search;
pub mod training;

pub use embed::EmbedError;
pub(crate) use embed::error_code;
pub use search::{Knowledge, SearchError};
