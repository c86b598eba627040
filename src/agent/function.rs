//! The rows of `functions`: what an owner lets the model do. A row that cannot be used is reported
//! by its id and field and left out; it never breaks a call.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use strum::VariantArray;
use uuid::Uuid;

use super::arguments::Parameters;
use super::fault::{FUNCTIONS, Faults, Fields, SettingFault};
use super::flow::{self, Flow};
use super::form::{self, Form};
use super::json_api::JsonApi;
use super::numbers::{Numbering, read_numbers};
use super::variables;
use crate::private::Private;

/// The most functions of an agent that are used.
const FUNCTIONS_MAX: usize = 64;
/// The longest description that every speech service takes, in characters.
const DESCRIPTION_MAX: usize = 1000;

const ACCEPTED_NAME: &str =
    "a name of 1 to 64 letters, digits, - and _, that no other function has";

/// A row of `functions`, not yet checked.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct FunctionSource {
    /// `id`.
    pub id: Uuid,
    /// `type`.
    pub kind: Option<String>,
    /// `data`, of any shape; null when it cannot be held.
    pub data: Private<Value>,
    /// `is_active`; none is true, as the column's default.
    pub is_active: Option<bool>,
    /// `name`.
    pub name: Option<String>,
    /// `purpose`.
    pub purpose: Option<String>,
    /// `trigger_reason`.
    pub trigger_reason: Option<String>,
    /// `variables`, of any shape; null when it cannot be held.
    pub variables: Private<Value>,
    /// `save_data`.
    pub save_data: bool,
    /// `is_shownable`: whether owners see what it collected.
    pub is_shownable: Option<bool>,
}

/// A function of an agent, as its row says.
#[derive(Debug, Clone)]
pub struct AgentFunction {
    /// `functions.id`.
    pub id: Uuid,
    /// Its name for the model; no other function of the agent has it.
    pub name: String,
    /// What it is for and when it is used, in the owner's words; may be empty.
    pub description: String,
    /// What it takes. A built-in one takes what it takes, whatever the row says.
    pub parameters: Parameters,
    /// What the function does when the model calls it.
    pub work: Work,
    /// Whether what was collected and returned is kept as a row of `scrapping_data`.
    pub saves: bool,
}

/// What a function does.
#[derive(Debug, Clone)]
pub enum Work {
    /// Asks a service of the owner's choice.
    JsonApi(Box<JsonApi>),
    /// Fills in a form.
    Form(Form),
    /// Follows the steps of a flow.
    Flow(Flow),
    /// What comes with the program, with the row's `data` to tune it.
    Builtin(Builtin, Value),
}

/// A function that comes with the program.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Builtin {
    /// Lists the times that can be booked.
    CheckAvailability,
    /// Books an appointment.
    BookAppointment,
    /// Moves one of the caller's own appointments.
    RescheduleAppointment,
    /// Cancels one of the caller's own appointments.
    CancelAppointment,
    /// Puts the caller through.
    TransferCall,
    /// Writes a message down for the owner.
    TakeMessage,
    /// Sends the caller a text message.
    SendSms,
    /// Searches the agent's own knowledge.
    SearchKnowledge,
    /// Says goodbye and hangs up.
    EndCall,
}

impl Builtin {
    /// All built-in functions.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }

    /// Its name, also for the model if no row gives it another.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// What an agent's rows come to.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    /// The active rows that can be used, oldest first.
    pub rows: Vec<AgentFunction>,
    /// The built-in ones that a row takes away and none gives.
    pub removed: BTreeSet<Builtin>,
    /// Whom `transfer_call` rows name besides the settings: `data.targets`, E.164 by name.
    pub(super) targets: BTreeMap<String, Private<String>>,
}

impl Functions {
    /// Reads rows, the oldest first. Of two with one name the older one is used.
    pub(super) fn read(
        rows: Vec<FunctionSource>,
        numbering: Numbering<'_>,
        faults: &mut Faults,
    ) -> Self {
        let mut functions = Self::default();
        for row in rows {
            if row.is_active == Some(false) {
                functions.removed.extend(removed(row));
                continue;
            }
            let mut found = Faults::default();
            let mut targets = BTreeMap::new();
            let function = functions.read_one(row, numbering, &mut targets, &mut found);
            // A row with a fault anywhere is left out.
            match function {
                Some(function) if found.0.is_empty() => {
                    functions.targets.extend(targets);
                    functions.rows.push(function);
                }
                _ => found.0.into_iter().for_each(|fault| faults.push(fault)),
            }
        }
        for function in &functions.rows {
            if let Work::Builtin(builtin, _) = function.work {
                functions.removed.remove(&builtin);
            }
        }
        functions.drop_flows_that_call_nothing(faults);
        functions
    }

