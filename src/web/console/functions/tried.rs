//! Trying a function from its page.

use axum::extract::{Form, Path};
use http::StatusCode;
use maud::{Markup, html};
use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::fields::{Variable, plain_variables};
use super::{Inspected, title};
use crate::functions::DryRun;
use crate::web::console::agent::Sent;
use crate::web::console::errors::Shown;
use crate::web::console::plain::plain;
use crate::web::deeds;
use crate::web::editing::try_function::{Tried, try_function};
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// The form that tries it, with what came of it.
pub(super) fn form(action: &str, document: &Value, sent: &Sent, came: Markup) -> Markup {
    let is_request = document["type"] == "json_api";
    let text = |name: &str| sent.get(name).map_or("", String::as_str);
    html! {
        section #try .card aria-label="Try it" {
            h2 { "Try it" }
            p {
                @if is_request { "This really asks the service, as it is saved." }
                @else { "This says what happens in a call; nothing is done." }
            }
            (came)
            form method="post" action={ (action) "/try#try" } {
                @match plain_variables(document) {
                    Some(variables) => {
                        @for variable in &variables { (argument(variable, text(&name_of(variable)))) }
                    }
                    None => (as_json(document, text("arguments"))),
                }
                label for="caller" { "Who calls" }
                input #caller name="caller" type="tel" value=(text("caller")) placeholder="+15005550006";
                p { button type="submit" { "Try it" } }
            }
        }
    }
}

/// The name of the field of a variable.
fn name_of(variable: &Variable) -> String {
    format!("argument.{}", variable.name)
}

/// The field of a variable: what the caller would have said.
fn argument(variable: &Variable, value: &str) -> Markup {
    let id = format!("argument-{}", variable.name);
    let label = deeds::spoken(&variable.name);
    let choices: Vec<&str> = match variable.kind.as_str() {
        "boolean" => vec!["yes", "no"],
        _ => variable.choices.split(',').map(str::trim).filter(|one| !one.is_empty()).collect(),
    };
    html! {
        label for=(id) { (label) @if variable.is_required { " (needed)" } }
        @if choices.is_empty() {
            input id=(id) name=(name_of(variable)) type="text" value=(value);
        } @else {
            select id=(id) name=(name_of(variable)) {
                option value="" { "not said" }
                @for choice in choices { option value=(choice) selected[value == choice] { (choice) } }
            }
        }
        @match variable.kind.as_str() {
            "array" => p .hint { "Several with commas between them." },
            _ => { @if !variable.description.is_empty() { p .hint { (variable.description) } } }
        }
    }
}

/// What was sent for each variable, as the agent would give it. What is left empty was not said.
fn given(variables: &[Variable], sent: &Sent) -> Map<String, Value> {
    let value = |variable: &Variable| {
        let text = sent.get(&name_of(variable))?.trim();
        let number = || serde_json::from_str::<Number>(text).map(Value::Number).ok();
        let value = match variable.kind.as_str() {
            _ if text.is_empty() => return None,
            "boolean" => Value::Bool(text == "yes"),
            "number" | "integer" => number().unwrap_or_else(|| text.into()),
            "array" => text.split(',').map(|one| Value::from(one.trim())).collect(),
            _ => text.into(),
        };
        Some((variable.name.clone(), value))
    };
    variables.iter().filter_map(value).collect()
}

/// The arguments as JSON, for variables that say more than a field can.
fn as_json(document: &Value, arguments: &str) -> Markup {
    html! {
        label for="arguments" { "What the agent gives it" }
        textarea #arguments name="arguments" spellcheck="false" {
            @if arguments.is_empty() { (example(document)) } @else { (arguments) }
        }
        p .hint { "JSON, with a value for each variable." }
    }
}

/// Arguments with an empty text for each variable of a list.
fn example(document: &Value) -> String {
    let items = document["variables"].as_array().into_iter().flatten();
    let names = items.filter_map(|item| item["name"].as_str());
    let fields: Map<String, Value> = names.map(|name| (name.to_owned(), "".into())).collect();
    serde_json::to_string_pretty(&fields).unwrap_or_default()
}

