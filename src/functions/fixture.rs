//! What tests of functions work with: a toolbox in which nothing answers.

use std::sync::Arc;

use super::Toolbox;
use crate::clock::Clock;
use crate::config::{OpenAi, TwilioAccount};
use crate::knowledge::Knowledge;
use crate::store::Store;
use crate::twilio::rest::TwilioRest;

/// A toolbox whose Twilio is at `api_url`; nobody is at home at the database and at the service.
pub(super) fn toolbox(api_url: &str, twilio: TwilioAccount) -> Toolbox {
    let store = Store::at("postgres://nobody@localhost:1/nothing", 1).unwrap();
    let service = OpenAi { api_key: None, base_url: "http://localhost:1/v1".parse().unwrap() };
    Toolbox {
        knowledge: Arc::new(Knowledge::new(store.clone(), &service, "none").unwrap()),
        store,
        twilio: TwilioRest::new(api_url.parse().unwrap(), twilio).unwrap(),
        clock: Clock::real(),
    }
}
