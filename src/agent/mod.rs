//! What an agent is: its settings, its hours, its prompt and its functions. Pure.

pub mod arguments;
#[cfg(test)]
mod arguments_tests;
pub mod edit;
mod fault;
pub mod flow;
pub mod form;
#[cfg(test)]
mod form_tests;
pub mod function;
#[cfg(test)]
mod function_tests;
pub mod history;
#[cfg(test)]
mod hostile_tests;
pub mod hours;
pub mod json_api;
mod numbers;
pub mod phone_number;
pub mod prompt;
pub mod region;
mod ring;
pub(crate) mod schema;
pub mod settings;
pub mod signing_key;
pub mod take_over;
pub mod template;
#[cfg(test)]
mod tests;
mod unread;
mod variables;
mod zone;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

pub use fault::{SettingFault, TOO_LARGE};
pub use unread::Unread;

use crate::private::Private;
use fault::{Faults, TEXT_MAX, TOO_LONG};
use function::{FunctionSource, Functions};
use hours::Hours;
use numbers::{ASSIGNED_NUMBER, Numbering, accepted_number};
use region::Region;
use settings::{AgentSettings, WhenClosed};

/// The longest appointment: a day. What claims to be longer is no length of an appointment.
pub const APPOINTMENT_MAX_MINUTES: u32 = 24 * 60;

/// The configured persona that answers a number.
#[derive(Debug, Clone)]
pub struct Agent {
    /// `voice_agents.id`.
    pub id: Uuid,
    /// The business whose it is.
    pub owner: Uuid,
    /// Its name, as the owner calls it.
    pub name: String,
    /// The number that it answers, E.164 where it can be read as that.
    pub number: Option<String>,
    /// The numbers that forward the present call here and that the agent would dial: see
    /// [`Agent::forwarded_from`].
    pub forwards_here: Vec<Private<String>>,
    /// The country that numbers without a country code belong to, where it is known.
    pub region: Option<Region>,
    /// Whether it is in service.
    pub status: Status,
    /// Whether its owner has taken it out of service for now.
    pub unavailable: bool,
    /// How long a party's phone rings before a caller who is put through comes back, seconds.
    pub ring_seconds: u32,
    /// Its own Twilio credentials. Without, the global ones are used.
    pub credentials: Option<Credentials>,
    /// The settings, with a default for whatever the row does not say.
    pub settings: AgentSettings,
    /// What in its rows could not be used.
    pub faults: Vec<SettingFault>,
    /// The business that it answers for.
    pub business: Business,
    /// When that is open.
    pub hours: Hours,
    /// What its owner lets it do.
    pub functions: Functions,
}

/// `voice_agents.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The agent answers calls.
    Active,
    /// Out of service by its owner, or in a state that is not known here.
    Inactive,
    /// Out of service by the operator.
    Suspended,
    /// The agent was deleted; its number is not in service.
    Deleted,
}

/// What a credential begins with that is sealed, and is none as it is.
pub const SEALED: &str = "sealed:v1:";

/// An agent's own Twilio account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account, if it is named.
    pub account_sid: Option<String>,
    /// What its webhooks are signed with.
    pub auth_token: Private<String>,
}

impl Credentials {
    /// Whether they did not open: what is there signs nothing, and nobody is asked with it.
    pub fn are_sealed(&self) -> bool {
        let is_sealed = |text: &str| text.starts_with(SEALED);
        is_sealed(self.auth_token.reveal()) || self.account_sid.as_deref().is_some_and(is_sealed)
    }
}

/// The business that an agent answers for. Empty texts are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Business {
    /// The business's name, as the agent says it.
    pub name: Option<String>,
    /// Its own number, as it was written.
    pub phone: Option<String>,
    /// What kind of business it is.
    pub kind: Option<String>,
    /// What the owner wants known.
    pub context: Option<String>,
    /// What the business does, in the owner's words.
    pub summary: Option<String>,
    /// How long an appointment takes unless said, minutes.
    pub appointment_minutes: u32,
}

