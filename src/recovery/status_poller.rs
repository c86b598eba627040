//! Polls Twilio's call resource for calls that no process has: those that a dead process left, and
//! those whose caller is out and unheard of. A task of its own, so that a slow or unreachable
//! Twilio delays no heartbeat.
//!
//! A call that is over is completed as Twilio says it ended. A caller whose process is dead and who
//! is still there goes back to the agent, at the process that Twilio asks next. Of several
//! processes one polls: the row says when the call may be polled again, and the poller moves that
//! time first.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use metrics::counter;
use tokio::sync::mpsc;
use tracing::{info, warn};
use uuid::Uuid;

use super::completion::{CameTo, complete_live};
use super::reconciler::complete_left;
use crate::agent::Agent;
use crate::call::lifecycle::{self, News, Plan, Question, Standing};
use crate::call::{CallRecord, is_test};
use crate::clock::{self, Clock};
use crate::store::{Abandoned, Asking, Result, Store, StoreError};
use crate::twilio::form::CallStatus;
use crate::twilio::rest::{CallNews, CallUpdate, RestError, TwilioRest, Updated};
use crate::twilio::twiml::Twiml;

/// Calls that wait to be polled. When the queue is full, the next round gives them again.
const QUEUE: usize = 256;
/// Calls that are polled at once. Twilio answers a hundred requests of an account at a time.
const AT_ONCE: usize = 24;
/// How often the poller looks for callers who are out and unheard of.
const OUTINGS_PAUSE: Duration = Duration::from_secs(5);
/// How many of those it polls at a time: with the pause, at most two requests a second.
const OUTINGS_PER_ROUND: i64 = 10;
/// How long Twilio may take to say where a call is, or to do something with it. With this and the
/// pause a call that a dead process left is completed within 30 s also if Twilio never answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
/// For how many seconds no other process polls a call that this one polls: two answers, and some
/// more.
const ASK_AGAIN_SECONDS: i32 = 10;
/// How long a statement may take.
const STORE_LIMIT: Duration = Duration::from_secs(2);
/// Who hears of a call's end as we do, and knows more of it, is first: the owner's webhook tells of the
/// first completion.
const OTHERS_FIRST: Duration = Duration::from_secs(3);

/// Finds an agent by its id.
pub type FindAgent = Box<dyn Fn(Uuid) -> BoxFuture<'static, Option<Arc<Agent>>> + Send + Sync>;

/// Hands calls that a dead process left to the poller.
#[derive(Debug, Clone)]
pub struct LeftCalls(mpsc::Sender<Abandoned>);

impl LeftCalls {
    /// The sending and the receiving end of the queue.
    pub fn queue() -> (Self, mpsc::Receiver<Abandoned>) {
        let (give, given) = mpsc::channel(QUEUE);
        (Self(give), given)
    }

    /// Hands a call to the poller. If the queue is full, the next round hands it again.
    pub(super) fn give(&self, call: Abandoned) {
        let _ = self.0.try_send(call);
    }
}

/// Polls Twilio's call resource for calls that no process has.
pub struct StatusPoller {
    store: Store,
    twilio: TwilioRest,
    agents: FindAgent,
    /// The TwiML that gives a caller back: it asks `/twilio/after` what happens next.
    back: String,
}

impl StatusPoller {
    /// A poller that asks `twilio`, and sends callers who go back to the agent to `after_url`.
    pub fn new(store: Store, twilio: TwilioRest, agents: FindAgent, after_url: &str) -> Self {
        let back = Twiml::new().redirect(after_url).finish();
        Self { store, twilio, agents, back }
    }

    /// Polls the calls that it is handed and those of callers who are out, without end; dropping
    /// the future stops it.
    pub async fn run(self, clock: Clock, mut given: mpsc::Receiver<Abandoned>) {
        let asker = self;
        let mut asking = FuturesUnordered::new();
        let mut known = HashSet::new();
        let mut outings_at = clock.now() + OUTINGS_PAUSE;
        loop {
            tokio::select! {
                Some(id) = asking.next() => { known.remove(&id); }
                call = given.recv(), if asking.len() < AT_ONCE => {
                    let Some(call) = call else { return };
                    if known.insert(call.id) {
                        asking.push(asker.ask(call, Whose::Nobodys));
                    }
                }
                () = clock.sleep_until(outings_at), if asking.len() < AT_ONCE => {
                    outings_at = clock.now() + OUTINGS_PAUSE;
                    for call in asker.outings().await {
                        if known.insert(call.id) {
                            asking.push(asker.ask(call, Whose::Out));
                        }
                    }
                }
            }
        }
    }

