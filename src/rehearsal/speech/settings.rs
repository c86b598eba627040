//! A session's settings: what a client may change, checked as strictly as the real service checks
//! (protocols 5.2), and what the stand-in itself goes by. Pure.

use serde_json::{Value, json};

use super::detector::Detection;
use super::shape::{self, Refusal, Root};

/// What `session.created` and `session.updated` echo.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    session: Value,
}

/// What the stand-in goes by, read out of the settings once an update.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conduct {
    /// How speech is found; `None` when the client says itself when a turn ends.
    pub(super) detection: Option<Detection>,
    /// A turn's end makes a reply.
    pub(super) creates_response: bool,
    /// Speech cancels the reply.
    pub(super) interrupts_response: bool,
    /// The caller's words are wanted.
    pub(super) transcribes: bool,
    /// Replies are text without audio.
    pub(super) text_only: bool,
    /// Both directions are μ-law at 8 kHz, which is all that the stand-in can hear and speak.
    pub(super) is_mulaw: bool,
}

impl Settings {
    /// The defaults of a new session.
    pub(super) fn new(session_id: &str, model: &str, expires_at_s: u64) -> Self {
        let pcm = json!({"type": "audio/pcm", "rate": 24_000});
        Self {
            session: json!({
                "type": "realtime", "object": "realtime.session", "id": session_id,
                "model": model, "expires_at": expires_at_s,
                "output_modalities": ["audio"],
                "instructions": "You are a helpful assistant.",
                "audio": {
                    "input": {"format": pcm, "transcription": null, "noise_reduction": null,
                        "turn_detection": detection_defaults("server_vad")},
                    "output": {"format": pcm, "voice": "alloy", "speed": 1.0},
                },
                "tools": [], "tool_choice": "auto", "max_output_tokens": "inf",
                "truncation": "auto", "tracing": null, "prompt": null, "include": null,
            }),
        }
    }

    /// The session object of the wire.
    pub(super) fn session(&self) -> &Value {
        &self.session
    }

    /// Takes over a `session.update`. Only what is present changes; with `has_spoken` the voice
    /// cannot.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub(super) fn update(&mut self, change: &Value, has_spoken: bool) -> Result<(), Refusal> {
        shape::check(Root::Session, change)?;
        if let Some(model) = change.get("model")
            && *model != self.session["model"]
        {
            return Err(Refusal::value("session.model", "the model of a session cannot change"));
        }
        let voice = &change["audio"]["output"]["voice"];
        if has_spoken && !voice.is_null() && *voice != self.session["audio"]["output"]["voice"] {
            return Err(Refusal {
                code: "cannot_update_voice",
                message: "Cannot update a conversation's voice if assistant audio is present."
                    .to_owned(),
                param: Some("session.audio.output.voice".to_owned()),
            });
        }
        merge(&mut self.session, change);
        Ok(())
    }

    /// What the stand-in goes by.
    pub(super) fn conduct(&self) -> Conduct {
        let input = &self.session["audio"]["input"];
        let turns = &input["turn_detection"];
        let is_mulaw = |format: &Value| format["type"] == "audio/pcmu";
        Conduct {
            detection: (!turns.is_null()).then(|| Detection {
                // A semantic detector has no such numbers: it gets those of a patient server one.
                threshold: turns["threshold"].as_f64().unwrap_or(0.5),
                prefix_padding_ms: turns["prefix_padding_ms"].as_u64().unwrap_or(300),
                silence_duration_ms: turns["silence_duration_ms"].as_u64().unwrap_or(700),
            }),
            creates_response: turns["create_response"] == true,
            interrupts_response: turns["interrupt_response"] == true,
            transcribes: !input["transcription"].is_null(),
            text_only: self.session["output_modalities"] == json!(["text"]),
            is_mulaw: is_mulaw(&input["format"])
                && is_mulaw(&self.session["audio"]["output"]["format"]),
        }
    }
}

fn detection_defaults(kind: &str) -> Value {
    if kind == "semantic_vad" {
        return json!({"type": kind, "eagerness": "auto", "create_response": true,
            "interrupt_response": true});
    }
    json!({"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
        "silence_duration_ms": 200, "idle_timeout_ms": null, "create_response": true,
        "interrupt_response": true})
}

/// Objects are merged, everything else replaces what was there. What names its own kind (a format,
/// a turn detection) starts afresh when the kind changes.
fn merge(into: &mut Value, change: &Value) {
    let Value::Object(fields) = change else {
        *into = change.clone();
        return;
    };
    let kind = change.get("type");
    if !into.is_object() || kind.is_some_and(|kind| *kind != into["type"]) {
        let detector = kind.and_then(Value::as_str).filter(|kind| kind.ends_with("_vad"));
        *into = detector.map_or_else(|| json!({}), detection_defaults);
    }
    for (name, value) in fields {
        merge(&mut into[name.as_str()], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("sess_1", "gpt-realtime-2.1", 1_795_000_000)
    }

    #[test]
    fn an_update_changes_only_what_is_present() {
        let mut settings = settings();
        let update = json!({"type": "realtime", "instructions": "Be brief.", "audio": {
            "input": {"format": {"type": "audio/pcmu"},
                "turn_detection": {"type": "server_vad", "create_response": false}},
            "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"}}});
        settings.update(&update, false).unwrap();
        let session = settings.session();
        assert_eq!(session["audio"]["input"]["format"], json!({"type": "audio/pcmu"}));
        assert_eq!(session["audio"]["input"]["turn_detection"]["threshold"], 0.5);
        assert_eq!(session["audio"]["output"]["speed"], 1.0);
        assert_eq!(session["id"], "sess_1");
        let conduct = settings.conduct();
        assert!(conduct.is_mulaw && !conduct.creates_response && conduct.interrupts_response);
    }

    #[test]
    fn null_turns_a_part_off_and_empty_clears() {
        let mut settings = settings();
        let update = json!({"type": "realtime", "instructions": "", "tools": [],
            "audio": {"input": {"turn_detection": null, "transcription": {"model": "whisper-1"}}}});
        settings.update(&update, false).unwrap();
        assert_eq!(settings.conduct().detection, None);
        assert!(settings.conduct().transcribes);
        assert_eq!(settings.session()["instructions"], "");
        let again = json!({"type": "realtime", "audio": {"input": {"transcription": null,
            "turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}});
        settings.update(&again, false).unwrap();
        assert!(!settings.conduct().transcribes);
        let turns = &settings.session()["audio"]["input"]["turn_detection"];
        assert_eq!(turns["eagerness"], "low");
        assert!(turns.get("threshold").is_none());
    }

    #[test]
    fn the_voice_is_fixed_once_it_was_heard() {
        let mut settings = settings();
        let update = json!({"type": "realtime", "audio": {"output": {"voice": "cedar"}}});
        settings.update(&update, false).unwrap();
        settings.update(&update, true).unwrap();
        let other = json!({"type": "realtime", "audio": {"output": {"voice": "marin"}}});
        assert_eq!(settings.update(&other, true).unwrap_err().code, "cannot_update_voice");
        let model = json!({"type": "realtime", "model": "gpt-realtime-2"});
        assert_eq!(settings.update(&model, false).unwrap_err().code, "invalid_value");
    }

    #[test]
    fn a_refused_update_changes_nothing() {
        let mut settings = settings();
        let before = settings.session().clone();
        let update = json!({"type": "realtime", "instructions": "x", "temperature": 0.8});
        assert!(settings.update(&update, false).is_err());
        assert_eq!(*settings.session(), before);
    }
}
