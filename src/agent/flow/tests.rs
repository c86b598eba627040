//! Tests of flows: each kind of step, branches, limits, and attempts to jump.

use serde_json::{Map, Value, json};

use super::super::arguments_tests::good;
use super::super::fault::{Faults, Fields};
use super::*;

fn read(data: &Value) -> (Option<Flow>, Vec<String>) {
    let mut faults = Faults::default();
    let fields = Fields::read(Some(data), "data", &[], &mut faults);
    let variables = good(json!([{"name": "size", "type": "integer"}]));
    let flow = Flow::read(&fields, &variables, None, &mut faults);
    (flow, faults.0.into_iter().map(|fault| fault.path).collect())
}

/// A flow on its way. The caller speaks before each call of it.
struct Walker {
    flow: Flow,
    turn: u32,
    progress: FlowProgress,
}

impl Walker {
    fn of(nodes: Value) -> Self {
        let (flow, faults) = read(&json!({"start": "a", "nodes": nodes}));
        assert_eq!(faults, [""; 0]);
        Self {
            flow: flow.expect("there are no faults"),
            turn: 0,
            progress: FlowProgress::default(),
        }
    }

    fn take(&mut self, arguments: Value) -> FlowStep {
        let variables = good(json!([{"name": "size", "type": "integer"}]));
        let arguments: &Map<String, Value> = arguments.as_object().expect("an object");
        self.turn += 1;
        self.progress.take(&self.flow, &variables, arguments, &facts(), self.turn)
    }

    fn called(&mut self, ok: bool, output: Value) -> FlowStep {
        self.progress.called(&self.flow, &facts(), ok, &output)
    }

    fn told(&mut self, arguments: Value) -> (bool, Value) {
        match self.take(arguments) {
            FlowStep::Tell { ok, output } => (ok, output),
            other => panic!("{other:?}"),
        }
    }
}

fn facts() -> Facts {
    let text = |text: &str| text.to_owned();
    Facts {
        caller: text("+15551230001"),
        call_id: text("id"),
        call_sid: text("CA1"),
        agent_id: text("id"),
        agent_name: text("Mia"),
        agent_number: text("+15559870002"),
    }
}

fn done(say: &str) -> FlowStep {
    FlowStep::Over { output: json!({"say": say, "done": true}), ending: Ending::Done }
}

#[test]
fn a_flow_goes_through_every_kind_of_step() {
    let mut walker = Walker::of(json!({
        "a": {"say": "Hello {{ agent.name }}'s guest.", "next": "many"},
        "many": {"ask": "For how many?", "collect": "party", "type": "integer", "next": "large"},
        "large": {"branch": [{"if": "party > 8", "next": "desk"}], "next": "free"},
        "free": {"call": "tables", "arguments": {"party": "{{ party }}", "by": "{{ caller }}"},
                 "save_as": "table", "next": "seat", "on_error": "desk"},
        "seat": {"ask": "Table {{ table.number }}: {{ args.party }} seats. Good?",
                 "collect": "good", "type": "choice", "choices": ["yes", "no"], "next": "fork"},
        "fork": {"branch": [{"if": "{{ good == 'yes' }}", "next": "bye"}, {"if": "true", "next": "desk"}]},
        "bye": {"end": "See you, {{ caller.number }}."},
        "desk": {"transfer": "front desk"},
    }));
    let (ok, output) = walker.told(json!({}));
    assert!(ok);
    assert_eq!(
        output,
        json!({"say": "Hello Mia's guest.", "ask": "For how many?", "accepted": "a whole number"})
    );
    let call = FlowStep::Call {
        function: "tables".to_owned(),
        arguments: json!({"party": 4, "by": "+15551230001"}),
    };
    assert_eq!(walker.take(json!({"answer": "4"})), call);
    let step = walker.called(true, json!({"ok": true, "result": {"number": 12}}));
    let FlowStep::Tell { ok: true, output } = step else { panic!("{step:?}") };
    assert_eq!(output, json!({"ask": "Table 12: 4 seats. Good?", "accepted": "one of: yes, no"}));
    let over = FlowStep::Over {
        output: json!({"say": "See you, +15551230001.", "done": true}),
        ending: Ending::EndCall,
    };
    assert_eq!(walker.take(json!({"answer": "Yes"})), over);
    assert!(walker.progress.has_just_ended());
    assert_eq!(
        Value::Object(walker.progress.values().clone()),
        json!({"party": 4, "table": {"number": 12}, "good": "yes"})
    );
    let mut large = Walker { progress: FlowProgress::default(), ..walker };
    large.take(json!({}));
    let step = large.take(json!({"answer": 9}));
    let FlowStep::Over { ending, .. } = step else { panic!("{step:?}") };
    assert_eq!(ending, Ending::Transfer("front desk".to_owned()));
}

