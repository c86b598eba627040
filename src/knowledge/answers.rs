//! Answers that owners give to questions without one: known to the next call.
//!
//! An answer is kept first and embedded then. With the embedding service away it is kept all the same,
//! and embedded when that is back.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tracing::{info, warn};
use uuid::Uuid;

use super::Knowledge;
use super::embed::EmbedError;
use crate::call::question_key;
use crate::clock;
use crate::store::access::{AgentAccess, Maintain};
use crate::store::people::Viewer;
use crate::store::{AnswerRow, KeptAnswer, NewAnswer, SeenAnswer, Store, StoreError};

/// The longest question and answer, bytes: together they are one passage that calls are given whole.
pub const QUESTION_BYTES: usize = 400;
/// See above.
pub const ANSWER_BYTES: usize = 1_500;
/// How long one statement may take.
const STORE_LIMIT: Duration = Duration::from_secs(5);
/// How often it is looked for answers that wait, and how seldom at most while they cannot be embedded.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Agents whose answers are tried in one round.
const AGENTS: i64 = 20;
/// After how many failures in a row the service is taken to be away.
const FAILURES: u32 = 3;

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// The next call finds it. With the passage's id.
    Known(i64),
    /// It is kept, and calls find it once it could be embedded, which is tried again.
    Waiting {
        /// The passage's id.
        id: i64,
        /// Why not yet.
        why: String,
    },
}

/// Why an answer is not kept. Nothing of it is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// There is no word in it.
    #[error("the {0} has no words: write at least one")]
    Empty(&'static str),
    /// It is more than calls are given.
    #[error(
        "the {what} has {bytes} bytes: at most {max} are accepted, about as many letters of English"
    )]
    TooLong {
        /// `question` or `answer`.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// There is no such agent, or no such answer.
    #[error("there is no such answer any more")]
    Gone,
    /// Another one is to the same question.
    #[error("another answer is to the same question: change that one")]
    Duplicate,
    /// Somebody has said this meanwhile.
    #[error("somebody has given another answer meanwhile, and nothing was saved")]
    Changed(Box<AnswerRow>),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An answer as somebody gives it.
#[derive(Debug, Clone)]
pub struct GivenAnswer<'a> {
    /// The question.
    pub question: &'a str,
    /// Whether that is how a caller asked it: of a long one the beginning is kept then.
    pub is_asked: bool,
    /// What the agent is to say.
    pub answer: &'a str,
    /// The answer that theirs is instead of; none: the one to the same question, if there is one.
    pub instead_of: Option<i64>,
    /// What they saw of it.
    pub seen: SeenAnswer,
}

/// What was tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Answers that calls find now.
    pub known: u32,
    /// Answers that still wait.
    pub waiting: u32,
}

/// Keeps answers.
#[derive(Debug, Clone)]
pub struct Answers {
    store: Store,
    knowledge: Arc<Knowledge>,
}

impl Answers {
    /// In this database, for what this process knows.
    pub fn new(store: Store, knowledge: Arc<Knowledge>) -> Self {
        Self { store, knowledge }
    }

    /// Answers a question for an agent, for the first time or anew, whatever it said; the tasks to do so
    /// are done then.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing is kept then.
    pub async fn answer_gap(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        question: &str,
        answer: &str,
    ) -> Result<Answered, AnswerError> {
        let seen = SeenAnswer::NotLooked;
        let given = GivenAnswer { question, is_asked: true, answer, instead_of: None, seen };
        self.give(access, viewer, &given).await
    }

    /// Keeps what somebody answers, unless another answer has come meanwhile; the tasks to answer that
    /// question are done then.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing is kept then.
    pub async fn give(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        given: &GivenAnswer<'_>,
    ) -> Result<Answered, AnswerError> {
        let mut new = new_answer(given)?;
        if let Some(id) = given.instead_of {
            let rows = soon(self.store.answers(access)).await?;
            // A question that was cut stands for all of it, as long as nobody writes another.
            if let Some(row) = rows.into_iter().find(|row| row.id == id)
                && row.question == new.question
            {
                new.question_key = row.question_key;
            }
        }
        let how = (given.instead_of, given.seen);
        let kept = soon(self.store.keep_answer(access, viewer, &new, how)).await?;
        self.kept(access.agent_id(), kept).await
    }

