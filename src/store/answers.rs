//! What owners answered to questions that nothing written down was about: passages of the agent's own,
//! of a source named "Answers".

use serde_json::Value;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::access::{AgentAccess, Level, Maintain, VisibleAgent};
use super::audit::{self, AuditEntry};
use super::passages::{MISSING, Vector};
use super::people::Viewer;
use super::{Result, Store, StoreError, lenient_json, storable_text};
use crate::private::Private;

/// The most answers of an agent that are read.
const ANSWERS_MAX: i64 = 2_000;

/// An answer that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAnswer {
    /// The question, on one line.
    pub question: Private<String>,
    /// The question in the spelling in which questions are compared.
    pub question_key: Private<String>,
    /// What is answered.
    pub answer: Private<String>,
}

/// What somebody saw of the answer to a question before they wrote another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenAnswer {
    /// They did not look: theirs replaces what there is.
    NotLooked,
    /// There was none.
    Nothing,
    /// The one that was given then, microseconds since the Unix epoch.
    At(i64),
}

/// What became of a [`NewAnswer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptAnswer {
    /// The passage of this id says it, and has to be embedded if it did not say so before.
    Kept(i64),
    /// There is no such agent, or no such answer.
    Gone,
    /// Another answer is to that question.
    Duplicate,
    /// Somebody has said this meanwhile, and nothing was kept.
    Changed(Box<AnswerRow>),
}

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRow {
    /// The passage's id.
    pub id: i64,
    /// The passage: the question and what is answered, by lines.
    pub content: Private<String>,
    /// The question.
    pub question: Private<String>,
    /// The question in the spelling in which questions are compared.
    pub question_key: Private<String>,
    /// What is answered.
    pub answer: Private<String>,
    /// Who said so last, `customer.uuid`.
    pub by: Option<Uuid>,
    /// When, microseconds since the Unix epoch.
    pub at_us: i64,
    /// Whether calls find it: it was embedded as it is.
    pub is_known: bool,
}

impl Store {
    /// Keeps an answer: instead of the one to the same question if there is one, or instead of the one
    /// with the id `instead_of`. Not if that is another one than was seen. The tasks to answer that
    /// question are done then. Who does it is written down.
    pub async fn keep_answer(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        answer: &NewAnswer,
        (instead_of, seen): (Option<i64>, SeenAnswer),
    ) -> Result<KeptAnswer> {
        let agent = access.agent_id();
        let key = storable_text(answer.question_key.reveal());
        let mut transaction = self.pool.begin().await?;
        if seen != SeenAnswer::NotLooked
            && let Some(known) = known(&mut transaction, agent, answer, instead_of).await?
            && seen != SeenAnswer::At(known.at_us)
            && (known.answer != answer.answer || known.question_key != answer.question_key)
        {
            return Ok(KeptAnswer::Changed(Box::new(known)));
        }
        let row = sqlx::query("select answer_id, outcome from answer_keep($1, $2, $3, $4, $5, $6)")
            .bind(agent)
            .bind(instead_of)
            .bind(&key)
            .bind(storable_text(answer.question.reveal()))
            .bind(storable_text(answer.answer.reveal()))
            .bind(access.person())
            .fetch_one(&mut *transaction)
            .await?;
        let id: i64 = match row.try_get("outcome")? {
            "kept" => row.try_get("answer_id")?,
            "gone" => return Ok(KeptAnswer::Gone),
            "duplicate" => return Ok(KeptAnswer::Duplicate),
            _ => return Err(StoreError::Unreadable("outcome".to_owned())),
        };
        sqlx::query(
            "update call_tasks set done_at = now(), done_by = $3
            where voice_agent_id = $1 and question_key = $2 and done_at is null",
        )
        .bind(agent)
        .bind(&key)
        .bind(access.person())
        .execute(&mut *transaction)
        .await?;
        let action = if instead_of.is_some() { "answer.change" } else { "answer.give" };
        let deed = AuditEntry::of(viewer, action).agent(agent).object("answer", id);
        audit::note(&mut transaction, &deed).await?;
        transaction.commit().await?;
        Ok(KeptAnswer::Kept(id))
    }

