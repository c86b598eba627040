//! A flow: steps that an owner laid down. The position is kept here; the model is told what to say
//! and ask at the present step and can only answer, so it cannot jump.

mod look;
mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::value::Value as Context;
use serde_json::{Map, Value, json};

use super::arguments::Parameters;
use super::template::{Condition, Facts, Template, TemplateError, TemplateTree, value_of};

/// The argument that carries the caller's answer.
pub const ANSWER: &str = "answer";

/// What is told when the caller cannot have heard the question.
const NOT_YET: &str = "ask the question and wait for the caller's answer first; only then call \
                       again with it";

/// The most steps between two questions: a loop without a question ends here.
const STEPS_MAX: usize = 100;
/// The most functions that are called between two questions.
const CALLS_MAX: usize = 10;
/// The most characters that are said at once.
const WORDS_MAX: usize = 1500;

/// A row of type `flows`.
#[derive(Debug, Clone)]
pub struct Flow {
    start: String,
    nodes: BTreeMap<String, Node>,
    /// The names under which values are collected and results kept.
    names: BTreeSet<String>,
}

/// One step. `None` as the next one: the flow is over.
#[derive(Debug, Clone)]
enum Node {
    /// The agent says something.
    Say { words: Template, next: Option<String> },
    /// Something is asked; the answer is checked and kept as the one name in `collect`.
    Ask { question: Template, collect: Parameters, next: Option<String> },
    /// Another function of the agent is called.
    Call {
        function: String,
        arguments: TemplateTree,
        save_as: Option<String>,
        next: Option<String>,
        on_error: Option<String>,
    },
    /// The first condition that holds says where to go on.
    Branch { cases: Vec<(Condition, String)>, next: Option<String> },
    /// The caller is put through.
    Transfer { target: String },
    /// The call ends after these words.
    End { words: Template },
}

/// How far a flow has come in a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FlowProgress {
    place: Place,
    values: Map<String, Value>,
    /// What is to be said since the last question.
    said: Vec<String>,
    /// How many steps were taken since then, and how many of them were calls.
    steps: usize,
    calls: usize,
    /// The caller's turn in which it was last gone on with.
    turn: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Place {
    /// The flow has not begun.
    #[default]
    Outside,
    /// The caller has been asked.
    Asking(String),
    /// A function is being called.
    Calling(String),
    /// The flow is over, and can be begun again.
    Over,
}

/// What a call of a flow's function comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum FlowStep {
    /// The model is told this.
    Tell {
        /// Whether the answer was right.
        ok: bool,
        /// What the model is given, a JSON object.
        output: Value,
    },
    /// A function is to be called; [`FlowProgress::called`] takes what comes of it.
    Call {
        /// The name of the function to call.
        function: String,
        /// Its arguments, an object.
        arguments: Value,
    },
    /// The flow is over.
    Over {
        /// What the model is given, a JSON object.
        output: Value,
        /// What follows the flow.
        ending: Ending,
    },
    /// The flow cannot go on, because of a step that the owner has to mend.
    Broken {
        /// What the model is given, a JSON object.
        output: Value,
        /// The name of the step that cannot go on.
        node: String,
        /// What is wrong with it, without a value.
        why: String,
    },
}

/// How a flow ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The conversation goes on.
    Done,
    /// The caller is put through to the target with this name.
    Transfer(String),
    /// The agent says goodbye and the call ends.
    EndCall,
}

/// A step that cannot be taken.
struct Fault {
    node: String,
    why: String,
}

/// What a step leads to.
enum Progress {
    /// Another one; none: the flow is over.
    On(Option<String>),
    /// Somebody else is needed.
    Stop(FlowStep),
}

impl FlowStep {
    fn refused(error: impl Into<String>) -> Self {
        Self::Tell { ok: false, output: json!({"error": error.into()}) }
    }
}

impl Flow {
    /// The flow's parameters as the model sees them: what it begins with, and an answer.
    pub fn schema(&self, variables: &Parameters) -> Value {
        let mut properties = variables.schema()["properties"].clone();
        properties[ANSWER] = json!({
            "type": "string",
            "description": "what the caller answered to the last question; leave out to begin",
        });
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }

