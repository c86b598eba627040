//! The form for a Twilio account of an agent's own, on the page Numbers and in the set-up. What was typed
//! stands in it again if it was not accepted, but for the token, which is shown to nobody.

use maud::{Markup, html};
use serde::Deserialize;

use super::plain::plain;
use crate::private::Private;
use crate::web::numbers::account::NewAccount;
use crate::web::problem::Problem;

/// The names of the fields.
const SID: &str = "account_sid";
const TOKEN: &str = "auth_token";
const GIVES_UP: &str = "gives_number_up";
/// What an account SID is.
const SHAPE: &str = "AC and 32 digits or letters from a to f";

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Sent {
    #[serde(default)]
    account_sid: String,
    #[serde(default)]
    auth_token: String,
    gives_number_up: Option<String>,
}

impl Sent {
    /// The account that is to be used.
    pub(super) fn wanted(&self) -> NewAccount {
        NewAccount {
            sid: self.account_sid.trim().to_owned(),
            token: Private::new(self.auth_token.trim().to_owned()),
            gives_number_up: self.gives_number_up.is_some(),
        }
    }
}

/// What was sent, and why it was not accepted.
pub(super) struct Wrong<'a> {
    pub(super) sent: &'a Sent,
    pub(super) problem: &'a Problem,
}

impl Wrong<'_> {
    /// Why this field was not accepted.
    fn why(&self, name: &str) -> Option<String> {
        let is_it = self.problem.field.as_deref() == Some(name);
        is_it.then(|| self.words())
    }

    fn words(&self) -> String {
        plain(self.problem.detail.as_deref().unwrap_or(&self.problem.title))
    }

    /// The field that it is about; the first one where it is about none.
    fn field(&self) -> &'static str {
        match self.problem.field.as_deref() {
            Some(TOKEN) => TOKEN,
            Some(GIVES_UP) => GIVES_UP,
            _ => SID,
        }
    }

    /// What stands at the top of the page, with the way to the field.
    pub(super) fn told(&self, form: &AccountForm<'_>) -> Markup {
        html! {
            div .note.bad role="alert" tabindex="-1" autofocus {
                p { strong { "The account is not used." } " "
                    a href={ "#" (form.id(self.field())) } { "The Twilio account" } ": " (self.words()) }
                @if self.problem.is_unchanged() { p { "Nothing was changed. Enter the auth token once more: it is not shown." } }
            }
        }
    }
}

/// The form.
pub(super) struct AccountForm<'a> {
    /// Where it is sent.
    pub(super) action: &'a str,
    /// What tells its fields from those of another agent on the same page.
    pub(super) of: &'a str,
    /// What its button says.
    pub(super) button: &'a str,
    /// Whether it can be used although the agent's number is not on it.
    pub(super) may_give_up: bool,
    /// What was wrong with it.
    pub(super) wrong: Option<&'a Wrong<'a>>,
}

impl AccountForm<'_> {
    fn id(&self, name: &str) -> String {
        format!("{name}{}", self.of)
    }

    /// The form.
    pub(super) fn markup(&self) -> Markup {
        let sent = self.wrong.map(|wrong| wrong.sent);
        let sid = sent.map_or("", |sent| sent.account_sid.as_str());
        let gives_up = sent.is_some_and(|sent| sent.gives_number_up.is_some());
        html! {
            form method="post" action=(self.action) autocomplete="off" {
                label for=(self.id(SID)) { "Account SID" }
                input id=(self.id(SID)) name=(SID) value=(sid) required pattern={ r"\s*AC[0-9a-fA-F]{32}\s*" } title=(SHAPE)
                    spellcheck="false" aria-invalid=[self.invalid(SID)] aria-describedby=(self.described(SID));
                p .hint id={ (self.id(SID)) "-hint" } { (SHAPE) ", on the first page of Twilio's console." }
                (self.error(SID))
                label for=(self.id(TOKEN)) { "Auth token" }
                input id=(self.id(TOKEN)) name=(TOKEN) type="password" required autocomplete="off"
                    aria-invalid=[self.invalid(TOKEN)] aria-describedby=(self.described(TOKEN));
                p .hint id={ (self.id(TOKEN)) "-hint" } { "Beside the SID. Twilio is asked whether both are right. The token is kept encrypted if the server has a key, and never shown again." }
                (self.error(TOKEN))
                @if self.may_give_up {
                    label .check {
                        input id=(self.id(GIVES_UP)) type="checkbox" name=(GIVES_UP) value="yes" checked[gives_up]
                            aria-describedby=[self.invalid(GIVES_UP).map(|_| format!("{}-error", self.id(GIVES_UP)))];
                        " Use it all the same if the agent's number is not on it"
                    }
                    (self.error(GIVES_UP))
                }
                p .actions { button type="submit" { (self.button) } }
            }
        }
    }

    fn invalid(&self, name: &str) -> Option<&'static str> {
        self.wrong.and_then(|wrong| wrong.why(name)).map(|_| "true")
    }

    fn described(&self, name: &str) -> String {
        let id = self.id(name);
        match self.invalid(name) {
            Some(_) => format!("{id}-error {id}-hint"),
            None => format!("{id}-hint"),
        }
    }

    fn error(&self, name: &str) -> Markup {
        html! {
            @if let Some(why) = self.wrong.and_then(|wrong| wrong.why(name)) {
                p .error id={ (self.id(name)) "-error" } { (why) }
            }
        }
    }
}
