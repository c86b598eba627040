//! `transfer_call`: the caller is put through to one of those whom the owner has named. The model
//! names them too; it never sees a number, and no other can be dialled.

use serde_json::{Value, json};

use super::{CallContext, Outcome};
use crate::agent::Agent;
use crate::call::{AfterFunction, TransferTarget};
use crate::engine::FunctionSignature;

/// The function as the model sees it; `None` for an agent that can put nobody through.
pub(super) fn signature(agent: &Agent) -> Option<FunctionSignature> {
    let names: Vec<&String> = agent.settings.transfer_targets.keys().collect();
    (!names.is_empty()).then(|| {
        super::signature(
            "transfer_call",
            "Put the caller through to somebody else, and leave the call. Use it when the caller asks \
             for that, or needs what only they can do.",
            json!({
                "target": {"type": "string", "enum": names, "description": "Whom to put through to."}
            }),
            &["target"],
        )
    })
}

/// Has the call put through, once the agent has said so.
pub(super) fn transfer_call(caller: &CallContext, arguments: &Value) -> Outcome {
    let targets = &caller.agent.settings.transfer_targets;
    let asked = arguments["target"].as_str().unwrap_or_default().trim();
    let found = targets.get_key_value(asked).or_else(|| {
        targets.iter().find(|(name, _)| name.trim().to_lowercase() == asked.to_lowercase())
    });
    let Some((name, number)) = found else {
        let names: Vec<&str> = targets.keys().map(String::as_str).collect();
        return Outcome::refused(format!(
            "target must be one of: {}; offer the caller these, or to take a message",
            names.join(", ")
        ));
    };
    if caller.agent.is_forwarded_by(number) {
        return Outcome::refused(format!(
            "the caller cannot be put through to {name}: that number forwards to this one, so they \
             would come back here; say so and offer to take a message"
        ));
    }
    let target = TransferTarget { name: name.clone(), number: number.clone() };
    let then = AfterFunction::Transfer { target, words: None };
    Outcome { then: Some(then), ..Outcome::done(json!({"target": name})) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::AgentSource;
    use crate::functions::fixture;

    fn caller(targets: Value) -> CallContext {
        let agent = Agent::new(AgentSource {
            status: "active".to_owned(),
            private_settings: json!({"transfer": {"targets": targets}}).into(),
            ..AgentSource::default()
        });
        fixture::caller(agent, "+15551230001")
    }

    #[test]
    fn a_target_is_found_by_its_name_and_its_number_is_the_owner_s() {
        let caller = caller(json!({"Sales": "+1 (555) 000-3333"}));
        for asked in ["Sales", " sales "] {
            let outcome = transfer_call(&caller, &json!({"target": asked}));
            let number = "+15550003333".to_owned().into();
            let target = TransferTarget { name: "Sales".to_owned(), number };
            assert_eq!(
                outcome.then,
                Some(AfterFunction::Transfer { target, words: None }),
                "{asked}"
            );
            assert_eq!(outcome.output, json!({"ok": true, "target": "Sales"}));
        }
    }

    #[test]
    fn nothing_but_a_named_target_can_be_dialled() {
        let caller = caller(json!({"Sales": "+15550003333", "Desk": "+15550004444", "Bad": "911"}));
        for arguments in [
            json!({"target": "+15559999999"}),
            json!({"target": "Bad"}),
            json!({"target": "+15550003333"}),
            json!({"target": "", "number": "+15559999999"}),
            json!({"target": 7}),
            json!(null),
        ] {
            let outcome = transfer_call(&caller, &arguments);
            assert_eq!((outcome.ok, outcome.then), (false, None), "{arguments}");
            let error = outcome.output["error"].as_str().unwrap();
            assert!(error.contains("Desk, Sales") && !error.contains("555"), "{error}");
        }
    }

    #[test]
    fn the_model_is_offered_names_only_and_nothing_without_targets() {
        let offered = signature(&caller(json!({"Sales": "+15550003333"})).agent).unwrap();
        assert_eq!(offered.parameters["properties"]["target"]["enum"], json!(["Sales"]));
        assert!(!offered.parameters.to_string().contains("555"));
        assert!(signature(&caller(json!({"Bad": "911"})).agent).is_none());
    }
}