    /// The step that it begins with.
    pub fn start(&self) -> &str {
        &self.start
    }

    /// The functions that it calls.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        self.nodes.values().filter_map(|node| match node {
            Node::Call { function, .. } => Some(function.as_str()),
            _ => None,
        })
    }
}

impl FlowProgress {
    /// Begins, or takes the caller's answer. `turn` is the caller's: who has not spoken since they
    /// were to be asked has not answered.
    pub fn take(
        &mut self,
        flow: &Flow,
        variables: &Parameters,
        arguments: &Map<String, Value>,
        facts: &Facts,
        turn: u32,
    ) -> FlowStep {
        (self.said, self.steps, self.calls) = (Vec::new(), 0, 0);
        let mut given = arguments.clone();
        let answer = given.remove(ANSWER).filter(|answer| !answer.is_null() && answer != "");
        if matches!(self.place, Place::Asking(_)) {
            if answer.is_some() && turn <= self.turn {
                return FlowStep::refused(NOT_YET);
            }
            // Asked once more, it is still what the caller was asked then.
            self.turn = if answer.is_some() { turn } else { self.turn };
        } else {
            self.turn = turn;
        }
        match (self.place.clone(), answer) {
            (Place::Over, Some(_)) => FlowStep::refused(
                "this is finished and nothing is asked any more; call it without an answer only \
                 if the caller wants to begin again",
            ),
            (Place::Outside | Place::Over, _) => match variables.check(&given) {
                Err(why) => FlowStep::refused(why),
                Ok(values) => {
                    self.values = values;
                    self.walk(flow, facts, Some(flow.start.clone()))
                }
            },
            (Place::Asking(node), None) => self.walk(flow, facts, Some(node)),
            (Place::Asking(node), Some(answer)) => self.answered(flow, facts, node, answer),
            // The step's function was begun and given up; whether it took effect is not known.
            (Place::Calling(_), _) => {
                self.called(flow, facts, false, &json!({"error": "there was no answer in time"}))
            }
        }
    }

    /// Goes on with what came of a function.
    pub fn called(&mut self, flow: &Flow, facts: &Facts, ok: bool, output: &Value) -> FlowStep {
        let place = std::mem::replace(&mut self.place, Place::Over);
        let node = match &place {
            Place::Calling(node) => flow.nodes.get(node),
            _ => None,
        };
        let Some(Node::Call { save_as, next, on_error, .. }) = node else {
            return FlowStep::refused("no function was called");
        };
        if let Some(name) = save_as {
            self.values.insert(name.clone(), result_of(output));
        }
        match (ok, on_error) {
            (true, _) => self.walk(flow, facts, next.clone()),
            (false, Some(_)) => self.walk(flow, facts, on_error.clone()),
            (false, None) => {
                let error = output["error"].as_str().unwrap_or("it failed");
                FlowStep::refused(format!(
                    "{error}; these steps end here: tell the caller, and offer to take a message"
                ))
            }
        }
    }

    /// What was collected so far.
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// Whether it has come to its end with what was just taken.
    pub fn has_just_ended(&self) -> bool {
        self.place == Place::Over && self.steps > 0
    }

    fn answered(&mut self, flow: &Flow, facts: &Facts, node: String, answer: Value) -> FlowStep {
        let Some(Node::Ask { collect, next, .. }) = flow.nodes.get(&node) else {
            return FlowStep::refused("nothing is asked");
        };
        let name = collect.names().first().cloned().unwrap_or_default();
        match collect.check(&Map::from_iter([(name, answer)])) {
            Ok(values) => {
                self.values.extend(values);
                self.walk(flow, facts, next.clone())
            }
            Err(why) => match self.walk(flow, facts, Some(node)) {
                FlowStep::Tell { mut output, .. } => {
                    output["error"] = Value::String(format!("this is no answer: {why}"));
                    FlowStep::Tell { ok: false, output }
                }
                other => other,
            },
        }
    }