    /// Changes an answer, whatever it says now.
    ///
    /// # Errors
    /// [`AnswerError`]; it stays as it was then.
    pub async fn change(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        id: i64,
        question: &str,
        answer: &str,
    ) -> Result<Answered, AnswerError> {
        let (instead_of, seen) = (Some(id), SeenAnswer::NotLooked);
        let given = GivenAnswer { question, is_asked: false, answer, instead_of, seen };
        self.give(access, viewer, &given).await
    }

    /// Removes an answer of an agent; whether it was there.
    pub async fn forget(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        id: i64,
    ) -> Result<bool, StoreError> {
        let was_there = soon(self.store.forget_answer(access, viewer, id)).await?;
        self.knowledge.forget(Some(access.agent_id()));
        Ok(was_there)
    }

    async fn kept(&self, agent_id: Uuid, kept: KeptAnswer) -> Result<Answered, AnswerError> {
        let id = match kept {
            KeptAnswer::Kept(id) => id,
            KeptAnswer::Changed(row) => return Err(AnswerError::Changed(row)),
            KeptAnswer::Gone => return Err(AnswerError::Gone),
            KeptAnswer::Duplicate => return Err(AnswerError::Duplicate),
        };
        // From here on it is kept, whatever fails.
        Ok(match self.learn(agent_id, id).await {
            Ok(true) => Answered::Known(id),
            Ok(false) => Answered::Waiting { id, why: "it was changed meanwhile".to_owned() },
            Err(why) => {
                warn!(%why, "an answer is kept and waits to be embedded");
                Answered::Waiting { id, why: why.to_string() }
            }
        })
    }

    /// Has calls find an answer; whether they do.
    async fn learn(&self, agent_id: Uuid, id: i64) -> Result<bool, LearnError> {
        let rows = soon(self.store.answers_of(agent_id)).await?;
        match rows.iter().find(|row| row.id == id) {
            Some(row) if row.is_known => Ok(true),
            Some(row) => self.embed(agent_id, row).await,
            None => Ok(false),
        }
    }

    async fn embed(&self, agent_id: Uuid, row: &AnswerRow) -> Result<bool, LearnError> {
        let embedder = self.knowledge.embedder();
        let embedding = embedder.embed(row.content.reveal()).await?.ok_or(LearnError::NoWords)?;
        let embedded = (&*embedding, embedder.model());
        let is_known = soon(self.store.answer_embedded(agent_id, row, embedded)).await?;
        if is_known {
            self.knowledge.learned(agent_id);
            counter!("frontdesk_answers_embedded_total").increment(1);
        }
        Ok(is_known)
    }

    /// Tries to embed what waits.
    ///
    /// # Errors
    /// [`StoreError`]; what was done until then stays done.
    pub async fn retry(&self) -> Result<Retried, StoreError> {
        let (mut retried, mut failures) = (Retried::default(), 0);
        for agent_id in soon(self.store.agents_with_waiting_answers(AGENTS)).await? {
            let rows = soon(self.store.answers_of(agent_id)).await?;
            for row in rows.iter().filter(|row| !row.is_known) {
                if failures == FAILURES {
                    retried.waiting += 1;
                    continue;
                }
                match self.embed(agent_id, row).await {
                    Ok(true) => (retried.known, failures) = (retried.known + 1, 0),
                    Ok(false) => retried.waiting += 1,
                    Err(why) => {
                        warn!(%why, %agent_id, "an answer still waits to be embedded");
                        (retried.waiting, failures) = (retried.waiting + 1, failures + 1);
                    }
                }
            }
        }
        Ok(retried)
    }