pub(super) async fn try_it(
    PageRequest { state, viewer }: PageRequest,
    Path((id, function)): Path<(Uuid, Uuid)>,
    Form(sent): Form<Sent>,
) -> Shown {
    let inspected = Inspected::of(&state, viewer.clone(), id).await?;
    let document = inspected.document(function)?;
    let text = sent.get("arguments").map_or("", |text| text.trim());
    let arguments = match text {
        "" => Ok(given(&plain_variables(&document).unwrap_or_default(), &sent)),
        text => serde_json::from_str::<Map<String, Value>>(text).map_err(|error| {
            Problem::invalid("arguments", format!("accepted is a JSON object: {error}"))
        }),
    };
    let caller = sent.get("caller").map(String::as_str);
    let tried = match &arguments {
        Ok(arguments) => try_function(&state, &viewer, function, arguments, caller).await,
        Err(problem) => Err(problem.clone()),
    };
    let (status, came) = match tried {
        Ok(Tried::Ran(ran)) => (StatusCode::OK, ran_markup(&ran)),
        Ok(Tried::WouldDo(what)) => (StatusCode::OK, html! { p .note { (what) } }),
        Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            let why = plain(problem.detail.as_deref().unwrap_or_default());
            (problem.status(), html! { p .error role="alert" { (why) } })
        }
        Err(problem) => return Err(problem.into()),
    };
    let action = format!("/agents/{id}/functions/{function}");
    let body = html! {
        (form(&action, &document, &sent, came))
        p { a href=(action) { "Back to the function" } }
    };
    Ok(inspected.page(status, &title(&document), &body))
}

fn ran_markup(ran: &DryRun) -> Markup {
    html! {
        div role="status" {
            @if let Some(request) = &ran.request {
                h3 { "Sent" }
                pre tabindex="0" {
                    (request.method) " " (request.url) "\n"
                    @for (name, value) in &request.headers { (name) ": " (value) "\n" }
                    @if let Some(body) = &request.body { "\n" (body) }
                }
            }
            h3 { "Came back after " (ran.ms) " ms" }
            @match &ran.answer {
                Some(answer) => pre tabindex="0" {
                    (answer.status) " " (answer.content_type.as_deref().unwrap_or("")) "\n\n" (answer.body)
                },
                None => p .note.bad { "No answer." },
            }
            h3 { "What the agent is told" }
            pre tabindex="0" { (ran.output) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_variable_is_a_field_and_what_is_left_empty_was_not_said() {
        let document = json!({"type": "json_api", "variables": [
            {"name": "plan", "type": "text", "required": true},
            {"name": "how_many", "type": "integer"}, {"name": "new", "type": "boolean"},
            {"name": "size", "enum": ["s", "l"]}, {"name": "teeth", "type": "array"},
            {"name": "left", "type": "text"},
        ]});
        let sent: Sent = [
            ("argument.plan", " Gold "),
            ("argument.how_many", "2"),
            ("argument.new", "no"),
            ("argument.size", "l"),
            ("argument.teeth", "one, two"),
            ("argument.left", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let variables = plain_variables(&document).unwrap();
        let expected = json!({"plan": "Gold", "how_many": 2, "new": false, "size": "l",
            "teeth": ["one", "two"]});
        assert_eq!(Value::Object(given(&variables, &sent)), expected);
        let shown = form("/x", &document, &sent, html! {}).into_string();
        assert!(shown.contains("Plan (needed)") && shown.contains("How many"), "{shown}");
        assert!(shown.contains("value=\" Gold \"") && !shown.contains("JSON"), "{shown}");
        let more = json!({"variables": [{"name": "code", "pattern": "^[0-9]+$"}]});
        assert!(form("/x", &more, &Sent::new(), html! {}).into_string().contains("JSON"));
    }
}
