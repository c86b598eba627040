//! Sums a call up: asks the language service, checks what it says against what was said, and
//! writes it all at once.
//!
//! The transcript may hold anything, also words that were meant for the model. So what the model
//! says decides nothing by itself: its answer has a fixed shape, an appointment needs lines of both
//! and a second look, and whether a claim is true is read from the functions that succeeded.

mod answer;
mod appointments;
mod ask;
mod claims;
mod second_look;
mod silent;
mod transcript;

use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, Zoned};
use metrics::counter;
use moka::sync::Cache;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::answer::{Answer, AnswerError, SCHEMA};
use self::appointments::{Judge, Judged};
use self::ask::{AskError, Chat, Question};
use self::transcript::{Speaker, Transcript};
use super::breaker::Breaker;
use super::job_worker::{Done, Failure, RetryPolicy, Work};
use super::tasks::tasks;
use crate::agent::Agent;
use crate::agent::prompt::Prompts;
use crate::config::OpenAi;
use crate::private::Private;
use crate::store::{EndedCall, Findings, Job, JobKind, Store, StoreError, Stored};

/// A service that is down for hours finds the calls waiting; it is asked often enough to be back
/// within minutes.
const UNAVAILABLE: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(2),
    longest: Duration::from_secs(300),
    in_all: Duration::from_secs(48 * 3_600),
};
/// An answer that cannot be used costs as much as one that can, and the next one is likely alike.
const UNUSABLE: RetryPolicy = RetryPolicy { longest: Duration::from_secs(3_600), ..UNAVAILABLE };
/// How often a process asks for a call's summary until it takes it that none can be had.
const UNUSABLE_MAX: u32 = 5;
/// How long an answer may take. A model that thinks over a long call takes half a minute.
const ASK_LIMIT: Duration = Duration::from_secs(60);
/// Does not try again.
const GIVEN_UP: RetryPolicy = RetryPolicy { in_all: Duration::ZERO, ..UNUSABLE };
/// Calls of which it is remembered how often they were asked for in vain.
const REMEMBERED: u64 = 10_000;

/// Makes the summary of a call, with its claims and appointments.
#[derive(Debug)]
pub struct Summaries {
    store: Store,
    prompts: Arc<Prompts>,
    chat: Chat,
    breaker: Breaker,
    /// How many unusable answers came about each call.
    unusable: Cache<Uuid, u32>,
}

/// Why a call was not summed up. Nothing of it is in the text.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// The database did not take or give what was needed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The language service did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The language service gave an answer that cannot be used.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// A prompt cannot be rendered.
    #[error("the template summary.md failed")]
    Prompt,
}

impl SummaryError {
    fn patience(&self) -> RetryPolicy {
        match self {
            Self::Store(_) => UNAVAILABLE,
            Self::Ask(error) if error.may_pass() => UNAVAILABLE,
            Self::Ask(_) | Self::Answer(_) | Self::Prompt => UNUSABLE,
        }
    }
}

