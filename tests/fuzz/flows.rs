//! Flows: any graph, walked with any answers, stops at each question and never runs for ever.

use std::cell::Cell;

use frontdesk::agent::arguments::Parameters;
use frontdesk::agent::flow::{ANSWER, Flow, FlowProgress, FlowStep};
use frontdesk::agent::function::Work;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::functions::{agent, facts};
use crate::harness::{corpus, fuzz};
use crate::mutate::ODD_TEXTS;

/// The most that is told at one step: words of 1,500 characters twice, what is accepted, and why
/// not.
const TOLD_MAX: usize = 128 * 1024;
/// Functions that are called between two questions, one that fails at last included.
const CALLS_MAX: usize = 12;

/// Walks a flow with answers that the numbers choose.
pub(crate) fn walk(
    flow: &Flow,
    variables: &Parameters,
    progress: &mut FlowProgress,
    given: &Map<String, Value>,
    choices: &[u8],
) -> Result<(), TestCaseError> {
    let facts = facts();
    for (turn, choice) in choices.iter().enumerate() {
        let mut arguments = given.clone();
        match choice % 6 {
            0 => drop(arguments.remove(ANSWER)),
            1 => drop(arguments.insert(ANSWER.to_owned(), json!("yes"))),
            2 => drop(arguments.insert(ANSWER.to_owned(), json!(choice / 6))),
            3 => {
                let odd = ODD_TEXTS[usize::from(*choice) % ODD_TEXTS.len()];
                arguments.insert(ANSWER.to_owned(), json!(odd));
            }
            _ => {}
        }
        // The caller has not always spoken in between.
        let turn = u32::try_from(turn).unwrap_or(u32::MAX) - u32::from(choice % 5 == 4 && turn > 0);
        let mut step = progress.take(flow, variables, &arguments, &facts, turn);
        for calls in 0.. {
            let FlowStep::Call { arguments, .. } = &step else { break };
            prop_assert!(calls < CALLS_MAX, "{} calls without a question", calls);
            prop_assert!(arguments.to_string().len() <= 4 * 1024 * 1024);
            let ok = (usize::from(*choice) + calls) % 3 != 0;
            let output = match ok {
                true => json!({"result": {"items": [1, 2, 3]}}),
                false => json!({"error": "no"}),
            };
            step = progress.called(flow, &facts, ok, &output);
        }
        let told = match &step {
            FlowStep::Tell { output, .. } | FlowStep::Over { output, .. } => {
                output.to_string().len()
            }
            FlowStep::Broken { output, why, .. } => output.to_string().len() + why.len(),
            FlowStep::Call { .. } => 0,
        };
        prop_assert!(told <= TOLD_MAX, "{} bytes are told", told);
        prop_assert!(progress.values().len() <= 1_000);
    }
    Ok(())
}

/// A step of this kind that leads to these.
fn node(kind: u8, to: &str, or: &str, n: usize) -> Value {
    match kind % 10 {
        0 | 1 => json!({"say": format!("Step {n} of {{{{ a0 }}}}."), "next": to}),
        2 | 3 => {
            json!({"ask": "How many?", "collect": format!("a{}", n % 4), "type": "integer", "next": to})
        }
        4 => json!({"ask": "Which?", "collect": format!("a{}", n % 4), "type": "string",
            "choices": ["yes", "no"], "next": to}),
        5 => json!({"call": "check_availability", "arguments": {"date": "{{ a1 }}"},
            "save_as": format!("a{}", n % 4), "next": to, "on_error": or}),
        6 | 7 => json!({"branch": [{"if": format!("a{} == 'yes'", n % 4), "next": or},
            {"if": "a2 > 3", "next": to}], "next": to}),
        8 => json!({"transfer": "sales"}),
        _ => json!({"end": "Goodbye."}),
    }
}

/// A flow of `kinds`, each step of which leads to two others.
fn graph(kinds: &[(u8, u8, u8)]) -> Value {
    let count = kinds.len();
    // Now and then a step leads to none that is there.
    let id = |n: u8| match n {
        255 => "nowhere".to_owned(),
        n => format!("n{}", usize::from(n) % count),
    };
    let nodes: Map<String, Value> = kinds
        .iter()
        .enumerate()
        .map(|(n, (kind, to, or))| (format!("n{n}"), node(*kind, &id(*to), &id(*or), n)))
        .collect();
    json!({"start": "n0", "nodes": nodes})
}

fn check(data: &Value, choices: &[u8]) -> Result<bool, TestCaseError> {
    let variable = |n| json!({"name": format!("a{n}"), "type": "string", "required": false});
    let variables: Vec<Value> = (0..4).map(variable).collect();
    let row = json!({"type": "flows", "name": "walk", "data": data, "variables": variables});
    let agent = agent(&[row]);
    let Some(function) = agent.functions.rows.first() else { return Ok(false) };
    let Work::Flow(flow) = &function.work else { return Ok(false) };
    let mut progress = FlowProgress::default();
    walk(flow, &function.parameters, &mut progress, &Map::new(), choices)?;
    Ok(true)
}

#[test]
fn fuzz_graphs_of_steps() {
    for (name, text) in corpus("flows") {
        let data: Value = serde_json::from_str(&text).expect("a flow is JSON");
        let read = check(&data, &[0, 1, 2, 8, 14, 3, 1, 1, 1]);
        assert!(read.unwrap_or_else(|error| panic!("{name}: {error}")), "{name} is not read");
    }
    let kinds = prop::collection::vec(any::<(u8, u8, u8)>(), 1..24);
    let choices = prop::collection::vec(any::<u8>(), 1..24);
    let (read, all) = (Cell::new(0_u32), Cell::new(0_u32));
    fuzz("flows", 70, (kinds, choices), |(kinds, choices)| {
        let is_read = check(&graph(&kinds), &choices)?;
        read.set(read.get() + u32::from(is_read));
        all.set(all.get() + 1);
        Ok(())
    });
    assert!(read.get() > all.get() / 2, "of {} graphs only {} are read", all.get(), read.get());
}
