//! Answers that owners give to questions without one: kept, embedded, found by the next search.

use std::sync::Arc;
use std::time::Duration;

use frontdesk::agent::{Agent, AgentSource};
use frontdesk::clock;
use frontdesk::config::OpenAi;
use frontdesk::knowledge::Knowledge;
use frontdesk::knowledge::answers::{AnswerError, Answered, Answers, Retried};
use frontdesk::rehearsal::speech::{Speech, SpeechOptions, serve};
use frontdesk::store::access::{AgentAccess, Maintain};
use frontdesk::store::people::Viewer;
use frontdesk::store::{ChangeEvent, Changes};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::fixture::{Fixture, fixture};
use crate::viewer::{access, agents, owner_of};

const QUESTION: &str = "Do you take BUPA?";

async fn speech() -> Speech {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(listener, SpeechOptions::default(), std::future::pending::<()>()).unwrap()
}

impl Fixture {
    /// What a process knows, with this embedding service.
    fn knowledge(&self, base_url: &str) -> (Arc<Knowledge>, Answers) {
        let service = OpenAi { api_key: Some("k".into()), base_url: base_url.parse().unwrap() };
        let knowledge = Arc::new(Knowledge::new(self.store.clone(), &service, "m-1").unwrap());
        let answers = Answers::new(self.store.clone(), Arc::clone(&knowledge));
        (knowledge, answers)
    }

    /// Its owner, and what they may do.
    async fn owner(&self) -> (Viewer, AgentAccess<Maintain>) {
        let owner = owner_of(&self.pool, self.agent).await;
        let access = access(&self.pool, &owner, self.agent).await;
        (owner, access)
    }

    /// What was written down of the deeds of people, in order.
    async fn deeds(&self) -> Option<String> {
        self.text("select string_agg(action || ' ' || object, ', ' order by id) from audit_log")
            .await
    }

    fn agent(&self) -> Agent {
        Agent::new(AgentSource { id: self.agent, ..AgentSource::default() })
    }

    /// A call so many days ago with these gaps.
    async fn asked(&self, sid: &str, days: u32, gaps: Value) -> Uuid {
        let (id, metadata) = (Uuid::new_v4(), json!({"gaps": gaps}));
        self.sql(&format!(
            "insert into call_logs (id, voice_agent_id, call_sid, call_start, call_end, status,
                metadata)
            values ('{id}', '{}', '{sid}', now() - interval '{days} days', now(), 'completed',
                '{metadata}')",
            self.agent
        ))
        .await;
        id
    }

    async fn source(&self) -> Value {
        let source = "select coalesce(jsonb_agg(jsonb_build_object('name', name,
            'type', source_type, 'status', status, 'size', size)), '[]') from sources";
        serde_json::from_str(&self.text(source).await.unwrap()).unwrap()
    }
}