    fn read_one(
        &self,
        row: FunctionSource,
        numbering: Numbering<'_>,
        targets: &mut BTreeMap<String, Private<String>>,
        faults: &mut Faults,
    ) -> Option<AgentFunction> {
        let path = path_of(row.id);
        if self.rows.len() >= FUNCTIONS_MAX {
            faults.add(path, "one more function", format!("at most {FUNCTIONS_MAX}"));
            return None;
        }
        let region = numbering.region;
        let data = unwrapped(row.data.into_inner());
        let variables = unwrapped(row.variables.into_inner());
        let fields = Fields::read(Some(&data), format!("{path}.data"), &[], faults);
        let kind = row.kind.as_deref();
        let builtin = match kind {
            Some("function") => Some(read_builtin(&fields, faults)?),
            _ => None,
        };
        if builtin == Some(Builtin::TransferCall) {
            targets.extend(read_numbers(&fields, numbering, faults));
        }
        // What is wrong is told of all fields at once, so each is read.
        let name = self.read_name(row.name.as_deref(), builtin, &path, faults);
        let reserved: &[&str] = match kind {
            Some("form") => &[form::CONFIRMED],
            Some("flows") => &[flow::ANSWER],
            _ => &[],
        };
        let variables = if builtin.is_some() { None } else { Some(&variables) };
        let path_of_variables = format!("{path}.variables");
        let parameters = variables::read(variables, &path_of_variables, reserved, region, faults);
        let work = match (kind, builtin) {
            (_, Some(builtin)) => Some(Work::Builtin(builtin, data)),
            (Some("json_api"), _) => {
                read_json_api(&data, &path, faults).map(|api| Work::JsonApi(Box::new(api)))
            }
            (Some("form"), _) => {
                read_form(&fields, parameters.as_ref(), &path, faults).map(Work::Form)
            }
            // What its steps may ask for is not known without them.
            (Some("flows"), _) => {
                let parameters = parameters.as_ref()?;
                Flow::read(&fields, parameters, region, faults).map(Work::Flow)
            }
            (other, _) => {
                let found = if other.is_some() { "another type" } else { "nothing" };
                faults.add(format!("{path}.type"), found, "json_api, form, flows or function");
                None
            }
        };
        let (name, parameters, work) = (name?, parameters?, work?);
        let description = described(row.purpose.as_deref(), row.trigger_reason.as_deref());
        let saves = row.save_data;
        Some(AgentFunction { id: row.id, name, description, parameters, work, saves })
    }

    /// A name that speech services take and no other row has. A built-in one has its own if the
    /// row gives none.
    fn read_name(
        &self,
        name: Option<&str>,
        builtin: Option<Builtin>,
        path: &str,
        faults: &mut Faults,
    ) -> Option<String> {
        let given = name.map(str::trim).filter(|name| !name.is_empty());
        let name = given.or(builtin.map(Builtin::name)).unwrap_or_default();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let found = if name.is_empty() {
            "nothing"
        } else if name.len() > 64 || !name.bytes().all(is_plain) {
            "another text"
        } else if self.rows.iter().any(|function| function.name == name) {
            "the name of an older function"
        } else if name == Builtin::EndCall.name() && builtin != Some(Builtin::EndCall) {
            // The call's core ends the call at this name, whatever a row says.
            "a name that always hangs up"
        } else {
            return Some(name.to_owned());
        };
        faults.add(format!("{path}.name"), found, ACCEPTED_NAME);
        None
    }

    /// Leaves out flows that call what is not there, or another form or flow: two dialogues at
    /// once cannot be held.
    fn drop_flows_that_call_nothing(&mut self, faults: &mut Faults) {
        let mut callable: BTreeSet<String> = Builtin::all()
            .filter(|builtin| !self.removed.contains(builtin))
            .map(|builtin| builtin.name().to_owned())
            .collect();
        for function in &self.rows {
            match function.work {
                Work::JsonApi(_) | Work::Builtin(..) => callable.insert(function.name.clone()),
                Work::Form(_) | Work::Flow(_) => callable.remove(&function.name),
            };
        }
        self.rows.retain(|function| {
            let Work::Flow(flow) = &function.work else { return true };
            let Some(called) = flow.calls().find(|name| !callable.contains(*name)) else {
                return true;
            };
            let called: String = called.chars().take(60).collect();
            let accepted = "the name of a built-in function or of one of type json_api or function";
            let path = format!("{}.data.nodes.call {called}", path_of(function.id));
            faults.add(path, "a function that cannot be called there", accepted);
            false
        });
    }
}

fn path_of(id: Uuid) -> String {
    format!("{FUNCTIONS}{id}")
}

/// The built-in function that an inactive row takes away.
fn removed(row: FunctionSource) -> Option<Builtin> {
    let data = unwrapped(row.data.into_inner());
    let name = data.get("builtin").filter(|_| row.kind.as_deref() == Some("function"))?;
    Builtin::named(name.as_str()?.trim())
}

/// JSON that was written as a text of JSON is what the text says.
fn unwrapped(value: Value) -> Value {
    match &value {
        Value::String(text) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}

fn read_builtin(data: &Fields<'_>, faults: &mut Faults) -> Option<Builtin> {
    let accepted = Builtin::all().map(Builtin::name).collect::<Vec<_>>().join(", ");
    if data.get("builtin").is_none() {
        faults.add(data.path_of("builtin"), "nothing", accepted);
        return None;
    }
    let named = |value: &Value| Builtin::named(value.as_str()?.trim());
    data.accept("builtin", &accepted, faults, named)
}

fn read_json_api(data: &Value, path: &str, faults: &mut Faults) -> Option<JsonApi> {
    let mut found = Vec::new();
    let api = JsonApi::read_all(data, &mut found);
    for fault in found {
        faults.push(SettingFault { path: format!("{path}.data.{}", fault.path), ..fault });
    }
    api
}

fn read_form(
    data: &Fields<'_>,
    parameters: Option<&Parameters>,
    path: &str,
    faults: &mut Faults,
) -> Option<Form> {
    if parameters.is_some_and(|parameters| parameters.names().is_empty()) {
        faults.add(format!("{path}.variables"), "nothing", "the fields of the form");
    }
    Form::read(data, faults)
}

/// The owner's words: what it is for, and when.
fn described(purpose: Option<&str>, trigger: Option<&str>) -> String {
    let texts = [purpose, trigger].map(|text| text.unwrap_or_default().trim());
    let [purpose, trigger] = texts;
    let text = match trigger.is_empty() {
        true => purpose.to_owned(),
        false => format!("{purpose} Use it when: {trigger}"),
    };
    text.trim().chars().take(DESCRIPTION_MAX).collect()
}
