//! The form of a function.

use maud::{Markup, html};
use serde_json::Value;

use super::fields::{MORE_VARIABLES, TARGETS, TYPES, Variable, variables};
use super::summary::{self, built_in};
use crate::agent::function::Builtin;
use crate::agent::region::Region;
use crate::web::console::agent::Sent;
use crate::web::console::changes::{self, Of};
use crate::web::console::named_numbers;
use crate::web::console::plain::plain;
use crate::web::problem::Problem;

/// The lines of a field that are shown at once: of an empty one, and at most.
const ROWS_MIN: usize = 3;
const ROWS_MAX: usize = 24;

/// What the form shows.
pub(super) struct FunctionForm<'a> {
    /// Its kind.
    pub(super) kind: &'a str,
    /// What stands in its fields.
    pub(super) texts: &'a Sent,
    /// Why it was not accepted.
    pub(super) problem: Option<&'a Problem>,
    /// Where it is sent.
    pub(super) action: &'a str,
    /// What was seen, for a function that is there.
    pub(super) version: Option<&'a str>,
    /// Where the business is.
    pub(super) region: Option<Region>,
}

impl FunctionForm<'_> {
    /// The form.
    pub(super) fn markup(&self) -> Markup {
        html! {
            @if let Some(problem) = self.problem.filter(|problem| !self.is_beside(problem)) {
                p .note.bad role="alert" { (plain(problem.detail.as_deref().unwrap_or(&problem.title))) }
            }
            form method="post" action=(self.action) {
                input type="hidden" name="type" value=(self.kind);
                @if let Some(version) = self.version { input type="hidden" name="version" value=(version); }
                (self.line("name", "Name", "As the agent calls it: letters, digits, - and _."))
                (self.area("purpose", "What it is for", "The agent decides by this when to use it."))
                (self.area("trigger_reason", "When to use it", "Such as: the caller asks for a price."))
                @match self.kind {
                    "json_api" => (self.json_api()),
                    "form" => (self.form()),
                    "flows" => (self.flow()),
                    _ => (self.built_in()),
                }
                @if self.kind != "function" { (self.variables()) }
                (self.check("is_active", "The agent may use it"))
                (self.check("save_data", "Keep what was collected and answered"))
                (self.check("is_shownable", "Show what was kept in the console"))
                p { button .main type="submit" { "Save" } }
            }
        }
    }

    /// The fields that errors can stand beside.
    fn is_beside(&self, problem: &Problem) -> bool {
        let Some(field) = problem.field.as_deref() else { return false };
        let shown: &[&str] = match self.kind {
            "json_api" => &[
                "data.method",
                "data.url",
                "data.headers",
                "data.query",
                "data.body",
                "data.timeout_ms",
                "data.result",
                "variables",
            ],
            "form" => &["data.title", "data.submit_url", "variables"],
            "flows" => &["data.start", "data.nodes", "variables"],
            _ => &["data.builtin", "data.targets"],
        };
        let all = shown.iter().chain(&["name", "purpose", "trigger_reason"]);
        all.into_iter().any(|name| is_of(field, name))
    }

    fn why(&self, name: &str) -> Option<&str> {
        let problem = self.problem?;
        let field = problem.field.as_deref()?;
        is_of(field, name).then(|| problem.detail.as_deref().unwrap_or_default())
    }

    fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    /// What is wrong with a field, and where in it.
    fn error(&self, name: &str) -> Markup {
        let field = self.problem.and_then(|problem| problem.field.as_deref()).unwrap_or(name);
        html! {
            @if let Some(why) = self.why(name) {
                p .error id={ (id(name)) "-error" } {
                    @if field != name { code { (field) } ": " }
                    (plain(why))
                }
            }
        }
    }

    fn described(&self, name: &str) -> Option<String> {
        self.why(name).map(|_| format!("{}-error", id(name)))
    }

    fn line(&self, name: &str, label: &str, hint: &str) -> Markup {
        html! {
            label for=(id(name)) { (label) }
            input id=(id(name)) name=(name) type="text" value=(self.text(name))
                aria-invalid=[self.why(name).map(|_| "true")] aria-describedby=[self.described(name)];
            @if !hint.is_empty() { p .hint { (hint) } }
            (self.error(name))
        }
    }

    fn area(&self, name: &str, label: &str, hint: &str) -> Markup {
        html! {
            label for=(id(name)) { (label) }
            textarea id=(id(name)) name=(name) spellcheck="false" rows=(self.rows(name))
                aria-invalid=[self.why(name).map(|_| "true")] aria-describedby=[self.described(name)]
                { (self.text(name)) }
            @if !hint.is_empty() { p .hint { (hint) } }
            (self.error(name))
        }
    }

    /// As many lines as stand in a field, so far as a page has room for them.
    fn rows(&self, name: &str) -> usize {
        self.text(name).lines().count().clamp(ROWS_MIN, ROWS_MAX)
    }

    fn check(&self, name: &str, label: &str) -> Markup {
        html! {
            label .check {
                input id=(id(name)) type="checkbox" name=(name) value="yes" checked[!self.text(name).is_empty()];
                (label)
            }
        }
    }

    fn json_api(&self) -> Markup {
        const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
        let method = self.text("data.method");
        html! {
            h2 { "The request" }
            p .hint {
                "In each of these " code { "{{ args.name }}" } " stands for what the caller said, "
                code { "{{ caller.number }}" } " for the caller's number, "
                code { "{{ secrets.NAME }}" } " for a secret."
            }
            label for="method" { "Method" }
            select #method name="data.method" {
                option value="" selected[method.is_empty()] { "GET, or POST with a body" }
                @for one in METHODS { option value=(one) selected[method.eq_ignore_ascii_case(one)] { (one) } }
            }
            (self.error("data.method"))
            (self.line("data.url", "Address", "Such as https://example.com/prices."))
            (self.area("data.headers", "Headers", "One a line, such as: Authorization: Bearer {{ secrets.CRM }}. Keys that are written out are shown as ********."))
            (self.area("data.query", "Query", "One a line, such as: date: {{ args.date }}"))
            (self.area("data.body", "Body", "Text, or JSON such as {\"plan\": \"{{ args.plan }}\"}."))
            (self.line("data.result", "Where the result is in the answer", "Such as /data/items; empty: all of it."))
            (self.line("data.timeout_ms", "Longest wait, in seconds", "0.1 to 20; 8 unless set."))
        }
    }

    fn form(&self) -> Markup {
        html! {
            h2 { "The form" }
            (self.line("data.title", "Title", ""))
            (self.line("data.submit_url", "Where it is handed in", "Empty: what was said is kept here, as ticked below."))
        }
    }

    fn flow(&self) -> Markup {
        html! {
            h2 { "The steps" }
            (self.line("data.start", "The first step", "Its name."))
            (summary::steps(self.text("data.start").trim(), self.text("data.nodes")))
            (self.area("data.nodes", "Steps", "JSON: each step by its name. A step has one of say, ask, call, branch, transfer, end."))
        }
    }

    fn built_in(&self) -> Markup {
        let chosen = self.text("data.builtin");
        html! {
            h2 { "What it is" }
            label for="builtin" { "Which" }
            select #builtin name="data.builtin" {
                @for builtin in Builtin::all() {
                    option value=(builtin.name()) selected[chosen == builtin.name()] { (built_in(builtin)) }
                }
            }
            p .hint { "Every agent has it. Switched off here, the agent cannot do it; with a name, it has that name." }
            (self.error("data.builtin"))
            (self.targets())
        }
    }

    /// Whom callers are put through to, which is of one of those alone.
    fn targets(&self) -> Markup {
        let (name, example) = ("Numbers to put through to", Region::example(self.region));
        let wrong: Vec<(String, String)> = self
            .problem
            .into_iter()
            .filter_map(|problem| {
                Some((problem.field.clone()?, plain(problem.detail.as_deref().unwrap_or_default())))
            })
            .collect();
        html! {
            p .hint { "Only for “" (built_in(Builtin::TransferCall)) "”:" }
            @if self.texts.contains_key(TARGETS) {
                (self.area(TARGETS, name, "JSON: names with telephone numbers."))
            } @else {
                (named_numbers::fields((TARGETS, name), &named_numbers::sent(self.texts, TARGETS).unwrap_or_default(), &example, &wrong))
            }
        }
    }

    fn variables(&self) -> Markup {
        let list = variables(self.texts);
        let empty = std::iter::repeat_n(Variable::default(), MORE_VARIABLES);
        html! {
            h2 { "What the agent asks the caller for" }
            @if self.texts.contains_key("variables") {
                (summary::asked_for(self.text("variables")))
                (self.area("variables", "Variables", "JSON: a list, or a JSON Schema of an object."))
            } @else {
                (self.error("variables"))
                @for (n, variable) in list.into_iter().chain(empty).enumerate() { (one_variable(n, &variable)) }
            }
        }
    }
}