#[tokio::test]
async fn what_is_answered_is_found_by_the_next_search() {
    let fixture = fixture().await;
    let speech = speech().await;
    let (knowledge, answers) = fixture.knowledge(&speech.base_url());
    let (agent, (owner, access)) = (fixture.agent, fixture.owner().await);
    assert!(!knowledge.is_there(agent, true).await, "nothing is written down");
    let answered = answers.answer_gap(&access, &owner, QUESTION, "Yes, and AXA.").await;
    let Ok(Answered::Known(id)) = answered else { panic!("{answered:?}") };
    assert!(knowledge.is_there(agent, true).await, "the very next call looks");
    let found = knowledge.search(&fixture.agent(), "do you take bupa").await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id, &*found[0].text), (id, "Do you take BUPA?\nYes, and AXA."));
    assert!(found[0].similarity > 0.6, "{}", found[0].similarity);

    let metadata = fixture.text(&format!(r#"select metadata from public."zz_{agent}""#)).await;
    let metadata: Value = serde_json::from_str(&metadata.unwrap()).unwrap();
    let source = fixture.text("select id from sources").await.unwrap();
    assert_eq!(
        (&metadata["source_id"], &metadata["title"], &metadata["position"], &metadata["model"]),
        (&json!(source), &json!(QUESTION), &json!(1), &json!("m-1"))
    );
    assert_eq!(metadata["hash"].as_str().map(str::len), Some(64));
    let all = json!([{"name": "Answers", "type": "qa", "status": "done", "size": 31}]);
    assert_eq!(fixture.source().await, all);

    // Answered again, however it is spelled: there is one answer to a question.
    let again = answers.answer_gap(&access, &owner, "do you take Bupa", "No longer.").await;
    assert_eq!(again, Ok(Answered::Known(id)));
    let kept = fixture.store.answers(&access).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].question.reveal().as_str(), kept[0].answer.reveal().as_str()),
        ("do you take Bupa", "No longer.")
    );
    assert_eq!((kept[0].by, kept[0].is_known), (Some(owner.id()), true));

    let other = answers.answer_gap(&access, &owner, "Is there parking?", "Yes.").await;
    let Ok(Answered::Known(other)) = other else { panic!("{other:?}") };
    let duplicate = answers.change(&access, &owner, other, QUESTION, "Yes.").await;
    assert_eq!(duplicate, Err(AnswerError::Duplicate));
    let changed = answers.change(&access, &owner, other, "Where do I park?", "Behind.").await;
    assert_eq!(changed, Ok(Answered::Known(other)));
    let found = knowledge.search(&fixture.agent(), "where do I park").await.unwrap();
    assert_eq!((found[0].id, &*found[0].text), (other, "Where do I park?\nBehind."));
    let change = answers.change(&access, &owner, 99, "Why?", "So.").await;
    assert_eq!(change, Err(AnswerError::Gone));

    assert_eq!(answers.forget(&access, &owner, other).await, Ok(true));
    assert_eq!(answers.forget(&access, &owner, other).await, Ok(false));
    let deeds = format!(
        "answer.give answer {id}, answer.give answer {id}, answer.give answer {other}, \
         answer.change answer {other}, answer.remove answer {other}"
    );
    assert_eq!(fixture.deeds().await, Some(deeds), "what was not done is not written down");
    assert_eq!(answers.forget(&access, &owner, id).await, Ok(true));
    assert_eq!(fixture.source().await, json!([]), "a source without passages is none");
    fixture.sql("update voice_agents set status = 'deleted'").await;
    fixture.sql("delete from voice_agents").await;
    let gone = answers.answer_gap(&access, &owner, "Why?", "So.").await;
    assert_eq!(gone, Err(AnswerError::Gone));
    assert!(!knowledge.is_there(agent, true).await);
}