    /// Removes an answer of an agent; whether it was there. Who does it is written down.
    pub async fn forget_answer(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        id: i64,
    ) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let forget = sqlx::query_scalar("select answer_forget($1, $2)");
        let forget = forget.bind(access.agent_id()).bind(id).fetch_one(&mut *transaction);
        if !forget.await? {
            return Ok(false);
        }
        let deed = AuditEntry::of(viewer, "answer.remove").agent(access.agent_id());
        audit::note(&mut transaction, &deed.object("answer", id)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// An agent's answers, the one that was given last first.
    pub async fn answers<L: Level>(&self, access: &AgentAccess<L>) -> Result<Vec<AnswerRow>> {
        self.answers_of(access.agent_id()).await
    }

    /// The same for the server's own work, which nobody asked for.
    pub async fn answers_of(&self, agent_id: Uuid) -> Result<Vec<AnswerRow>> {
        let mut answers = match read(&self.pool, agent_id).await {
            Err(error) if has_no_passages(&error) => return Ok(Vec::new()),
            rows => rows?.iter().map(answer).collect::<Result<Vec<_>>>()?,
        };
        answers.sort_by_key(|answer| std::cmp::Reverse(answer.at_us));
        Ok(answers)
    }

    /// The questions of those answers of an agent's that are still there.
    pub async fn answered_questions(
        &self,
        agent: &VisibleAgent,
        answers: &[i64],
    ) -> Result<Vec<(i64, Private<String>)>> {
        let query = format!(
            "select id, metadata ->> 'title' as question from {}
            where id = any($2) and metadata @> jsonb_build_object('source_id', answers_source($1))
                and metadata ->> 'title' <> ''",
            passages_table(agent.id)
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(agent.id).bind(answers);
        let rows = match rows.fetch_all(&self.pool).await {
            Err(error) if has_no_passages(&error) => return Ok(Vec::new()),
            rows => rows?,
        };
        let question = |row: &PgRow| {
            Ok((row.try_get("id")?, Private::new(row.try_get::<String, _>("question")?)))
        };
        rows.iter().map(question).collect()
    }

    /// Has calls find an answer by `embedding`, if it still says what was embedded; whether it does.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written then, as far as is known.
    pub async fn answer_embedded(
        &self,
        agent_id: Uuid,
        row: &AnswerRow,
        (embedding, model): (&[f32], &str),
    ) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        // Whoever changes an agent's answers waits here, and only here, for one another.
        sqlx::query("select from sources where id = answers_source($1) for update")
            .bind(agent_id)
            .execute(&mut *transaction)
            .await?;
        let update = format!(
            "update {} set embedding = $3, metadata = metadata || jsonb_build_object(
                'hash', encode(sha256(convert_to(content, 'UTF8')), 'hex'), 'model', $4::text)
            where id = $1 and content = $2",
            passages_table(agent_id)
        );
        let done = sqlx::query(AssertSqlSafe(update))
            .bind(row.id)
            .bind(row.content.reveal())
            .bind(Vector(embedding))
            .bind(storable_text(model))
            .execute(&mut *transaction)
            .await?;
        let settle = sqlx::query("select answers_settle($1)").bind(agent_id);
        settle.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Up to `limit` agents with answers that calls do not find yet, those that wait longest first.
    pub async fn agents_with_waiting_answers(&self, limit: i64) -> Result<Vec<Uuid>> {
        let agents = sqlx::query_scalar(
            "select voice_agent_id from sources
            where source_type = 'qa' and status = 'pending' and id = answers_source(voice_agent_id)
            order by last_modified limit $1",
        );
        Ok(agents.bind(limit).fetch_all(&self.pool).await?)
    }
}

/// Whether there is no table of passages: the agent has none yet.
fn has_no_passages(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| MISSING.contains(&&*code))
}

/// The rows of an agent's answers.
async fn read<'c>(executor: impl sqlx::PgExecutor<'c>, agent_id: Uuid) -> sqlx::Result<Vec<PgRow>> {
    let query = format!(
        "select id, coalesce(content, '') as content, metadata::text as metadata,
            embedding is not null as has_embedding
        from {} where metadata @> jsonb_build_object('source_id', answers_source($1))
        order by id desc limit $2",
        passages_table(agent_id)
    );
    let rows = sqlx::query(AssertSqlSafe(query)).bind(agent_id).bind(ANSWERS_MAX);
    rows.fetch_all(executor).await
}

/// The answer that a new one takes the place of. Whoever changes the agent's answers waits until the
/// transaction ends.
async fn known(
    transaction: &mut PgConnection,
    agent: Uuid,
    new: &NewAnswer,
    instead_of: Option<i64>,
) -> Result<Option<AnswerRow>> {
    let lock = sqlx::query("select from sources where id = answers_source($1) for update");
    if lock.bind(agent).fetch_optional(&mut *transaction).await?.is_none() {
        return Ok(None);
    }
    let rows = read(&mut *transaction, agent).await?;
    let answers = rows.iter().map(answer).collect::<Result<Vec<_>>>()?;
    let is_it = |answer: &AnswerRow| match instead_of {
        Some(id) => answer.id == id,
        None => answer.question_key == new.question_key,
    };
    Ok(answers.into_iter().find(is_it))
}

/// An agent's table of passages. An id has hyphens and nothing that would end a quoted name.
fn passages_table(agent: Uuid) -> String {
    format!(r#"public."zz_{agent}""#)
}

fn answer(row: &PgRow) -> Result<AnswerRow> {
    let content: String = row.try_get("content")?;
    let metadata = lenient_json(row.try_get("metadata")?).unwrap_or_default();
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    let question = text("title");
    let answer = content.strip_prefix(&question).unwrap_or(&content).trim_start_matches('\n');
    let has_embedding: bool = row.try_get("has_embedding")?;
    Ok(AnswerRow {
        id: row.try_get("id")?,
        answer: answer.to_owned().into(),
        question: question.into(),
        question_key: text("key").into(),
        by: text("by").parse().ok(),
        at_us: metadata["at_us"].as_i64().unwrap_or_default(),
        is_known: has_embedding && metadata.get("hash").is_some_and(Value::is_string),
        content: content.into(),
    })
}