    async fn outings(&self) -> Vec<Abandoned> {
        let due = self.store.outings_to_ask_about(OUTINGS_PER_ROUND);
        match clock::within(STORE_LIMIT, due).await {
            Some(Ok(calls)) => calls,
            // The log says already that the database is away.
            Some(Err(_)) if self.store.is_out() => Vec::new(),
            Some(Err(error)) => {
                warn!(%error, "callers who are out could not be looked for");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Polls one call, does what follows, and returns which call it was.
    async fn ask(&self, call: Abandoned, whose: Whose) -> Uuid {
        let asked = match whose {
            Whose::Nobodys => self.ask_left(&call).await,
            Whose::Out => self.ask_out(&call).await,
        };
        if let Err(error) = asked {
            warn!(%error, call = %call.id, "a call that nobody has could not be seen to");
        }
        call.id
    }

    /// Polls a call that its process left.
    ///
    /// # Errors
    /// [`StoreError`]; the next round hands the call again.
    pub async fn ask_left(&self, call: &Abandoned) -> Result<()> {
        let agent = (self.agents)(call.agent_id).await;
        let cannot_ask = agent.as_ref().is_some_and(|agent| !self.twilio.has_account(agent));
        if cannot_ask || is_test(&call.call_sid) {
            let unasked = Question::Abandoned { news: News::NoAccount, asks: 1 };
            return self.complete(call, unasked, None).await;
        }
        let Some(asking) = limited(self.store.ask_about(call, ASK_AGAIN_SECONDS)).await? else {
            return Ok(());
        };
        let (news, seconds) = match &agent {
            Some(agent) => self.news(agent, call, asking).await,
            // The agent could not be read. If it was deleted, its calls were deleted with it.
            None => (News::Silent, None),
        };
        let question = Question::Abandoned { news, asks: asking.asks };
        let record = CallRecord::new();
        match (lifecycle::next(Standing::Live { record: &record, is_out: false }, question), agent)
        {
            (Plan::Wait, _) => Ok(()),
            (Plan::GiveBack, Some(agent)) => self.give_back(&agent, call, asking).await,
            _ => self.complete(call, question, seconds).await,
        }
    }

    /// Gets the state of a call from Twilio, and its length if it is over.
    async fn news(&self, agent: &Agent, call: &Abandoned, asking: Asking) -> (News, Option<u64>) {
        let asked = self.twilio.fetch_call(agent, &call.call_sid);
        let news = clock::within(ANSWER_LIMIT, asked).await.unwrap_or(Err(RestError::Unknown));
        count(&news);
        match news {
            Ok(news) if news.status.is_over() => (over(call, &news, asking), news.seconds),
            Ok(_) => (News::Live, None),
            // Too many requests are no answer either.
            Err(
                RestError::Unknown
                | RestError::Unreachable
                | RestError::Refused { status: 429, .. },
            ) => (News::Silent, None),
            Err(_) => (News::Refused, None),
        }
    }

    /// Gives a caller who is still there back to the agent, at the process that Twilio asks.
    async fn give_back(&self, agent: &Agent, call: &Abandoned, asking: Asking) -> Result<()> {
        if !limited(self.store.is_left(call)).await? {
            return Ok(());
        }
        let update = CallUpdate::Twiml(&self.back);
        let updating = self.twilio.update_call(agent, &call.call_sid, update);
        match clock::within(ANSWER_LIMIT, updating).await {
            Some(Ok(Updated::Done)) => {
                counter!("frontdesk_calls_picked_up_total").increment(1);
                info!(call_sid = call.call_sid, "a caller whom nobody had is asked back");
                Ok(())
            }
            Some(Ok(Updated::AlreadyOver)) => {
                let news = CallNews { status: CallStatus::Completed, seconds: None };
                let question =
                    Question::Abandoned { news: over(call, &news, asking), asks: asking.asks };
                self.complete(call, question, None).await
            }
            Some(Err(error)) => {
                warn!(call_sid = call.call_sid, %error, "a caller could not be asked back");
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn complete(
        &self,
        call: &Abandoned,
        question: Question,
        seconds: Option<u64>,
    ) -> Result<()> {
        limited(complete_left(&self.store, call, question, seconds)).await.map(drop)
    }

    /// Polls the call of a caller who is out.
    ///
    /// # Errors
    /// [`StoreError`]; the call is polled again.
    pub async fn ask_out(&self, call: &Abandoned) -> Result<()> {
        let agent = (self.agents)(call.agent_id).await;
        let may_ask =
            |agent: &Arc<Agent>| self.twilio.has_account(agent) && !is_test(&call.call_sid);
        let Some(agent) = agent.filter(may_ask) else {
            return Ok(());
        };
        let asked = self.twilio.fetch_call(&agent, &call.call_sid);
        let news = clock::within(ANSWER_LIMIT, asked).await.unwrap_or(Err(RestError::Unknown));
        count(&news);
        let Some(news) = news.ok().filter(|news| news.status.is_over()) else { return Ok(()) };
        clock::pause(OTHERS_FIRST).await;
        let now_us = i64::try_from(clock::unix_now().as_micros()).unwrap_or(i64::MAX);
        let at_us = ended_us(call.started_us, &news).unwrap_or(now_us).min(now_us);
        let completing =
            complete_live(&self.store, call.agent_id, &call.call_sid, &CameTo::Over, at_us);
        if limited(completing).await? {
            info!(call_sid = call.call_sid, "a caller who was out is gone, says Twilio");
        }
        Ok(())
    }
}

/// Who has a call that is polled.
#[derive(Debug, Clone, Copy)]
enum Whose {
    /// Nobody: its process left it.
    Nobodys,
    /// Nobody, as it should be: its caller is out.
    Out,
}

fn count(news: &std::result::Result<CallNews, RestError>) {
    let said = match news {
        Ok(news) if news.status.is_over() => "over",
        Ok(_) => "live",
        Err(_) => "nothing",
    };
    counter!("frontdesk_calls_asked_about_total", "said" => said).increment(1);
}

fn ended_us(started_us: i64, news: &CallNews) -> Option<i64> {
    let seconds = i64::try_from(news.seconds?).ok()?;
    Some(started_us.saturating_add(seconds.saturating_mul(1_000_000)))
}

/// Decides how a call is completed that Twilio says is over.
fn over(call: &Abandoned, news: &CallNews, asking: Asking) -> News {
    let outlived = ended_us(call.started_us, news)
        .zip(asking.owner_beat_us)
        .is_some_and(|(ended_us, beat_us)| ended_us < beat_us);
    let unanswered =
        matches!(news.status, CallStatus::Busy | CallStatus::NoAnswer | CallStatus::Canceled);
    News::Over { answered: !unanswered, outlived }
}

async fn limited<T>(statement: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || Err(StoreError::Slow("a statement took too long".to_owned()));
    clock::within(STORE_LIMIT, statement).await.unwrap_or_else(late)
}