#[tokio::test]
async fn only_answers_are_changed_by_their_ids() {
    let fixture = fixture().await;
    let speech = speech().await;
    let (_, answers) = fixture.knowledge(&speech.base_url());
    let (agent, (owner, access)) = (fixture.agent, fixture.owner().await);
    let table = format!(r#"public."zz_{agent}""#);
    fixture.sql(&format!("insert into {table} (content) values ('The owner''s own.')")).await;
    answers.answer_gap(&access, &owner, QUESTION, "Yes.").await.unwrap();
    assert_eq!(answers.change(&access, &owner, 1, "Why?", "So.").await, Err(AnswerError::Gone));
    assert_eq!(answers.forget(&access, &owner, 1).await, Ok(false));
    let own = fixture.text(&format!("select content from {table} where id = 1")).await;
    assert_eq!(own.as_deref(), Some("The owner's own."));
}

#[tokio::test]
async fn an_answer_is_kept_while_it_cannot_be_embedded_and_found_when_it_can() {
    let fixture = fixture().await;
    let (_, away) = fixture.knowledge("http://127.0.0.1:1/v1");
    let (agent, (owner, access)) = (fixture.agent, fixture.owner().await);
    let answered = away.answer_gap(&access, &owner, QUESTION, "Yes.").await.unwrap();
    let Answered::Waiting { id, why } = answered else { panic!("{answered:?}") };
    assert_eq!(why, "embedding: cannot connect");
    assert_eq!(fixture.source().await[0]["status"], "pending");
    assert!(!fixture.store.answers(&access).await.unwrap()[0].is_known);
    assert_eq!(away.retry().await, Ok(Retried { known: 0, waiting: 1 }));

    let speech = speech().await;
    let (knowledge, answers) = fixture.knowledge(&speech.base_url());
    assert!(!knowledge.is_there(agent, true).await);
    assert_eq!(answers.retry().await, Ok(Retried { known: 1, waiting: 0 }));
    assert_eq!(answers.retry().await, Ok(Retried::default()));
    assert!(knowledge.is_there(agent, true).await);
    assert_eq!(knowledge.search(&fixture.agent(), QUESTION).await.unwrap()[0].id, id);
    assert_eq!(fixture.source().await[0]["status"], "done");

    // Changed while the service is away: found as before, and it says what is right now.
    let changed = away.change(&access, &owner, id, QUESTION, "No.").await.unwrap();
    assert!(matches!(changed, Answered::Waiting { .. }), "{changed:?}");
    let found = knowledge.search(&fixture.agent(), QUESTION).await.unwrap();
    assert_eq!(found[0].text, "Do you take BUPA?\nNo.");
    assert_eq!(answers.retry().await, Ok(Retried { known: 1, waiting: 0 }));
}

#[tokio::test]
async fn an_agent_whose_table_is_gone_gets_one_with_its_first_answer() {
    let fixture = fixture().await;
    let speech = speech().await;
    let (knowledge, answers) = fixture.knowledge(&speech.base_url());
    fixture.sql(&format!("select drop_embeddings_table('zz_{}')", fixture.agent)).await;
    assert!(!knowledge.is_there(fixture.agent, true).await);
    let (owner, access) = fixture.owner().await;
    assert_eq!(fixture.store.answers(&access).await, Ok(vec![]));
    answers.answer_gap(&access, &owner, QUESTION, "Yes.").await.unwrap();
    assert_eq!(knowledge.search(&fixture.agent(), QUESTION).await.unwrap().len(), 1);
}

#[tokio::test]
async fn every_process_is_told_whose_answers_have_changed() {
    let fixture = fixture().await;
    let speech = speech().await;
    let (_, answers) = fixture.knowledge(&speech.base_url());
    let mut changes = Changes::new(&fixture.store);
    assert_eq!(changes.next().await, ChangeEvent::Reconnected);
    let (owner, access) = fixture.owner().await;
    answers.answer_gap(&access, &owner, QUESTION, "Yes.").await.unwrap();
    let told = clock::within(Duration::from_secs(30), changes.next()).await.expect("it is told");
    let ChangeEvent::Changed(change) = told else { panic!("{told:?}") };
    assert_eq!((change.table.as_str(), change.agent_id), ("sources", Some(fixture.agent)));
}

#[tokio::test]
async fn gaps_are_grouped_until_they_are_answered() {
    let fixture = fixture().await;
    let speech = speech().await;
    let (_, answers) = fixture.knowledge(&speech.base_url());
    let (agent, (owner, access)) = (fixture.agent, fixture.owner().await);
    fixture.asked("CA1", 3, json!([QUESTION, "Do you take BUPA", "Is there parking?"])).await;
    let newest = fixture.asked("CA2", 1, json!(["do you take bupa?"])).await;
    fixture.asked("CA3", 100, json!(["Is there parking?"])).await;
    fixture.asked("FT4", 1, json!(["Is there parking?"])).await;
    for odd in [json!(7), json!({"a": 1}), json!([]), json!([null, 7, "…"]), json!("text")] {
        fixture.asked(&format!("CA{odd}"), 2, odd).await;
    }
    let gaps = fixture.store.gaps(&access).await.unwrap();
    let told: Vec<(&str, usize)> =
        gaps.iter().map(|gap| (gap.question.reveal().as_str(), gap.asked)).collect();
    assert_eq!(told, [("do you take bupa?", 2), ("7", 1), ("Is there parking?", 1)]);
    assert_eq!((gaps[0].call_log_id, gaps[0].answer_id), (newest, None));
    let agents = agents(&fixture.pool, &owner).await;
    let found = fixture.store.gap(&agents, gaps[0].id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&gaps[0]));
    let none = agents.only(Some(Uuid::nil()));
    assert_eq!(fixture.store.gap(&none, gaps[0].id).await, Ok(None));

    fixture
        .sql(&format!(
            "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, urgency, at,
                question_key)
            values ('{agent}', '{newest}', 'gap', 1, 0, now(), 'do you take bupa'),
                ('{agent}', '{newest}', 'gap', 2, 0, now(), 'is there parking')"
        ))
        .await;
    let answered =
        answers.answer_gap(&access, &owner, gaps[0].question.reveal(), "Yes.").await.unwrap();
    let Answered::Known(id) = answered else { panic!("{answered:?}") };
    let left = fixture.store.gaps(&access).await.unwrap();
    assert_eq!(left.len(), 2, "it is answered");
    let done = "select string_agg(ordinal || ':' || done_by, ',') from call_tasks
        where done_at is not null";
    assert_eq!(
        fixture.text(done).await,
        Some(format!("1:{}", owner.id())),
        "nobody has to answer it"
    );
    // Asked again, and not found.
    fixture.asked("CA9", 0, json!([QUESTION])).await;
    let again = fixture.store.gaps(&access).await.unwrap();
    let gap = again.iter().find(|gap| gap.id == gaps[0].id).unwrap();
    assert_eq!((gap.asked, gap.answer_id), (1, Some(id)));
}
