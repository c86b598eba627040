//! Questions that callers asked and nothing written down was about, grouped: most are asked again.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::access::{AgentAccess, Level, VisibleAgents};
use super::{AnswerRow, Result, Store};
use crate::call::question_key;
use crate::private::Private;

/// How far back is looked, days.
const DAYS: i32 = 90;
/// The most calls with such questions that are read of an agent, the newest.
const CALLS_MAX: i64 = 2_000;
/// The most groups.
const GAPS_MAX: usize = 200;

/// A question without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The same as long as the question is: made of the agent and the question.
    pub id: Uuid,
    /// The agent that was asked.
    pub agent_id: Uuid,
    /// The question, as it was asked last.
    pub question: Private<String>,
    /// In how many calls it was asked since it was answered last.
    pub asked: usize,
    /// The newest of them.
    pub call_log_id: Uuid,
    /// When that began, microseconds since the Unix epoch.
    pub at_us: i64,
    /// The answer that there is and that was not found, if there is one.
    pub answer_id: Option<i64>,
    /// When that was given, microseconds since the Unix epoch.
    pub answered_us: Option<i64>,
}

impl Store {
    /// What an agent was asked in the last 90 days and had no answer to, most asked first. Test calls
    /// do not count, nor what was asked before it was answered.
    pub async fn gaps<L: Level>(&self, access: &AgentAccess<L>) -> Result<Vec<Gap>> {
        self.gaps_of(access.agent_id()).await
    }

    async fn gaps_of(&self, agent_id: Uuid) -> Result<Vec<Gap>> {
        let rows = sqlx::query(
            "select l.id, (extract(epoch from l.call_start) * 1000000)::bigint as at_us, g.question
            from (
                select id, call_start, metadata -> 'gaps' as gaps from call_logs
                where voice_agent_id = $1 and call_start > now() - make_interval(days => $2)
                    and isfinite(call_start) and coalesce(call_sid, '') not like 'FT%'
                    and metadata -> 'gaps' -> 0 is not null
                    and jsonb_typeof(metadata -> 'gaps') = 'array'
                order by call_start desc, id desc limit $3
            ) l cross join lateral jsonb_array_elements_text(l.gaps) as g (question)
            where g.question is not null
            order by l.call_start desc, l.id",
        )
        .bind(agent_id)
        .bind(DAYS)
        .bind(CALLS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let answers = self.answers_of(agent_id).await?;
        grouped(agent_id, &rows, &answers)
    }

    /// One of the gaps of these agents by its id.
    pub async fn gap(&self, agents: &VisibleAgents, id: Uuid) -> Result<Option<Gap>> {
        for agent in agents.list() {
            let found = self.gaps_of(agent.id).await?.into_iter().find(|gap| gap.id == id);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The question of this agent's with an id, if it still has no answer that is found.
    pub async fn gap_of<L: Level>(&self, access: &AgentAccess<L>, id: Uuid) -> Result<Option<Gap>> {
        Ok(self.gaps_of(access.agent_id()).await?.into_iter().find(|gap| gap.id == id))
    }
}

/// Groups questions, the newest first, with the answers that there are to them.
fn grouped(agent_id: Uuid, rows: &[PgRow], answers: &[AnswerRow]) -> Result<Vec<Gap>> {
    let answered: BTreeMap<&str, (i64, i64)> = answers
        .iter()
        .map(|answer| (answer.question_key.reveal().as_str(), (answer.id, answer.at_us)))
        .collect();
    // With the call in which it was found last: a call's questions stand together.
    let mut gaps: BTreeMap<String, (Gap, Uuid)> = BTreeMap::new();
    for row in rows {
        let (question, at_us): (String, i64) = (row.try_get("question")?, row.try_get("at_us")?);
        let (key, call_log_id) = (question_key(&question), row.try_get("id")?);
        let answer = answered.get(key.as_str());
        if key.is_empty() || answer.is_some_and(|(_, answered_us)| at_us <= *answered_us) {
            continue;
        }
        if let Some((gap, last)) = gaps.get_mut(&key) {
            gap.asked += usize::from(*last != call_log_id);
            *last = call_log_id;
            continue;
        }
        let gap = Gap {
            id: gap_id(agent_id, &key),
            agent_id,
            question: question.into(),
            asked: 1,
            call_log_id,
            at_us,
            answer_id: answer.map(|(id, _)| *id),
            answered_us: answer.map(|(_, answered_us)| *answered_us),
        };
        gaps.insert(key, (gap, call_log_id));
    }
    let mut gaps: Vec<Gap> = gaps.into_values().map(|(gap, _)| gap).collect();
    gaps.sort_by_key(|gap| std::cmp::Reverse((gap.asked, gap.at_us)));
    gaps.truncate(GAPS_MAX);
    Ok(gaps)
}

/// The id of a question, by the spelling in which questions are compared.
pub fn gap_id(agent: Uuid, key: &str) -> Uuid {
    let digest = Sha256::new().chain_update(agent.as_bytes()).chain_update(key).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