    /// Embeds what waits, for ever; drop the future to stop.
    pub async fn run(self) {
        let mut pause = PAUSE;
        loop {
            clock::pause(pause).await;
            pause = match self.retry().await {
                Ok(Retried { known: 0, waiting: 0 }) => PAUSE,
                Ok(Retried { known, waiting }) if known > 0 => {
                    info!(known, waiting, "answers that waited are known to calls");
                    PAUSE
                }
                Ok(_) => (pause * 2).min(PAUSE_MAX),
                Err(error) => {
                    tracing::debug!(%error, "answers that wait could not be looked for");
                    (pause * 2).min(PAUSE_MAX)
                }
            };
        }
    }
}

/// Why an answer is not found yet.
#[derive(Debug, thiserror::Error)]
enum LearnError {
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no word in it")]
    NoWords,
}

/// As much of a question as an answer keeps: whole words, and a sign that there was more.
pub fn shortened(question: &str) -> String {
    const MORE: &str = "…";
    let question = question.split_whitespace().collect::<Vec<_>>().join(" ");
    if question.len() <= QUESTION_BYTES {
        return question;
    }
    let beginning = &question[..question.floor_char_boundary(QUESTION_BYTES - MORE.len())];
    let words = beginning.rsplit_once(' ').map_or(beginning, |(words, _)| words);
    format!("{words}{MORE}")
}

/// Checks what somebody wrote.
fn new_answer(given: &GivenAnswer<'_>) -> Result<NewAnswer, AnswerError> {
    let key = question_key(given.question);
    let question = match given.is_asked {
        true => shortened(given.question),
        false => given.question.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let answer = given.answer.trim();
    if key.is_empty() {
        return Err(AnswerError::Empty("question"));
    }
    if question_key(answer).is_empty() {
        return Err(AnswerError::Empty("answer"));
    }
    for (what, bytes, max) in
        [("question", question.len(), QUESTION_BYTES), ("answer", answer.len(), ANSWER_BYTES)]
    {
        if bytes > max {
            return Err(AnswerError::TooLong { what, bytes, max });
        }
    }
    Ok(NewAnswer {
        question: question.into(),
        question_key: key.into(),
        answer: answer.to_owned().into(),
    })
}

/// What a statement gives, if it does in time.
async fn soon<T>(asking: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = || StoreError::Slow("no answer in time".to_owned());
    clock::within(STORE_LIMIT, asking).await.unwrap_or_else(|| Err(late()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_is_refused_by_what_is_wrong_with_it() {
        let given = |question: &str, answer: &str, is_asked: bool| {
            let (instead_of, seen) = (None, SeenAnswer::Nothing);
            let given = GivenAnswer { question, is_asked, answer, instead_of, seen };
            new_answer(&given)
        };
        let refused =
            |question: &str, answer: &str| given(question, answer, false).unwrap_err().to_string();
        assert_eq!(refused(" ?", "Yes."), "the question has no words: write at least one");
        assert_eq!(refused("Why?", " … "), "the answer has no words: write at least one");
        assert_eq!(
            refused("Why?", &"y".repeat(1_501)),
            "the answer has 1501 bytes: at most 1500 are accepted, about as many letters of English"
        );
        assert!(refused(&"y".repeat(401), "Yes.").starts_with("the question has 401 bytes"));
        let kept = given(" Do you\ntake BUPA? ", " Yes.\n", false).unwrap();
        assert_eq!(
            (kept.question.reveal().as_str(), kept.answer.reveal().as_str()),
            ("Do you take BUPA?", "Yes.")
        );
        assert_eq!(kept.question_key.reveal(), "do you take bupa");

        // A caller's question may be longer than an answer's.
        let asked = "Könnten Sie mir sagen, ob ".repeat(20);
        let kept = given(&asked, "Yes.", true).unwrap();
        let question = kept.question.reveal();
        assert!(question.len() <= QUESTION_BYTES && question.ends_with("…"), "{question}");
        assert_eq!(*kept.question_key.reveal(), question_key(&asked), "it is the same question");
        let one_word = "ü".repeat(500);
        assert!(given(&one_word, "Yes.", true).unwrap().question.reveal().len() <= QUESTION_BYTES);
    }
}