#[test]
fn the_model_can_only_answer_the_present_question() {
    let mut walker = Walker::of(json!({
        "a": {"ask": "One?", "collect": "one", "type": "choice", "choices": ["x", "y"], "next": "b"},
        "b": {"ask": "Two?", "collect": "two", "next": "c"},
        "c": {"end": "Bye."},
    }));
    // Whatever it sends first begins the flow, and no argument names a step.
    assert_eq!(walker.told(json!({"answer": "x"})).1["ask"], "One?");
    for (wrong, what) in [
        (json!("c"), "another step's id"),
        (json!("z"), "no choice"),
        (json!({"next": "c"}), "an object"),
    ] {
        let (ok, output) = walker.told(json!({"answer": wrong}));
        assert!(!ok, "{what}");
        assert_eq!(output["ask"], "One?", "{what}");
        assert!(output["error"].as_str().unwrap().contains("one of: x, y"), "{output}");
        assert_eq!(output.get("choices"), None);
    }
    // Other arguments change nothing once it has begun; without an answer it asks again.
    let (ok, output) = walker.told(json!({"two": "jump", "node": "c", "size": 3}));
    assert!(ok);
    assert_eq!(output["ask"], "One?");
    assert_eq!(walker.told(json!({"answer": "y", "two": "jump"})).1["ask"], "Two?");
    assert!(matches!(walker.take(json!({"answer": "z"})), FlowStep::Over { .. }));
    assert_eq!(Value::Object(walker.progress.values().clone()), json!({"one": "y", "two": "z"}));
    // Over: a stray answer does not begin it again, a wish to does.
    assert!(walker.progress.has_just_ended());
    assert!(!walker.told(json!({"answer": "x"})).0);
    assert!(!walker.progress.has_just_ended());
    assert_eq!(walker.told(json!({})).1["ask"], "One?");
    assert!(walker.progress.values().is_empty());
}

#[test]
fn the_model_does_not_answer_for_the_caller() {
    let mut walker = Walker::of(json!({
        "a": {"ask": "One?", "collect": "one", "next": "b"},
        "b": {"ask": "Two?", "collect": "two", "next": "c"},
        "c": {"end": "Bye."},
    }));
    let same_turn = |walker: &mut Walker, arguments: Value| {
        walker.turn -= 1;
        walker.told(arguments)
    };
    walker.told(json!({}));
    for _ in 0..2 {
        let (ok, output) = same_turn(&mut walker, json!({"answer": "x"}));
        assert!(!ok && output["error"].as_str().unwrap().contains("wait"), "{output}");
    }
    assert_eq!(walker.told(json!({"answer": "y"})).1["ask"], "Two?");
    assert!(!same_turn(&mut walker, json!({"answer": "z"})).0);
    // What the caller was asked before may be answered after it was looked up again.
    assert_eq!(walker.told(json!({})).1["ask"], "Two?");
    walker.turn -= 1;
    assert!(matches!(walker.take(json!({"answer": "z"})), FlowStep::Over { .. }));
    assert_eq!(Value::Object(walker.progress.values().clone()), json!({"one": "y", "two": "z"}));
}

#[test]
fn a_flow_begins_with_its_variables() {
    let mut walker = Walker::of(json!({"a": {"say": "{{ size }} and {{ args.size }}"}}));
    let (ok, output) = walker.told(json!({"size": "big"}));
    assert_eq!((ok, output), (false, json!({"error": "size must be a whole number"})));
    assert_eq!(walker.take(json!({"size": "3"})), done("3 and 3"));
    // What was not given is there, and empty.
    assert_eq!(walker.take(json!({})), done(" and "));
}

#[test]
fn a_loop_without_a_question_ends() {
    let mut walker = Walker::of(json!({
        "a": {"say": "x", "next": "b"},
        "b": {"branch": [{"if": "true", "next": "a"}]},
    }));
    let step = walker.take(json!({}));
    let FlowStep::Broken { output, why, .. } = step else { panic!("{step:?}") };
    assert!(output["error"].as_str().unwrap().contains("take a message"));
    assert!(why.contains("more than 100 steps"), "{why}");
    let mut walker = Walker::of(json!({
        "a": {"call": "f", "next": "a", "on_error": "a"},
    }));
    let mut step = walker.take(json!({}));
    let mut calls = 0;
    while let FlowStep::Call { .. } = step {
        calls += 1;
        step = walker.called(calls % 2 == 0, json!({"error": "no"}));
    }
    assert_eq!(calls, 10);
    assert!(matches!(step, FlowStep::Broken { .. }), "{step:?}");
}

