//! What does a template know of the call that it is rendered in?

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value as Context};

/// What every template may say of the call that it is rendered in: `caller` and `caller.number`,
/// `call.id` and `call.sid`, `agent.id`, `agent.name` and `agent.number`.
#[derive(Clone)]
pub struct Facts {
    /// The caller's number; empty if it is withheld.
    pub caller: String,
    /// `call_logs.id`.
    pub call_id: String,
    /// Twilio's name for the call.
    pub call_sid: String,
    /// `voice_agents.id`.
    pub agent_id: String,
    /// `voice_agents.name`.
    pub agent_name: String,
    /// The number that was called.
    pub agent_number: String,
}

impl Facts {
    /// The names that they have in a template.
    pub const NAMES: [&'static str; 3] = ["caller", "call", "agent"];

    /// As a template sees them.
    pub fn values(&self) -> BTreeMap<String, Context> {
        let caller = Context::from_object(Caller(self.caller.clone()));
        let call = fields([("id", &self.call_id), ("sid", &self.call_sid)]);
        let agent = fields([
            ("id", &self.agent_id),
            ("name", &self.agent_name),
            ("number", &self.agent_number),
        ]);
        let values = [caller, call, agent];
        Self::NAMES.map(str::to_owned).into_iter().zip(values).collect()
    }
}

fn fields<const N: usize>(fields: [(&str, &String); N]) -> Context {
    Context::from_pairs(fields.map(|(name, text)| (name, Context::from(text.as_str()))))
}

/// A caller, who is written as their number.
struct Caller(String);

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller")
    }
}

impl Object for Caller {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Context) -> Option<Context> {
        (key.as_str() == Some("number")).then(|| Context::from(self.0.as_str()))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.0.is_empty()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
