//! How owners change an agent: what the API and the console's forms do alike. A change is checked by
//! the code that reads agents for calls, written with its version and its line in the audit log, and
//! known to the next call.

pub(super) mod agent;
pub(super) mod change;
mod destinations;
pub(super) mod diff;
pub(super) mod document;
pub(super) mod function;
mod hours;
mod number;
pub(super) mod restore;
pub(super) mod try_function;
pub(super) mod warnings;

pub(super) use super::guard::may as access;
pub(super) use number::note_version as number_version;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::AppState;
use super::numbers::UNUSABLE;
use super::problem::{FieldError, Problem};
use crate::agent::SettingFault;
use crate::store::agent_edits::WriteError;

/// What a version is known by while somebody changes something: a hash of what they saw.
pub(super) fn version_of(value: &Value) -> String {
    let hash = Sha256::digest(value.to_string());
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The values that somebody saw, by their JSON pointers, and the version that these had.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// None: the whole document.
    pub(super) pointers: Vec<String>,
    /// [`version_of`] them.
    pub(super) version: String,
}

impl Seen {
    /// The version of these values of a document.
    pub(super) fn version(document: &Value, pointers: &[String]) -> String {
        if pointers.is_empty() {
            return version_of(document);
        }
        let values = pointers.iter().map(|pointer| document.pointer(pointer).cloned());
        version_of(&values.map(Option::unwrap_or_default).collect())
    }

    /// Whether the document still says what they saw.
    pub(super) fn still_holds(&self, document: &Value) -> bool {
        Self::version(document, &self.pointers) == self.version
    }
}

/// Has the next call know of a change. What fails here the database's own notice mends.
pub(super) async fn make_known(state: &AppState, agent: Uuid, number: Option<&str>) {
    state.directory.refresh(Some(agent), number).await;
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            // The same as of a number that nobody could use: whose it is, is theirs to tell.
            WriteError::Conflict { column: Some(column), .. } if column == number::NUMBER => {
                Self::invalid(column, UNUSABLE)
            }
            WriteError::Conflict { column, message } => {
                let mut problem = Self::new(http::StatusCode::CONFLICT, message);
                problem.field = column;
                problem
            }
            WriteError::Store(error) => error.into(),
        }
    }
}

/// A fault of the code that reads agents, by the name that its field has in the API.
fn refused_value(fault: &SettingFault) -> FieldError {
    let path = fault.path.as_str();
    let field = match path.strip_prefix("private_settings") {
        Some(rest) => format!("settings{rest}"),
        None if path == "twilio_phone_number" => path.to_owned(),
        None => format!("business.{path}"),
    };
    FieldError { field, detail: format!("found {}; accepted is {}", fault.found, fault.accepted) }
}
