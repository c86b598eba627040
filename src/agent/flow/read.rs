//! Reads a flow from a row's `data`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::arguments::Parameters;
use super::super::fault::{Faults, Fields, kind};
use super::super::region::Region;
use super::super::template::{Condition, Facts, Template, TemplateError, TemplateTree};
use super::super::variables;
use super::{Flow, Node};

/// The most steps of a flow.
const NODES_MAX: usize = 200;
/// The most cases of a branch.
const CASES_MAX: usize = 50;
/// What a step can be: it has exactly one of these.
const KINDS: [&str; 6] = ["say", "ask", "call", "branch", "transfer", "end"];

/// What the steps are read against.
struct Reader<'r> {
    ids: BTreeSet<String>,
    /// What templates may name.
    known: BTreeSet<String>,
    region: Option<Region>,
    faults: &'r mut Faults,
}

impl Flow {
    /// Reads a row's `data`. Every step must be right: a flow with a gap would end in the middle
    /// of a call.
    pub(in crate::agent) fn read(
        data: &Fields<'_>,
        variables: &Parameters,
        region: Option<Region>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let nodes = Fields::read(data.get("nodes"), data.path_of("nodes"), &[], faults);
        let ids: BTreeSet<String> = nodes.all().map(|(id, _)| id.clone()).collect();
        if !(1..=NODES_MAX).contains(&ids.len()) {
            let found = if ids.is_empty() { "no step" } else { "more steps" };
            faults.add(
                data.path_of("nodes"),
                found,
                format!("1 to {NODES_MAX} steps, by their ids"),
            );
            return None;
        }
        let names = collected(&nodes, variables);
        let fixed = Facts::NAMES.into_iter().chain(["args"]).map(str::to_owned);
        if let Some(name) = fixed.clone().find(|name| names.contains(name)) {
            let path = format!("{}.{name}", data.path_of("nodes"));
            faults.add(path, "a name that every flow has", "another name to keep a value as");
            return None;
        }
        let known = names.iter().cloned().chain(fixed).collect();
        let mut reader = Reader { ids, known, region, faults };
        let start = reader.word(data, "start").and_then(|_| reader.id(data, "start"));
        let (mut read, mut is_whole) = (BTreeMap::new(), true);
        for (id, _) in nodes.all() {
            let node = Fields::read(nodes.get(id), nodes.path_of(id), &[], reader.faults);
            // The others are read too: what is wrong is told of all at once.
            match reader.node(&node) {
                Some(node) => drop(read.insert(id.clone(), node)),
                None => is_whole = false,
            }
        }
        let start = start.flatten().filter(|_| is_whole)?;
        Some(Self { start, nodes: read, names })
    }
}

/// The names under which steps keep something, and those of the flow's variables.
fn collected(nodes: &Fields<'_>, variables: &Parameters) -> BTreeSet<String> {
    let kept = nodes.all().flat_map(|(_, node)| {
        ["collect", "save_as"].into_iter().filter_map(|field| node.get(field)?.as_str())
    });
    kept.map(|name| name.trim().to_owned()).chain(variables.names().iter().cloned()).collect()
}

impl Reader<'_> {
    fn node(&mut self, node: &Fields<'_>) -> Option<Node> {
        let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| node.get(kind).is_some()).collect();
        let [kind] = kinds[..] else {
            let found = if kinds.is_empty() { "none of them" } else { "several of them" };
            self.faults.add(node.path_of("…"), found, format!("one of {}", KINDS.join(", ")));
            return None;
        };
        Some(match kind {
            "say" => Node::Say { words: self.template(node, kind)?, next: self.id(node, "next")? },
            "ask" => self.ask(node)?,
            "call" => self.call(node)?,
            "branch" => self.branch(node)?,
            "transfer" => Node::Transfer { target: self.word(node, kind)? },
            _ => Node::End { words: self.template(node, kind)? },
        })
    }

    fn ask(&mut self, node: &Fields<'_>) -> Option<Node> {
        let question = self.template(node, "ask")?;
        let name = self.word(node, "collect")?;
        let collect = variables::read_one(&name, node, self.region, self.faults)?;
        Some(Node::Ask { question, collect, next: self.id(node, "next")? })
    }

    fn call(&mut self, node: &Fields<'_>) -> Option<Node> {
        let function = self.word(node, "call")?;
        let none = Value::Object(serde_json::Map::new());
        let arguments = match node.get("arguments").unwrap_or(&none) {
            arguments @ Value::Object(_) => {
                let tree = TemplateTree::parse(arguments, &self.known);
                self.parsed(tree, node.path_of("arguments"))?
            }
            other => {
                self.faults.add(node.path_of("arguments"), kind(other), "an object");
                return None;
            }
        };
        let save_as = match node.get("save_as") {
            None => None,
            Some(_) => Some(self.word(node, "save_as")?),
        };
        let next = self.id(node, "next")?;
        Some(Node::Call {
            function,
            arguments,
            save_as,
            next,
            on_error: self.id(node, "on_error")?,
        })
    }

    fn branch(&mut self, node: &Fields<'_>) -> Option<Node> {
        let accepted = r#"a list of {"if","next"}"#;
        let items = node.accept("branch", accepted, self.faults, |value| {
            value.as_array().filter(|items| (1..=CASES_MAX).contains(&items.len()))
        })?;
        let mut cases = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{index}]", node.path_of("branch"));
            let case = Fields::read(Some(item), path, &[], self.faults);
            let source = match case.get("if") {
                Some(Value::Bool(always)) => always.to_string(),
                _ => self.word(&case, "if")?,
            };
            let condition = Condition::parse(&source, &self.known);
            let condition = self.parsed(condition, case.path_of("if"))?;
            let Some(next) = self.id(&case, "next")? else {
                self.faults.add(case.path_of("next"), "nothing", "the id of a step");
                return None;
            };
            cases.push((condition, next));
        }
        Some(Node::Branch { cases, next: self.id(node, "next")? })
    }

    /// The id of a step that there is; `Some(None)` if none is named.
    fn id(&mut self, fields: &Fields<'_>, name: &str) -> Option<Option<String>> {
        if fields.get(name).is_none() {
            return Some(None);
        }
        let ids: Vec<&str> = self.ids.iter().take(20).map(String::as_str).collect();
        let accepted = format!("the id of a step: {}", ids.join(", "));
        let known = |value: &Value| self.ids.get(value.as_str()?).cloned();
        fields.accept(name, &accepted, self.faults, known).map(Some)
    }

    /// A text that is there and not empty.
    fn word(&mut self, fields: &Fields<'_>, name: &str) -> Option<String> {
        if fields.get(name).is_none() {
            self.faults.add(fields.path_of(name), "nothing", "a text");
            return None;
        }
        fields.accept(name, "a text", self.faults, |value| {
            Some(value.as_str()?.trim().to_owned()).filter(|text| !text.is_empty())
        })
    }

    fn template(&mut self, fields: &Fields<'_>, name: &str) -> Option<Template> {
        let source = self.word(fields, name)?;
        let template = Template::parse(&source, &self.known);
        self.parsed(template, fields.path_of(name))
    }

    fn parsed<T>(&mut self, parsed: Result<T, TemplateError>, path: String) -> Option<T> {
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.faults.add(path, "a template that cannot be used", error.to_string());
                None
            }
        }
    }
}
