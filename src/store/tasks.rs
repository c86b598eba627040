//! `call_tasks`: what the people of a business have to do because of calls, as calls give it.

use serde::Serialize;
use serde_json::Value;

use super::{Job, Result, Store, Stored, outcome, storable_json};
use crate::private::Private;

/// What kind of thing there is to do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// It cannot wait.
    Urgent,
    /// A message that the agent took.
    Message,
    /// A recorded message.
    Voicemail,
    /// The caller reached nobody.
    Missed,
    /// The caller was put through and nobody answered.
    TransferUnanswered,
    /// The agent said that it did something which was not done.
    Claim,
    /// An appointment that was spoken of, to be checked.
    BookingCheck,
    /// A question that the agent had no answer to.
    Gap,
    /// The call broke off.
    CallFailed,
    /// A function of the owner's did not do what it should.
    FunctionFailed,
}

impl TaskKind {
    /// As `call_tasks.kind` has it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// One by its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// A task as a call gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewTask {
    /// What kind it is of.
    pub kind: TaskKind,
    /// Tells those of one call and kind apart, from 1.
    pub ordinal: u32,
    /// What there is to do, for the owner. Has words of callers.
    pub text: Private<String>,
    /// 3 now, 2 today, 1 soon, 0 when there is time.
    pub urgency: u8,
    /// The caller's number, E.164, if it is known.
    pub caller: Option<Private<String>>,
    /// Of a gap: the question in the spelling in which questions are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_key: Option<Private<String>>,
    /// What it depends on, if on anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_if: Option<OnlyIf>,
}

/// What a task depends on that is known only when the call's findings are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OnlyIf {
    /// What becomes of one of the appointments that were spoken of.
    Outcome {
        /// Its place in [`Findings::appointments`](super::Findings::appointments), from 1.
        appointment: usize,
        /// `written`, `taken`, `known`.
        outcome: &'static str,
    },
    /// None of them is written.
    NoneWritten {
        /// True.
        none_written: bool,
    },
}

impl Store {
    /// Writes the tasks that a call's row says by itself and settles the job, unless the summary has
    /// brought more.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); nothing was written then, as far as is known.
    pub async fn store_tasks(&self, job: &Job, tasks: &[NewTask]) -> Result<Stored> {
        let stored = sqlx::query_scalar("select aftercall_store_tasks($1, $2, $3, $4, $5)")
            .bind(job.id)
            .bind(job.worker)
            .bind(job.claim)
            .bind(job.revision)
            .bind(storable_json(&tasks_json(tasks)).as_ref())
            .fetch_one(&self.pool)
            .await?;
        outcome(stored)
    }
}

/// Tasks as the database's functions take them.
pub(super) fn tasks_json(tasks: &[NewTask]) -> Value {
    serde_json::to_value(tasks).unwrap_or_else(|_| Value::Array(Vec::new()))
}
