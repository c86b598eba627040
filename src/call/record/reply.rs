//! What was written down of one reply, and of what it was grounded on.

use serde_json::{Value, json};

use crate::call::{Chunk, Retrieval};

/// What a turn's answer was grounded on.
pub(super) struct Ground {
    pub(super) retrieval: Retrieval,
    pub(super) took_ms: Option<u64>,
    pub(super) chunks: Vec<Chunk>,
}

#[derive(Default)]
pub(super) struct Reply {
    pub(super) turn: Option<u32>,
    pub(super) purpose: String,
    pub(super) started_ms: u64,
    pub(super) generated: String,
    pub(super) heard: String,
    pub(super) heard_ms: u64,
    pub(super) interrupted: bool,
    pub(super) first_audio_ms: Option<u64>,
    pub(super) server_us: u64,
    /// Why the engine ended it before it was complete.
    pub(super) cut: Option<String>,
}

impl Reply {
    /// As the row shows one that belongs to no turn.
    pub(super) fn prompt(&self) -> Value {
        let mut prompt = json!({
            "purpose": self.purpose,
            "started_ms": self.started_ms,
            "agent": self.generated.trim(),
            "heard": self.heard.trim(),
            "interrupted": self.interrupted,
        });
        if let Some(why) = &self.cut {
            prompt["cut"] = json!(why);
        }
        prompt
    }
}
