//! The numbers of the stand-in's accounts, as Twilio's REST side lists and configures them.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::api::{Answer, Api, NOT_FOUND};
use super::random_sid;

/// Numbers on a page unless said (Twilio's own).
const PAGE_SIZE: usize = 50;
/// Numbers that are kept; what is beyond it is not added.
const NUMBERS: usize = 4_096;

/// A number of an account, and where its calls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Its name: `PN` and 32 hexadecimal digits.
    pub sid: String,
    /// The number, as E.164.
    pub phone_number: String,
    /// `VoiceUrl`.
    pub voice_url: String,
    /// `VoiceMethod`.
    pub voice_method: String,
    /// `VoiceFallbackUrl`.
    pub voice_fallback_url: String,
    /// `VoiceApplicationSid`.
    pub voice_application_sid: String,
    /// `TrunkSid`.
    pub trunk_sid: String,
    /// `StatusCallback`.
    pub status_callback: String,
    /// Whether it can be called.
    pub takes_calls: bool,
}

impl Number {
    /// A number whose calls go to `voice_url`, and nothing else set.
    pub fn new(phone_number: impl Into<String>, voice_url: impl Into<String>) -> Self {
        Self {
            sid: random_sid("PN"),
            phone_number: phone_number.into(),
            voice_url: voice_url.into(),
            voice_method: "POST".to_owned(),
            voice_fallback_url: String::new(),
            voice_application_sid: String::new(),
            trunk_sid: String::new(),
            status_callback: String::new(),
            takes_calls: true,
        }
    }

    fn resource(&self, account: &str) -> Value {
        json!({
            "sid": self.sid,
            "account_sid": account,
            "api_version": "2010-04-01",
            "phone_number": self.phone_number,
            "voice_url": self.voice_url,
            "voice_method": self.voice_method,
            "voice_fallback_url": self.voice_fallback_url,
            "voice_fallback_method": "POST",
            "voice_application_sid": filled(&self.voice_application_sid),
            "trunk_sid": filled(&self.trunk_sid),
            "status_callback": self.status_callback,
            "status_callback_method": "POST",
            "capabilities": {"voice": self.takes_calls, "sms": true, "mms": true, "fax": false},
            "uri": format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{}.json", self.sid),
        })
    }

    /// Takes in the fields of an update that it has.
    fn update(&mut self, fields: BTreeMap<String, String>) {
        for (name, value) in fields {
            match name.as_str() {
                "VoiceUrl" => self.voice_url = value,
                "VoiceMethod" => self.voice_method = value,
                "VoiceFallbackUrl" => self.voice_fallback_url = value,
                "VoiceApplicationSid" => self.voice_application_sid = value,
                "TrunkSid" => self.trunk_sid = value,
                "StatusCallback" => self.status_callback = value,
                _ => {}
            }
        }
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

impl Api {
    /// Adds a number, or puts another in its place.
    pub fn set_number(&self, number: Number) {
        let numbers = &mut self.known().numbers;
        match numbers.iter().position(|old| old.phone_number == number.phone_number) {
            Some(at) => numbers[at] = number,
            None if numbers.len() < NUMBERS => numbers.push(number),
            None => {}
        }
    }

    /// Makes its accounts trials, or full ones.
    pub fn set_trial(&self, is_trial: bool) {
        self.known().is_trial = is_trial;
    }

    /// The numbers, in order.
    pub fn numbers(&self) -> Vec<Number> {
        self.known().numbers.clone()
    }
}

pub(super) fn router() -> Router<Api> {
    // An account's own resource is a name, a point and json.
    Router::new()
        .route("/2010-04-01/Accounts/{account}", get(account))
        .route("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json", get(list))
        .route("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{number}", post(update))
}

async fn account(State(api): State<Api>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let account = name.strip_suffix(".json").ok_or(NOT_FOUND)?;
    api.check(account, &headers)?;
    let kind = if api.known().is_trial { "Trial" } else { "Full" };
    Ok((StatusCode::OK, Json(json!({"sid": account, "status": "active", "type": kind}))))
}

/// A page of the numbers that are asked for, and where the next one is.
async fn list(
    State(api): State<Api>,
    Path(account): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    api.check(&account, &headers)?;
    let whole = |name: &str| query.get(name).and_then(|value| value.parse::<usize>().ok());
    let size = whole("PageSize").unwrap_or(PAGE_SIZE).clamp(1, 1_000);
    let page = whole("Page").unwrap_or_default();
    let wanted = query.get("PhoneNumber");
    let known = api.known();
    let is_wanted = |number: &&Number| wanted.is_none_or(|wanted| *wanted == number.phone_number);
    let mut rest = known.numbers.iter().filter(is_wanted).skip(page.saturating_mul(size));
    let numbers: Vec<Value> =
        rest.by_ref().take(size).map(|number| number.resource(&account)).collect();
    let next = rest.next().map(|_| {
        let number = wanted.map(|number| ("PhoneNumber", number.clone()));
        let pages = [("PageSize", size.to_string()), ("Page", (page + 1).to_string())];
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(number.into_iter().chain(pages))
            .finish();
        format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json?{query}")
    });
    let body = json!({
        "incoming_phone_numbers": numbers,
        "page": page,
        "page_size": size,
        "next_page_uri": next,
    });
    Ok((StatusCode::OK, Json(body)))
}

async fn update(
    State(api): State<Api>,
    Path((account, number)): Path<(String, String)>,
    headers: HeaderMap,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Answer {
    api.check(&account, &headers)?;
    let sid = number.strip_suffix(".json").unwrap_or(&number);
    let mut known = api.known();
    let number = known.numbers.iter_mut().find(|number| number.sid == sid).ok_or(NOT_FOUND)?;
    number.update(fields);
    Ok((StatusCode::OK, Json(number.resource(&account))))
}
