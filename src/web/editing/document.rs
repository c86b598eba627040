//! An agent as its owner writes it: a document whose parts are columns of two tables.

use serde_json::{Map, Value, json};

use crate::agent::edit::mask::SecretPlaces;
use crate::agent::edit::unpacked;
use crate::agent::{AgentSource, BusinessSource};
use crate::private::Private;

/// The parts of a document.
pub(in crate::web) const FIELDS: [&str; 6] =
    ["name", "twilio_phone_number", "status", "unAvailable", "settings", "business"];
/// The columns of `business_details` that owners write.
pub(in crate::web) const BUSINESS_FIELDS: [&str; 8] = [
    "business_name",
    "business_phone",
    "type_of_business",
    "business_summary",
    "additional_context",
    "default_appointment_length",
    "operating_schedule",
    "business_timezone",
];

/// An agent's document, secrets and all.
pub(in crate::web) fn document(row: &AgentSource) -> Value {
    json!({
        "name": row.name.reveal(),
        "twilio_phone_number": row.number.as_ref().map(|number| number.reveal()),
        "status": row.status,
        "unAvailable": row.unavailable,
        "settings": unpacked(row.private_settings.reveal()),
        "business": business(row),
    })
}

fn business(row: &AgentSource) -> Value {
    let Some(business) = &row.business else {
        let nothing = BUSINESS_FIELDS.map(|name| (name.to_owned(), Value::Null));
        return Value::Object(Map::from_iter(nothing));
    };
    json!({
        "business_name": business.name.as_ref().map(|name| name.reveal()),
        "business_phone": business.phone.as_ref().map(|phone| phone.reveal()),
        "type_of_business": business.kind,
        "business_summary": business.summary,
        "additional_context": business.context,
        "default_appointment_length": business.appointment_minutes,
        "operating_schedule": business.operating_schedule,
        "business_timezone": business.timezone,
    })
}

/// The document with a mask for each secret.
pub(in crate::web) fn masked(document: &Value) -> Value {
    let mut masked = document.clone();
    masked["settings"] = SecretPlaces::Settings.masked(&document["settings"]);
    masked
}

/// The rows that a document comes to, for the code that reads them.
pub(super) fn source(row: &AgentSource, document: &Value) -> AgentSource {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let business = &document["business"];
    let minutes = business["default_appointment_length"].as_i64();
    AgentSource {
        name: text(&document["name"]).unwrap_or_default().into(),
        number: text(&document["twilio_phone_number"]).map(Private::new),
        // It is read, whoever may have it.
        is_number_typed: false,
        status: text(&document["status"]).unwrap_or_default(),
        unavailable: document["unAvailable"] == true,
        private_settings: document["settings"].clone().into(),
        business: Some(BusinessSource {
            name: text(&business["business_name"]).map(Private::new),
            phone: text(&business["business_phone"]).map(Private::new),
            kind: text(&business["type_of_business"]),
            context: text(&business["additional_context"]),
            summary: text(&business["business_summary"]),
            appointment_minutes: minutes.and_then(|minutes| i32::try_from(minutes).ok()),
            operating_schedule: Some(business["operating_schedule"].clone()),
            timezone: text(&business["business_timezone"]),
        }),
        ..row.clone()
    }
}

/// The row of an agent that is not there yet.
pub(super) fn empty_row() -> AgentSource {
    AgentSource {
        status: "active".to_owned(),
        private_settings: json!({}).into(),
        ..AgentSource::default()
    }
}