    /// Takes steps until somebody else is needed.
    fn walk(&mut self, flow: &Flow, facts: &Facts, mut next: Option<String>) -> FlowStep {
        while let Some(node) = next {
            match self.step(flow, facts, node) {
                Ok(Progress::On(node)) => next = node,
                Ok(Progress::Stop(step)) => return step,
                Err(Fault { node, why }) => {
                    self.place = Place::Over;
                    let error = "these steps cannot be completed; apologise and offer to take a \
                                 message";
                    return FlowStep::Broken { output: json!({"error": error}), node, why };
                }
            }
        }
        self.over(Ending::Done)
    }

    fn step(&mut self, flow: &Flow, facts: &Facts, node: String) -> Result<Progress, Fault> {
        let fault = |why: String| Fault { node: node.clone(), why };
        let failed = |error: TemplateError| fault(error.to_string());
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(fault(format!("more than {STEPS_MAX} steps without a question")));
        }
        let values = self.context(flow, facts);
        match flow.nodes.get(&node).ok_or_else(|| fault("there is no such step".to_owned()))? {
            Node::Say { words, next } => {
                self.said.push(shortened(&words.render(&values).map_err(failed)?));
                Ok(Progress::On(next.clone()))
            }
            Node::Ask { question, collect, .. } => {
                let question = question.render(&values).map_err(failed)?;
                let output = self.asked(&question, collect);
                self.place = Place::Asking(node);
                Ok(Progress::Stop(FlowStep::Tell { ok: true, output }))
            }
            Node::Call { function, arguments, .. } => {
                self.calls += 1;
                if self.calls > CALLS_MAX {
                    return Err(fault(format!("more than {CALLS_MAX} calls without a question")));
                }
                let arguments = arguments.render(&values).map_err(failed)?;
                let function = function.clone();
                self.place = Place::Calling(node);
                Ok(Progress::Stop(FlowStep::Call { function, arguments }))
            }
            Node::Branch { cases, next } => {
                for (condition, then) in cases {
                    if condition.holds(&values).map_err(failed)? {
                        return Ok(Progress::On(Some(then.clone())));
                    }
                }
                Ok(Progress::On(next.clone()))
            }
            Node::Transfer { target } => {
                Ok(Progress::Stop(self.over(Ending::Transfer(target.clone()))))
            }
            Node::End { words } => {
                self.said.push(shortened(&words.render(&values).map_err(failed)?));
                Ok(Progress::Stop(self.over(Ending::EndCall)))
            }
        }
    }

    fn over(&mut self, ending: Ending) -> FlowStep {
        self.place = Place::Over;
        let mut output = self.told();
        output["done"] = Value::Bool(true);
        FlowStep::Over { output, ending }
    }

    /// The question of a step, with all that can be answered to it.
    fn asked(&self, question: &str, collect: &Parameters) -> Value {
        let mut output = self.told();
        output["ask"] = Value::String(shortened(question));
        if let Some(name) = collect.names().first() {
            output["accepted"] = Value::String(collect.accepted(name));
        }
        output
    }

    /// What is said before anything else.
    fn told(&self) -> Value {
        match self.said.is_empty() {
            true => json!({}),
            false => json!({"say": shortened(&self.said.join(" "))}),
        }
    }

    /// What templates see: what was collected, by its names and in `args`, and the call. What was
    /// not collected is there and empty.
    fn context(&self, flow: &Flow, facts: &Facts) -> Context {
        let empty = flow.names.iter().map(|name| (name.clone(), Context::from(())));
        let mut names: BTreeMap<String, Context> = empty.collect();
        names.extend(self.values.iter().map(|(name, value)| (name.clone(), value_of(value))));
        let args = Context::from_pairs(names.clone());
        names.insert("args".to_owned(), args);
        names.extend(facts.values());
        Context::from_pairs(names)
    }
}

/// What a function returned, for the steps that follow: without what is only for the model.
fn result_of(output: &Value) -> Value {
    let mut fields = output.as_object().cloned().unwrap_or_default();
    fields.remove("ok");
    match fields.remove("result") {
        Some(result) if fields.is_empty() => result,
        result => {
            fields.extend(result.map(|result| ("result".to_owned(), result)));
            Value::Object(fields)
        }
    }
}

fn shortened(words: &str) -> String {
    match words.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}
