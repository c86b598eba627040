//! What tests of functions work with: services of which the database and the others are away.

use std::sync::Arc;

use uuid::Uuid;

use super::{CallContext, Dialogues, FunctionRequest, FunctionServices, Texts, egress};
use crate::agent::Agent;
use crate::call::FunctionRun;
use crate::config::{HostPort, OpenAi, TwilioAccount};
use crate::knowledge::Knowledge;
use crate::store::Store;
use crate::twilio::rest::TwilioRest;

/// Services that may reach these hosts although they are private, and nothing else.
pub(super) fn function_services(services: Vec<HostPort>) -> FunctionServices {
    let nowhere = || "http://localhost:1/".parse().expect("a URL");
    let store = Store::at("postgres://nobody@localhost:1/nothing", 1).expect("an address");
    let openai = OpenAi { api_key: None, base_url: nowhere() };
    let account =
        TwilioAccount { account_sid: Some("AC1".into()), auth_token: Some("secret".into()) };
    FunctionServices {
        knowledge: Arc::new(Knowledge::new(store.clone(), &openai, "model").expect("a client")),
        store,
        egress: egress::Client::new(services).expect("a client"),
        twilio: TwilioRest::new(nowhere(), account).expect("a client"),
    }
}

/// A call from this number to an agent.
pub(super) fn caller(agent: Agent, from: &str) -> CallContext {
    CallContext {
        agent: Arc::new(agent),
        call_log_id: Uuid::from_u128(1),
        call_sid: "CA1".to_owned(),
        caller: from.to_owned().into(),
        texts: Texts::default(),
        dialogues: Dialogues::default(),
        test: None,
    }
}

/// A wish of the model's, in the caller's first turn.
pub(super) fn request(name: &str, engine_call_id: &str, arguments: &str) -> FunctionRequest {
    FunctionRequest {
        run: FunctionRun(1),
        turn: 1,
        engine_call_id: engine_call_id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    }
}
