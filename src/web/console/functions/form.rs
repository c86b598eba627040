//! The form of a function.

use maud::{Markup, html};
use serde_json::Value;

use super::fields::{MORE_VARIABLES, TARGETS, TYPES, Variable, variables};
use super::list::named;
use super::summary::{self, built_in};
use crate::agent::function::Builtin;
use crate::agent::region::Region;
use crate::web::console::agent::Sent;
use crate::web::console::changes::{self, Of};
use crate::web::console::named_numbers;
use crate::web::console::plain::plain;
use crate::web::problem::FieldError;

/// The lines of a field that are shown at once: of an empty one, and at most.
const ROWS_MIN: usize = 3;
const ROWS_MAX: usize = 24;

/// What the form shows.
pub(super) struct FunctionForm<'a> {
    /// Its kind.
    pub(super) kind: &'a str,
    /// What stands in its fields.
    pub(super) texts: &'a Sent,
    /// Why it was not accepted, field by field.
    pub(super) errors: &'a [FieldError],
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
            (self.told())
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

    /// What is wrong, above the fields: the browser shows the beginning of the page.
    fn told(&self) -> Markup {
        html! {
            @if !self.errors.is_empty() {
                div .note.bad role="alert" {
                    p { "This was not saved. What you wrote is still here. Please look at:" }
                    ul {
                        @for error in self.errors {
                            @match self.shown().find(|name| is_of(&error.field, name)) {
                                Some(name) => li { a href={ "#" (id(name)) } { (named(&error.field)) } ": " (plain(&error.detail)) },
                                None => li { (plain(&error.detail)) },
                            }
                        }
                    }
                }
            }
        }
    }

    /// The fields that errors can stand beside.
    fn shown(&self) -> impl Iterator<Item = &'static str> {
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
        shown.iter().chain(&["name", "purpose", "trigger_reason"]).copied()
    }

    /// What is wrong with a field, and where in it.
    fn wrong<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f FieldError> {
        self.errors.iter().filter(move |error| is_of(&error.field, name))
    }

    fn is_wrong(&self, name: &str) -> bool {
        self.wrong(name).next().is_some()
    }

    fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    /// What is wrong with a field, and where in it.
    fn error(&self, name: &str) -> Markup {
        html! {
            @if self.is_wrong(name) {
                div id={ (id(name)) "-error" } {
                    @for FieldError { field, detail } in self.wrong(name) {
                        p .error {
                            @if field != name { code { (field) } ": " }
                            (plain(detail))
                        }
                    }
                }
            }
        }
    }

    fn described(&self, name: &str) -> Option<String> {
        self.is_wrong(name).then(|| format!("{}-error", id(name)))
    }

    fn line(&self, name: &str, label: &str, hint: &str) -> Markup {
        html! {
            label for=(id(name)) { (label) }
            input id=(id(name)) name=(name) type="text" value=(self.text(name))
                aria-invalid=[self.is_wrong(name).then_some("true")] aria-describedby=[self.described(name)];
            @if !hint.is_empty() { p .hint { (hint) } }
            (self.error(name))
        }
    }

    fn area(&self, name: &str, label: &str, hint: &str) -> Markup {
        html! {
            label for=(id(name)) { (label) }
            textarea id=(id(name)) name=(name) spellcheck="false" rows=(self.rows(name))
                aria-invalid=[self.is_wrong(name).then_some("true")] aria-describedby=[self.described(name)]
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
            label for="data-method" { "Method" }
            select #data-method name="data.method" {
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
            label for="data-builtin" { "Which" }
            select #data-builtin name="data.builtin" {
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
        let errors = self.errors.iter();
        let wrong: Vec<(String, String)> =
            errors.map(|error| (error.field.clone(), plain(&error.detail))).collect();
        html! {
            p .hint { "Only for “" (built_in(Builtin::TransferCall)) "”:" }
            @if self.texts.contains_key(TARGETS) {
                (self.area(TARGETS, name, "JSON: names with telephone numbers."))
            } @else {
                div id=(id(TARGETS)) {
                    (named_numbers::fields((TARGETS, name), &named_numbers::sent(self.texts, TARGETS).unwrap_or_default(), &example, &wrong))
                }
            }
        }
    }

    fn variables(&self) -> Markup {
        let list = variables(self.texts);
        let is_list = !self.texts.contains_key("variables");
        let empty = std::iter::repeat_n(Variable::default(), MORE_VARIABLES);
        html! {
            h2 id=[is_list.then_some("variables")] { "What the agent asks the caller for" }
            @if !is_list {
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
