//! The last screen: the number. With it the agent begins to answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::Path;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Map;
use uuid::Uuid;

use super::forms::{back, progress};
use super::{Setup, Step, account, call, opened_with, shown, to_step};
use crate::agent::phone_number::readable;
use crate::clock::within;
use crate::store::access::{AgentAccess, Maintain, Role};
use crate::store::setup::SetupMove;
use crate::web::AppState;
use crate::web::console::errors::{Fault, Shown};
use crate::web::console::numbers::taken;
use crate::web::console::plain::plain;
use crate::web::console::twilio_account::Wrong;
use crate::web::editing::change::set_up;
use crate::web::numbers::{NumberItem, connect, of_agents, words};
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// How long Twilio may take to say what an account is. It is only for a hint.
const STATE_LIMIT: Duration = Duration::from_secs(3);

/// That an account of the agent's own counts now.
pub(super) fn account_accepted() -> Markup {
    html! {
        p .note .good role="status" { "Twilio accepts the account. Choose one of its numbers." }
    }
}

/// What the screen shows.
struct Numbers {
    list: Vec<NumberItem>,
    /// Why there are none.
    trouble: Option<String>,
    /// Whether the account is the agent's own, not the server's.
    is_own: bool,
    is_trial: bool,
}

async fn numbers(state: &Arc<AppState>, setup: &Setup) -> Result<Numbers, Fault> {
    let viewer = &setup.shell.viewer;
    let own = setup.shell.agents.only(Some(setup.row.id));
    let accounts = of_agents(state, viewer, &own).await;
    let account = accounts?.into_iter().next();
    let Some(account) = account else {
        return Ok(Numbers { list: Vec::new(), trouble: None, is_own: false, is_trial: false });
    };
    let (list, trouble) = match account.numbers {
        Ok(list) => (list, None),
        Err(error) => (Vec::new(), Some(words(&error))),
    };
    let mut is_trial = false;
    // Of the server's account only an administrator can make another one.
    if trouble.is_none()
        && (account.is_own || viewer.is_admin())
        && let Some(agent) = state.directory.by_id(setup.row.id).await
    {
        let asking = state.services.function_services.twilio.account_state(&agent);
        is_trial =
            within(STATE_LIMIT, asking).await.is_some_and(|told| told.is_ok_and(|it| it.is_trial));
    }
    Ok(Numbers { list, trouble, is_own: account.is_own, is_trial })
}

pub(super) async fn form(
    state: &Arc<AppState>,
    setup: &Setup,
    told: &Markup,
    wrong: Option<&Wrong<'_>>,
) -> Result<Markup, Fault> {
    let numbers = numbers(state, setup).await?;
    let id = setup.row.id;
    let may_own = setup.shell.agent().is_some_and(|agent| agent.role >= Role::Owner);
    let has = setup.number();
    let takes_calls = numbers.list.iter().filter(|number| number.calls_go != "no_calls");
    let (taken_ones, takes_calls): (Vec<&NumberItem>, Vec<&NumberItem>) =
        takes_calls.partition(|number| number.is_taken);
    let has_taken = !taken_ones.is_empty();
    Ok(html! {
        h1 { "Which number does it answer?" }
        (progress(Step::Number))
        (told)
        form .card method="post" action={ "/setup/" (id) "/finish" } {
            fieldset {
                legend { "Number" }
                @for number in &takes_calls { (choice(number, has)) }
                @for number in taken_ones { p .hint { (readable(&number.number)) ": " (taken(&setup.shell.agents, number)) } }
                label .check {
                    // Who has numbers to choose from says so.
                    input type="radio" name="sid" value="" required checked[!has.is_empty() || takes_calls.is_empty()];
                    @if has.is_empty() { " Later" } @else { " It keeps " bdi { (readable(has)) } }
                }
                @if let Some(trouble) = &numbers.trouble { p .note .warn { (trouble) } }
                @else if takes_calls.is_empty() && !has_taken { p .hint { (none_yet(numbers.is_own)) } }
                @if numbers.is_trial {
                    p .note .warn { "This is a trial account: only telephones that were verified at Twilio can call, and it ends after 30 days. Upgrade it in Twilio's console before customers call." }
                }
                p .hint { "What Twilio did with a number before is kept, and can be put back on the page Numbers." }
            }
            @if !takes_calls.is_empty() { p .hint { "You keep the number that you have? Choose one here all the same; the next page says how to forward yours to it." } }
            p .actions { button .main type="submit" { "Finish" } }
        }
        @if may_own { (account::form(setup, numbers.is_own, wrong)) }
        (back(id, Step::Try))
    })
}