/// Why an agent does not take a call now. Its fallback does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Out of service by its owner.
    #[error("the agent is inactive")]
    Inactive,
    /// Out of service by the operator.
    #[error("the agent is suspended")]
    Suspended,
    /// Out of service for now.
    #[error("the agent is unavailable")]
    Unavailable,
    /// Outside opening hours, where the owner does not want it to answer.
    #[error("the business is closed")]
    Closed,
}

/// An agent as its rows say, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct AgentSource {
    /// `voice_agents.id`.
    pub id: Uuid,
    /// `voice_agents.created_by`; its own id where that is nobody.
    pub owner: Uuid,
    /// `voice_agents.name`.
    pub name: Private<String>,
    /// `voice_agents.twilio_phone_number`, as it was written.
    pub number: Option<Private<String>>,
    /// Whether somebody typed the number who may not give away numbers of the server's Twilio account
    /// (migration 0036): it is the agent's only with a Twilio account of its own.
    pub is_number_typed: bool,
    /// `voice_agents.status`: active, inactive, suspended or deleted.
    pub status: String,
    /// `voice_agents."unAvailable"`.
    pub unavailable: bool,
    /// `account_sid` in `voice_agents.twilio_credentials`; none when absent or empty.
    pub account_sid: Option<Private<String>>,
    /// `auth_token` in `voice_agents.twilio_credentials`; none when absent or empty.
    pub auth_token: Option<Private<String>>,
    /// `voice_agents.private_settings`, of any shape; null when it cannot be held.
    pub private_settings: Private<Value>,
    /// `voice_agents."takeOverTimeout"`.
    pub take_over_timeout: Option<String>,
    /// The row of `business_details`, if there is one.
    pub business: Option<BusinessSource>,
    /// The rows of `functions`, the oldest first.
    pub functions: Vec<FunctionSource>,
}

/// A row of `business_details`, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct BusinessSource {
    /// `business_name`.
    pub name: Option<Private<String>>,
    /// `business_phone`.
    pub phone: Option<Private<String>>,
    /// `type_of_business`.
    pub kind: Option<String>,
    /// `additional_context`.
    pub context: Option<String>,
    /// `business_summary`.
    pub summary: Option<String>,
    /// `default_appointment_length`, minutes.
    pub appointment_minutes: Option<i32>,
    /// `operating_schedule`, of any shape.
    pub operating_schedule: Option<Value>,
    /// `business_timezone`, an IANA name if all is well.
    pub timezone: Option<String>,
}

impl BusinessSource {
    /// The country that numbers without a country code belong to; `agent_number` counts where
    /// nothing else says it.
    pub fn region(&self, agent_number: Option<&str>) -> Option<Region> {
        let phone = self.phone.as_ref().map(|phone| phone.reveal().as_str());
        Region::of_business(phone, self.timezone.as_deref(), agent_number)
    }
}

/// The number that an agent of this business answers, E.164. `None` where there is none or it
/// cannot be read.
fn read_own_number(written: Option<&str>, business: &BusinessSource) -> Option<String> {
    phone_number::normalise_local(written?, business.region(None))
}

fn faults_of_number(
    written: Option<&str>,
    is_read: bool,
    is_unassigned: bool,
    (region, faults): (Option<Region>, &mut Faults),
) {
    let is_written = written.is_some_and(|number| !number.trim().is_empty());
    let (found, accepted) = match (is_written, is_read) {
        (true, false) => ("another text", accepted_number(region)),
        (true, true) if is_unassigned => {
            ("a number that its owner typed", ASSIGNED_NUMBER.to_owned())
        }
        _ => return,
    };
    faults.add("twilio_phone_number".to_owned(), found, accepted);
}