#[test]
fn a_call_that_fails_goes_where_the_owner_says_or_ends_the_flow() {
    let nodes = |on_error: Value| {
        json!({"a": {"say": "One moment.", "next": "b"},
               "b": {"call": "f", "save_as": "r", "next": "c", "on_error": on_error},
               "c": {"say": "Good."}, "d": {"say": "Because {{ r.error }}."}})
    };
    let mut walker = Walker::of(nodes(json!("d")));
    walker.take(json!({}));
    // What was to be said before the call is said after it.
    let step = walker.called(false, json!({"ok": false, "error": "it is shut"}));
    assert_eq!(step, done("One moment. Because it is shut."));
    let mut walker = Walker::of(nodes(json!(null)));
    walker.take(json!({}));
    let step = walker.called(false, json!({"ok": false, "error": "it is shut"}));
    let FlowStep::Tell { ok: false, output } = step else { panic!("{step:?}") };
    assert!(output["error"].as_str().unwrap().starts_with("it is shut; these steps end here"));
    assert!(walker.progress.has_just_ended());
    // A call that was given up in the middle counts as one that failed.
    let mut walker = Walker::of(nodes(json!("d")));
    walker.take(json!({}));
    assert_eq!(walker.take(json!({})), done("Because there was no answer in time."));
    let stray = walker.called(true, json!({}));
    assert!(matches!(stray, FlowStep::Tell { ok: false, .. }));
}

#[test]
fn what_a_caller_says_is_no_template() {
    let mut walker = Walker::of(json!({
        "a": {"ask": "Name?", "collect": "name", "next": "b"},
        "b": {"say": "Hello {{ name }}."},
    }));
    walker.take(json!({}));
    let step = walker.take(json!({"answer": "{{ call.sid }}{% for x in range(9) %}y{% endfor %}"}));
    assert_eq!(step, done("Hello {{ call.sid }}{% for x in range(9) %}y{% endfor %}."));
}

#[test]
fn a_step_that_fails_on_its_values_breaks_the_flow_and_not_the_call() {
    for nodes in [
        json!({"a": {"say": "{{ size.of.it }}"}}),
        json!({"a": {"branch": [{"if": "size.of.it", "next": "a"}]}}),
        json!({"a": {"call": "f", "arguments": {"x": "{{ size.of.it }}"}}}),
        json!({"a": {"say": "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"}}),
    ] {
        let mut walker = Walker::of(nodes.clone());
        let step = walker.take(json!({}));
        let FlowStep::Broken { node, .. } = step else { panic!("{nodes}: {step:?}") };
        assert_eq!(node, "a");
        assert!(walker.progress.has_just_ended());
    }
}

#[test]
fn much_to_say_is_cut() {
    let mut walker = Walker::of(json!({"a": {"say": "x".repeat(5000)}}));
    let FlowStep::Over { output, .. } = walker.take(json!({})) else { panic!("it is over") };
    assert_eq!(output["say"].as_str().unwrap().chars().count(), 1501);
}

#[test]
fn a_flow_with_a_gap_is_reported_with_its_place() {
    for (nodes, path) in [
        (json!({}), "data.nodes"),
        (json!([]), "data.nodes"),
        (json!({"b": {"end": "x"}}), "data.start"),
        (json!({"a": 7}), "data.nodes.a"),
        (json!({"a": {}}), "data.nodes.a.…"),
        (json!({"a": {"say": "x", "end": "y"}}), "data.nodes.a.…"),
        (json!({"a": {"say": "x", "next": "z"}}), "data.nodes.a.next"),
        (json!({"a": {"say": 7}}), "data.nodes.a.say"),
        (json!({"a": {"say": "{{ nobody }}"}}), "data.nodes.a.say"),
        (json!({"a": {"say": "{{ size"}}), "data.nodes.a.say"),
        (json!({"a": {"ask": "x"}}), "data.nodes.a.collect"),
        (json!({"a": {"ask": "x", "collect": "y", "type": "colour"}}), "data.nodes.a.type"),
        (json!({"a": {"ask": "x", "collect": "y", "choices": "z"}}), "data.nodes.a.enum"),
        (json!({"a": {"ask": "x", "collect": "caller"}}), "data.nodes.caller"),
        (json!({"a": {"call": "f", "arguments": []}}), "data.nodes.a.arguments"),
        (json!({"a": {"call": "f", "arguments": {"x": "{{ nobody }}"}}}), "data.nodes.a.arguments"),
        (json!({"a": {"call": "f", "on_error": "z"}}), "data.nodes.a.on_error"),
        (json!({"a": {"branch": []}}), "data.nodes.a.branch"),
        (json!({"a": {"branch": [{"if": "size >", "next": "a"}]}}), "data.nodes.a.branch[0].if"),
        (json!({"a": {"branch": [{"if": "nobody", "next": "a"}]}}), "data.nodes.a.branch[0].if"),
        (json!({"a": {"branch": [{"if": "size"}]}}), "data.nodes.a.branch[0].next"),
        (json!({"a": {"transfer": ""}}), "data.nodes.a.transfer"),
    ] {
        let (flow, faults) = read(&json!({"start": "a", "nodes": nodes}));
        assert!(flow.is_none() || !faults.is_empty(), "{nodes}");
        assert_eq!(faults.first().map(String::as_str), Some(path), "{nodes}");
    }
    assert_eq!(read(&json!({"nodes": {"a": {"end": "x"}}})).1, ["data.start"]);
}
