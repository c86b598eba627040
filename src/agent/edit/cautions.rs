//! What in a function that can be read its owner may not mean: it stands in for one that every agent has,
//! or can never do what it is for. It is kept as it is written; whoever reads of it is told.

use std::collections::BTreeSet;

use crate::agent::Agent;
use crate::agent::flow::Flow;
use crate::agent::function::{AgentFunction, Builtin, Work};
use crate::agent::template::Facts;

/// What a template may ask of the call that it is filled in for.
const FACTS: [&str; 9] = [
    "caller",
    "caller.number",
    "call",
    "call.id",
    "call.sid",
    "agent",
    "agent.id",
    "agent.name",
    "agent.number",
];

/// Something that a function's owner may not mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caution {
    /// Where in its row, such as `data.url`.
    pub field: String,
    /// What will come of it.
    pub why: String,
    /// The built-in function that it stands in for.
    pub replaces: Option<Builtin>,
}

impl Caution {
    /// This field, for this reason.
    pub fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into(), replaces: None }
    }
}

/// What the owner of a function that the agent uses may not mean by it.
pub fn cautions(agent: &Agent, function: &AgentFunction) -> Vec<Caution> {
    let mut found = Vec::new();
    found.extend(replaces(function));
    match &function.work {
        Work::JsonApi(api) => {
            let known = function.parameters.names().iter().cloned().collect();
            // A schema may leave open what else it takes.
            let is_closed = function.parameters.schema()["additionalProperties"] == false;
            let args = is_closed.then_some(&known);
            for (field, asks) in api.asks() {
                found.extend(unknown(agent, &format!("data.{field}"), args, &asks));
            }
        }
        Work::Flow(flow) => found.extend(of_flow(agent, flow)),
        Work::Form(_) | Work::Builtin(..) => {}
    }
    found
}

fn replaces(function: &AgentFunction) -> Option<Caution> {
    let builtin = Builtin::named(&function.name)?;
    let is_itself = matches!(function.work, Work::Builtin(tuned, _) if tuned == builtin);
    let why = format!(
        "this replaces the built-in function {}: the agent uses this one in its place; give it another \
         name to keep both",
        builtin.name()
    );
    (!is_itself).then(|| Caution { replaces: Some(builtin), ..Caution::new("name", why) })
}

fn of_flow(agent: &Agent, flow: &Flow) -> Vec<Caution> {
    let mut found = Vec::new();
    if !flow.can_end() {
        let why = "no way through the steps comes to an end: a step without a next one, or one that \
                   ends the call or puts the caller through";
        found.push(Caution::new("data.nodes", why));
    }
    let targets = &agent.settings.transfer_targets;
    let is_known = |asked: &str| {
        let asked = asked.trim().to_lowercase();
        targets.keys().any(|name| name.trim().to_lowercase() == asked)
    };
    for (step, target) in flow.targets().filter(|(_, target)| !is_known(target)) {
        let why = match targets.is_empty() {
            true => "nobody can be put through to: no number is set for that".to_owned(),
            false => {
                let names: Vec<&str> = targets.keys().map(String::as_str).collect();
                format!("nobody is called {target}; known are {}", names.join(", "))
            }
        };
        found.push(Caution::new(format!("data.nodes.{step}.transfer"), why));
    }
    for (step, asks) in flow.asks() {
        let field = format!("data.nodes.{step}");
        found.extend(unknown(agent, &field, Some(flow.names()), &asks));
    }
    found
}

/// What templates ask for that is never there. `args` are the names of what is asked the caller, where they
/// are all that there can be.
fn unknown(
    agent: &Agent,
    field: &str,
    args: Option<&BTreeSet<String>>,
    asks: &BTreeSet<String>,
) -> Vec<Caution> {
    let why = |asked: &String| {
        let (first, rest) = asked.split_once('.')?;
        let name = rest.split('.').next().unwrap_or(rest);
        match first {
            "args" if args.is_some_and(|known| !known.contains(name)) => {
                Some(format!("the agent asks nobody for {name}, so {asked} is never there"))
            }
            "secrets" if !agent.settings.secrets.contains_key(name) => {
                Some(format!("there is no secret with the name {name}"))
            }
            _ if Facts::NAMES.contains(&first) && !FACTS.contains(&asked.as_str()) => {
                Some(format!("{asked} is not known of a call; known is {}", known_of(first)))
            }
            _ => None,
        }
    };
    asks.iter().filter_map(|asked| Some(Caution::new(field, why(asked)?))).collect()
}