impl Agent {
    /// Checks what the rows say. What cannot be used is in [`Agent::faults`].
    pub fn new(source: AgentSource) -> Self {
        let business = source.business.unwrap_or_default();
        let written = source.number.as_ref().map(|number| number.reveal().as_str());
        let number = read_own_number(written, &business);
        let region = business.region(number.as_deref());
        let numbering = Numbering { region, own: number.as_deref() };
        let (mut settings, found) =
            AgentSettings::read_in(source.private_settings.reveal(), numbering);
        let mut faults = Faults(found);
        let schedule = business.operating_schedule.as_ref();
        let hours = Hours::read(schedule, business.timezone.as_deref(), &mut faults);
        let status = Status::read(&source.status, &mut faults);
        let ring_seconds = ring::read(source.take_over_timeout.as_deref(), &mut faults);
        let auth_token = source.auth_token.filter(|token| !token.reveal().trim().is_empty());
        // The server's token signs for the numbers of all its customers, so a number that one of them
        // typed is not theirs by that.
        let is_unassigned = source.is_number_typed && auth_token.is_none();
        faults_of_number(written, number.is_some(), is_unassigned, (region, &mut faults));
        let mut text = |text: Option<String>, column| cut(filled(text)?, column, &mut faults);
        let name = text(business.name.map(Private::into_inner), "business_name");
        let kind = text(business.kind, "type_of_business");
        let context = text(business.context, "additional_context");
        let summary = text(business.summary, "business_summary");
        let mut functions = Functions::read(source.functions, numbering, &mut faults);
        settings.transfer_targets.append(&mut functions.targets);
        Self {
            id: source.id,
            owner: source.owner,
            name: source.name.into_inner(),
            number: number.filter(|_| !is_unassigned),
            forwards_here: Vec::new(),
            region,
            status,
            unavailable: source.unavailable,
            ring_seconds,
            credentials: auth_token.map(|auth_token| Credentials {
                account_sid: filled(source.account_sid.map(Private::into_inner)),
                auth_token,
            }),
            settings,
            faults: faults.0,
            business: Business {
                name,
                phone: filled(business.phone.map(Private::into_inner)),
                kind,
                context,
                summary,
                appointment_minutes: business
                    .appointment_minutes
                    .and_then(|minutes| u32::try_from(minutes).ok())
                    .filter(|minutes| (1..=APPOINTMENT_MAX_MINUTES).contains(minutes))
                    .unwrap_or(60),
            },
            hours,
            functions,
        }
    }

    /// Whether the agent takes a call at this time. Limits are not its to know.
    ///
    /// # Errors
    /// Why it does not.
    pub fn answers_now(&self, at: Timestamp) -> Result<(), Refusal> {
        let closed = || self.hours.is_open(at) == Some(false);
        match self.status {
            Status::Inactive | Status::Deleted => Err(Refusal::Inactive),
            Status::Suspended => Err(Refusal::Suspended),
            Status::Active if self.unavailable => Err(Refusal::Unavailable),
            Status::Active if self.settings.closed == WhenClosed::Fallback && closed() => {
                Err(Refusal::Closed)
            }
            Status::Active => Ok(()),
        }
    }
}

impl Status {
    fn read(word: &str, faults: &mut Faults) -> Self {
        match word.trim() {
            "active" => Self::Active,
            "inactive" => Self::Inactive,
            "suspended" => Self::Suspended,
            "deleted" => Self::Deleted,
            _ => {
                let accepted = "active, inactive, suspended or deleted";
                faults.add("status".to_owned(), "another text", accepted);
                Self::Inactive
            }
        }
    }
}

/// As much of a text as is taken; more is reported.
fn cut(mut text: String, column: &str, faults: &mut Faults) -> Option<String> {
    if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
        text.truncate(end);
        let accepted = format!("at most {TEXT_MAX} characters");
        faults.add(column.to_owned(), TOO_LONG, accepted);
    }
    Some(text)
}

fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