fn one_variable(n: usize, variable: &Variable) -> Markup {
    let of = |name: &str| format!("variables.{n}.{name}");
    let label = |name: &str| format!("{name} of variable {}", n + 1);
    html! {
        fieldset {
            legend { @if variable.name.is_empty() { "Another one" } @else { (variable.name) } }
            div .form-row {
                input type="text" name=(of("name")) value=(variable.name) placeholder="name" aria-label=(label("Name"));
                select name=(of("type")) aria-label=(label("Kind")) {
                    @for (value, meaning) in TYPES { option value=(value) selected[variable.kind == value] { (meaning) } }
                }
                input type="text" name=(of("description")) value=(variable.description) placeholder="what it is" aria-label=(label("Meaning"));
                input type="text" name=(of("choices")) value=(variable.choices) placeholder="choices, with commas" aria-label=(label("Choices"));
                label .check { input type="checkbox" name=(of("required")) value="yes" checked[variable.is_required]; "needed" }
            }
        }
    }
}

fn is_of(field: &str, name: &str) -> bool {
    field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn id(name: &str) -> String {
    name.replace('.', "-")
}

/// What somebody else wrote meanwhile, beside what was sent.
pub(super) fn meanwhile(conflict: &Value) -> Markup {
    let differs = crate::web::editing::diff::changes(&conflict["stored"], &conflict["yours"]);
    html! {
        div .note.warn role="alert" {
            p { "Somebody changed this after you had opened it. What is stored now stands under “Before”, yours under “After”. Save again to put yours in its place." }
            (changes::list(&differs, Of::Function))
        }
    }
}