fn known_of(first: &str) -> String {
    let of = |fact: &&&str| fact.split_once('.').is_some_and(|(of, _)| of == first);
    FACTS.iter().filter(of).copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::agent::AgentSource;
    use crate::agent::function::FunctionSource;

    fn fields(kind: &str, name: &str, data: Value, variables: Value) -> Vec<String> {
        let settings = json!({"transfer": {"targets": {"Sales": "+442079460958"}},
            "secrets": {"CRM": "s"}});
        let agent = Agent::new(AgentSource {
            status: "active".to_owned(),
            private_settings: settings.into(),
            functions: vec![FunctionSource {
                kind: Some(kind.to_owned()),
                name: Some(name.to_owned()),
                data: data.into(),
                variables: variables.into(),
                ..FunctionSource::default()
            }],
            ..AgentSource::default()
        });
        assert_eq!(agent.faults, []);
        cautions(&agent, &agent.functions.rows[0]).into_iter().map(|it| it.field).collect()
    }

    #[test]
    fn what_replaces_a_built_in_function_is_told() {
        let url = json!({"url": "https://x.example"});
        let none = Value::Null;
        assert_eq!(fields("json_api", "check_availability", url.clone(), none.clone()), ["name"]);
        assert!(fields("json_api", "check_prices", url, none.clone()).is_empty());
        let builtin = json!({"builtin": "take_message"});
        assert!(fields("function", "take_message", builtin.clone(), none.clone()).is_empty());
        assert_eq!(fields("function", "send_sms", builtin, none), ["name"]);
    }

    #[test]
    fn what_a_template_asks_for_and_never_gets_is_told() {
        let data = json!({
            "url": "https://x.example/{{ args.plan }}/{{ args.plam }}",
            "headers": {"A": "{{ secrets.CRM }}", "B": "{{ secrets.CRN }}"},
            "query": {"who": "{{ caller.number }}", "name": ["{{ caller.name }}"]},
            "body": {"plan": "{{ args.plan.size }}", "agent": "{{ agent.name }} {{ call.id }}"},
        });
        let variables = json!([{"name": "plan"}]);
        let found = fields("json_api", "ask", data.clone(), variables);
        assert_eq!(found, ["data.url", "data.headers", "data.query"]);
        let open = json!({"type": "object", "properties": {"plan": {"type": "string"}}});
        let found = fields("json_api", "ask", data, open);
        assert_eq!(found, ["data.headers", "data.query"], "it may be given more");
    }

    #[test]
    fn steps_that_never_end_or_put_through_to_nobody_are_told() {
        let steps = |nodes: Value| json!({"start": "a", "nodes": nodes});
        let found = |nodes: Value| fields("flows", "steps", steps(nodes), Value::Null);
        let round = json!({"a": {"say": "x", "next": "b"},
            "b": {"ask": "y?", "collect": "y", "next": "a"}, "c": {"end": "Bye."}});
        assert_eq!(found(round), ["data.nodes"], "nothing leads to the end");
        let branch = json!({"a": {"branch": [{"if": "true", "next": "b"}], "next": "a"},
            "b": {"transfer": "sales"}});
        assert!(found(branch).is_empty());
        assert_eq!(found(json!({"a": {"transfer": "Nobody"}})), ["data.nodes.a.transfer"]);
        let asks = json!({"a": {"ask": "Who?", "collect": "who", "next": "b"},
            "b": {"end": "Bye {{ args.who }}, {{ args.whom }}."}});
        assert_eq!(found(asks), ["data.nodes.b"]);
        assert!(found(json!({"a": {"say": "Hello."}})).is_empty(), "it ends after its last step");
    }
}