fn none_yet(is_own: bool) -> &'static str {
    match is_own {
        true => {
            "Your Twilio account has no number that takes calls. Buy one in Twilio's console, and load this page again."
        }
        false => {
            "Whoever runs this server gives an agent a number of its Twilio account. Or enter an account of your own below, or finish now and choose a number later."
        }
    }
}

fn choice(number: &NumberItem, has: &str) -> Markup {
    let (badge, words) = match number.calls_go {
        "here" => ("good", "comes here"),
        "elsewhere" | "application" | "trunk" => ("warn", "in use"),
        _ => ("", ""),
    };
    let now = match number.calls_go {
        "elsewhere" => {
            let host = number.elsewhere.as_deref().unwrap_or("another server");
            format!("Its calls go to {host} now. If you choose it, they come here instead.")
        }
        "application" => {
            "A Twilio application takes its calls now. If you choose it, they come here instead."
                .into()
        }
        "trunk" => {
            "A SIP trunk takes its calls now. If you choose it, they come here instead.".into()
        }
        _ => String::new(),
    };
    html! {
        label .check {
            input type="radio" name="sid" value=(number.sid) required;
            span {
                (readable(&number.number))
                @if !words.is_empty() { " " span class={ "badge " (badge) } { (words) } }
                @if number.number == has { " " span .badge { "its number" } }
            }
        }
        @if !now.is_empty() { p .hint { (now) } }
    }
}

/// What the screen sends: a number to connect, or nothing.
#[derive(Debug, Deserialize)]
pub(super) struct FinishForm {
    #[serde(default)]
    sid: String,
}

/// The last screen was sent. The number comes first: an agent whose number was not connected goes on
/// being set up.
pub(super) async fn finish(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(form): Form<FinishForm>,
) -> Shown {
    let (setup, access) = opened_with::<Maintain>(&state, viewer, id, "agent.activate").await?;
    // It ends where it has been gone through.
    if setup.reached < Step::Number {
        return Ok(to_step(id, setup.reached));
    }
    if let Err(problem) = finished(&state, &setup, &access, &form).await {
        return not_finished(&state, &setup, &problem).await;
    }
    Ok(call::from_now(id))
}

async fn finished(
    state: &Arc<AppState>,
    setup: &Setup,
    access: &AgentAccess<Maintain>,
    form: &FinishForm,
) -> Result<(), Problem> {
    let viewer = &setup.shell.viewer;
    if !form.sid.is_empty() {
        connect(state, viewer, access, &form.sid).await?;
    }
    set_up(state, viewer, setup.row.id, Map::new(), SetupMove::End).await
}

/// The screen once more, with why the agent does not answer yet.
async fn not_finished(state: &Arc<AppState>, setup: &Setup, problem: &Problem) -> Shown {
    let why = match problem.status() {
        StatusCode::NOT_FOUND => "There is no such number any more.".to_owned(),
        _ => plain(problem.detail.as_deref().unwrap_or_default()),
    };
    let told = html! {
        p .note .bad role="alert" tabindex="-1" autofocus { (why) " The agent does not answer yet; choose again." }
    };
    let body = form(state, setup, &told, None).await?;
    Ok(shown(&setup.shell, problem.status(), &body))
}