impl Summaries {
    /// By this model of the service.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(
        store: Store,
        prompts: Arc<Prompts>,
        service: &OpenAi,
        model: &str,
    ) -> Result<Self, reqwest::Error> {
        let unusable =
            Cache::builder().max_capacity(REMEMBERED).time_to_live(UNUSABLE.in_all).build();
        let (chat, breaker) = (Chat::new(service, model)?, Breaker::new("chat"));
        Ok(Self { store, prompts, chat, breaker, unusable })
    }

    async fn sum_up(&self, job: &Job) -> Result<Done, SummaryError> {
        let Some(call) = self.store.ended_call(job.call_log_id).await? else {
            return Ok(Done::Done("the call is gone"));
        };
        // Every call that is over comes by here, whoever completed it.
        self.store.compact_events(job.call_log_id).await?;
        let Some(row) = self.store.agent_by_id(call.agent_id).await? else {
            return Ok(Done::Done("the agent is gone"));
        };
        let agent = Agent::new(row);
        let findings = self.findings(&agent, &call).await?;
        match self.store.store_findings(job, &findings).await? {
            Stored::Stored => {}
            Stored::Outdated | Stored::Lost => tracing::info!("the call is summed up anew"),
        }
        Ok(Done::Settled)
    }

    /// What a call comes to, before it is compared with what is booked. The database is not asked.
    ///
    /// # Errors
    /// If the language service gives no answer that can be used.
    pub async fn findings(
        &self,
        agent: &Agent,
        call: &EndedCall,
    ) -> Result<Findings, SummaryError> {
        let transcript = Transcript::read(call.transcript.reveal());
        let mut findings = match transcript.has_words_of(Speaker::Caller) {
            true => self.find(agent, call, &transcript).await?,
            false => silent::findings(agent, call),
        };
        findings.tasks = tasks(agent, call, Some(&findings));
        Ok(findings)
    }

    /// What a conversation comes to.
    async fn find(
        &self,
        agent: &Agent,
        call: &EndedCall,
        transcript: &Transcript,
    ) -> Result<Findings, SummaryError> {
        let instructions = self.instructions(agent, &began(agent, call))?;
        let record = record(agent, call, transcript);
        let question = Question { name: "call_summary", schema: &SCHEMA, limit: ASK_LIMIT };
        let said = self.chat.ask(&question, instructions, record.to_string()).await;
        let answer = Answer::read(&self.noted(said)?)?;
        let functions = call.metadata.reveal()["functions"].as_array();
        let functions = functions.map(Vec::as_slice).unwrap_or_default();
        let done = claims::Done::of(agent, functions, &call.status);
        let unbacked = claims::unbacked(&answer.claims, transcript, &done);
        counter!("frontdesk_aftercall_unbacked_claims_total").increment(unbacked.len() as u64);
        let judged = Judge { agent, call, transcript, done: &done }.all(&answer.appointments);
        // Nothing that was said in a test is an appointment.
        let is_test = call.metadata.reveal()["test"] == true;
        let judged = if is_test { Vec::new() } else { judged };
        let appointments = self.look_again(judged, transcript, &began(agent, call)).await;
        let mut summary = answer.summary();
        summary.insert("unbacked_claims".to_owned(), json!(unbacked));
        summary.insert("model".to_owned(), json!(self.chat.model()));
        Ok(Findings {
            summary: Private::new(Value::Object(summary)),
            metadata: Private::new(json!({"unbacked_claims": unbacked})),
            appointments: Private::new(Value::Array(appointments)),
            tasks: Vec::new(),
        })
    }

    /// Asks about each appointment that would be written, all at the same time.
    async fn look_again(
        &self,
        judged: Vec<Judged>,
        transcript: &Transcript,
        began: &Zoned,
    ) -> Vec<Value> {
        let looks = judged.into_iter().map(|mut one| async move {
            if let Ok(candidate) = &one.outcome
                && let Some(why) =
                    second_look::objection(&self.chat, transcript, began, candidate).await
            {
                one.outcome = Err(why);
            }
            one.into_json()
        });
        futures_util::future::join_all(looks).await
    }

    /// Tells the breaker whether the service answered.
    fn noted<T>(&self, answer: Result<T, AskError>) -> Result<T, AskError> {
        match &answer {
            Err(error) if error.may_pass() => self.breaker.failed(),
            Ok(_) | Err(_) => self.breaker.answered(),
        }
        answer
    }

    /// A replaced template that fails on this agent must not cost it its summaries.
    fn instructions(&self, agent: &Agent, began: &Zoned) -> Result<String, SummaryError> {
        self.prompts.render_summary(agent, began).or_else(|error| {
            tracing::warn!(%error, "a prompt template failed");
            Prompts::built_in().render_summary(agent, began).map_err(|_| SummaryError::Prompt)
        })
    }
}

impl Work for Summaries {
    const KIND: JobKind = JobKind::Summary;

    async fn carry_out(self: Arc<Self>, job: Job) -> Result<Done, Failure> {
        self.sum_up(&job).await.map_err(|error| {
            let mut patience = error.patience();
            if patience == UNUSABLE {
                let answers = self.unusable.get(&job.call_log_id).unwrap_or_default() + 1;
                self.unusable.insert(job.call_log_id, answers);
                if answers >= UNUSABLE_MAX {
                    patience = GIVEN_UP;
                }
            }
            Failure { patience, error: error.to_string() }
        })
    }

    fn room(&self) -> usize {
        self.breaker.room()
    }

    fn patience(&self) -> RetryPolicy {
        UNAVAILABLE
    }
}

/// When the call began, by the clock on the business's wall.
fn began(agent: &Agent, call: &EndedCall) -> Zoned {
    let at = Timestamp::from_microsecond(call.started_us).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(agent.hours.zone().clone())
}

/// The most that is told of what a function returned, bytes of JSON.
const RESULT_BYTES: usize = 1_000;
/// The most functions that are told.
const FUNCTIONS_MAX: usize = 100;

/// The call as the model is given it: data in a shape that nothing in it can leave.
fn record(agent: &Agent, call: &EndedCall, transcript: &Transcript) -> Value {
    let metadata = call.metadata.reveal();
    let shortened = |value: &Value| {
        let mut text = value.to_string();
        text.truncate(text.floor_char_boundary(RESULT_BYTES));
        text
    };
    let functions = metadata["functions"].as_array().into_iter().flatten().take(FUNCTIONS_MAX);
    let functions: Vec<Value> = functions
        .map(|run| {
            json!({"name": run["name"], "ok": run["ok"],
                "arguments": shortened(&run["arguments"]), "result": shortened(&run["result"])})
        })
        .collect();
    let mut record = Map::new();
    record.insert("agent".to_owned(), json!(agent.name));
    record.insert("status".to_owned(), json!(call.status));
    record.insert("ended_by".to_owned(), metadata["ended_by"].clone());
    record.insert("functions".to_owned(), json!(functions));
    record.insert("transcript".to_owned(), transcript.told());
    Value::Object(record)
}
