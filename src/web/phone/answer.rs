//! What a call is answered with.

use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};

use super::Document;
use crate::agent::Agent;
use crate::agent::settings::{AgentSettings, Fallback};
use crate::clock;
use crate::line::exit::{MESSAGE_LIMIT, TALK_LIMIT};
use crate::private::Private;
use crate::recording::recorder::notice_time;
use crate::twilio::form::{Form, normalise_e164};
use crate::twilio::token::{self, StreamClaims};
use crate::twilio::twiml::{ConnectStream, Dial, Record, Twiml};
use crate::web::AppState;

/// How long a stream token is good. Twilio opens the stream at once; clocks of instances differ.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// After so long a silence a message is over, seconds.
const MESSAGE_SILENCE_S: u32 = 5;

/// What is spoken when a number has no agent.
const NOBODY: &str = "Sorry, this number is not in service at the moment. Goodbye.";
/// What Twilio speaks by itself when the stream cannot be opened.
const APOLOGY: &str = "Sorry, we cannot take your call right now. Please try again later.";

/// A fresh nonce for a stream token.
pub(super) fn nonce() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 22)
}

impl AppState {
    /// The call goes to the agent: a media stream, admitted by a token with this nonce. A caller who
    /// `is_new` to it is told first that the call is recorded, if it is; as it stands, which a
    /// speech model would not say.
    pub(super) fn to_agent(
        &self,
        agent: &Agent,
        call_sid: &str,
        nonce: &str,
        is_new: bool,
    ) -> Document {
        let settings = &agent.settings;
        let notice = Some(&settings.recording).filter(|recording| recording.enabled && is_new);
        let claims = StreamClaims {
            agent_id: agent.id,
            call_sid: call_sid.to_owned(),
            instance: self.services.instance_id,
            machine: self.fly_machine_id.clone(),
            expires_unix_s: (clock::unix_now() + TOKEN_LIFE + notice_time(agent)).as_secs(),
            nonce: nonce.to_owned(),
        };
        let auth_token = self.auth_token(Some(agent)).unwrap_or_default();
        let path = format!("/twilio/stream/{}", token::mint(auth_token, &claims));
        let twiml = match notice {
            Some(recording) => Twiml::new().say(&recording.notice, Some(&settings.language)),
            None => Twiml::new(),
        };
        Document(
            twiml
                .connect_stream(&ConnectStream {
                    stream_url: &self.public_url.join_websocket(&path),
                    action_url: &self.public_url.join("/twilio/after"),
                    status_callback_url: &self.public_url.join("/twilio/stream-status"),
                    name: None,
                    parameters: &[],
                    apology: APOLOGY,
                    language: None,
                })
                .finish(),
        )
    }

    /// The caller is put through. The party sees the number that the caller called.
    pub(super) fn to_party(
        &self,
        agent: &Agent,
        form: &Form,
        number: &Private<String>,
    ) -> Document {
        let called = form.get("To").and_then(normalise_e164).or_else(|| agent.number.clone());
        Document(
            Twiml::new()
                .dial(&Dial {
                    number: number.reveal(),
                    caller_id: called.as_deref(),
                    timeout_s: agent.ring_seconds,
                    time_limit_s: whole_seconds(TALK_LIMIT),
                    action_url: &self.public_url.join("/twilio/dial"),
                })
                .finish(),
        )
    }

    /// The agent's fallback.
    pub(super) fn fallback(&self, agent: &Agent, form: &Form) -> Document {
        match &agent.settings.fallback {
            Fallback::Forward(number) => self.to_party(agent, form, number),
            Fallback::Voicemail => self.to_voicemail(&agent.settings),
            Fallback::Say => sorry(agent),
        }
    }

    /// The caller may leave a message. Where nothing is said `<Record>` asks nobody, and the verb
    /// behind it does.
    fn to_voicemail(&self, settings: &AgentSettings) -> Document {
        let action_url = self.public_url.join("/twilio/voicemail");
        Document(
            Twiml::new()
                .say(settings.fallback_message(), Some(&settings.language))
                .record(&Record {
                    action_url: &action_url,
                    max_length_s: whole_seconds(MESSAGE_LIMIT),
                    timeout_s: MESSAGE_SILENCE_S,
                    play_beep: true,
                    finish_on_key: "#",
                })
                .redirect(&action_url)
                .finish(),
        )
    }
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// Nobody can take the call, says the agent's fallback, and that is all.
pub(super) fn sorry(agent: &Agent) -> Document {
    let settings = &agent.settings;
    Document(
        Twiml::new().say(settings.fallback_message(), Some(&settings.language)).hangup().finish(),
    )
}

/// Nobody answers this number.
pub(super) fn nobody() -> Document {
    Document(Twiml::new().say(NOBODY, None).hangup().finish())
}

/// Somebody is on the line, and nothing can be known of the call.
pub(super) fn apology() -> Document {
    Document(Twiml::new().say(APOLOGY, None).hangup().finish())
}

/// The call is over.
pub(super) fn hang_up() -> Document {
    Document(Twiml::new().hangup().finish())
}
