//! A migrated database with one agent, and what a call is made of.

use std::future::Future;
use std::time::Duration;

use frontdesk::clock;
use frontdesk::store::{
    Claimant, CompletedCall, EventRow, FIRST_EPOCH, NewCall, OffStream, Store, migrate,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::database::{FreshDatabase, fresh_database};

/// 2026-11-22T12:00:00Z, microseconds.
pub(crate) const NOON_US: i64 = 1_795_348_800_000_000;

pub(crate) struct Fixture {
    pub(crate) pool: PgPool,
    pub(crate) store: Store,
    pub(crate) agent: Uuid,
    pub(crate) database: FreshDatabase,
}

pub(crate) async fn fixture() -> Fixture {
    let database = fresh_database().await;
    let pool = database.pool(8).await;
    migrate::migrate(&pool).await.unwrap();
    let fixture =
        Fixture { store: Store::new(pool.clone()), pool, agent: Uuid::new_v4(), database };
    let agent = fixture.agent;
    fixture
        .sql(&format!(
            "with account as (insert into auth.users (id, email) values ('{agent}', 'a@b.c') returning id),
            owner as (insert into customer (uuid, email, username, plan_id)
                select id, 'a@b.c', 'a', 1 from account returning uuid)
            insert into voice_agents (id, name, created_by, twilio_phone_number)
                select '{agent}', 'Mia', uuid, '+1 (555) 987-0001' from owner"
        ))
        .await;
    fixture
}

impl Fixture {
    /// Runs one statement.
    pub(crate) async fn sql(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// The first column of the first row, as text.
    pub(crate) async fn text(&self, sql: &str) -> Option<String> {
        let sql = format!("select ({sql})::text");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    /// The row of a call, as JSON.
    pub(crate) async fn row(&self, sid: &str) -> Option<Value> {
        let row = self
            .text(&format!("select to_jsonb(l) from call_logs l where call_sid = '{sid}'"))
            .await?;
        Some(serde_json::from_str(&row).unwrap())
    }

    /// How many events a call has.
    pub(crate) async fn events(&self, call: &NewCall) -> usize {
        self.store.events(call.id).await.unwrap().len()
    }

    /// A process that claims a call of the agent's, and holds it in this epoch.
    pub(crate) fn claimant<'a>(
        &self,
        call_sid: &'a str,
        instance_id: Uuid,
        held: Option<i32>,
    ) -> Claimant<'a> {
        Claimant { agent_id: self.agent, call_sid, instance_id, held }
    }

    /// A process sends the caller out, in this epoch.
    pub(crate) fn outing(&self, sid: &str, instance_id: Uuid, epoch: i32) -> OffStream {
        OffStream {
            agent_id: Some(self.agent),
            call_sid: sid.to_owned(),
            call_log_id: None,
            instance_id,
            epoch: Some(epoch),
            taken_by: None,
            until_us: NOON_US + 3_600_000_000,
            returns: 0,
            metadata: json!({}).into(),
        }
    }

    pub(crate) fn call(&self, sid: &str, instance: Uuid) -> NewCall {
        NewCall {
            id: Uuid::new_v4(),
            agent_id: self.agent,
            call_sid: sid.to_owned(),
            caller: "+15551230001".to_owned().into(),
            instance_id: instance,
            nonce: format!("nonce-{sid}"),
            limit: Some(2),
            metadata: json!({"call_sid": sid}).into(),
            started_us: NOON_US,
        }
    }
}

pub(crate) fn event(call: &NewCall, seq: i64) -> EventRow {
    EventRow {
        call_log_id: call.id,
        epoch: FIRST_EPOCH,
        seq,
        at_ms: seq * 1000,
        kind: "keys_pressed".to_owned(),
        data: json!({"keys": seq.to_string(), "turn": 1}).into(),
    }
}

pub(crate) fn completion(call: &NewCall) -> CompletedCall {
    CompletedCall {
        instance_id: Some(call.instance_id),
        epoch: Some(FIRST_EPOCH),
        call_log_id: call.id,
        agent_id: Some(call.agent_id),
        call_sid: call.call_sid.clone(),
        is_partial: false,
        status: "completed".to_owned(),
        transcript: "[00:00] Agent: hello".to_owned().into(),
        metadata: json!({"ended_by": "caller"}).into(),
        ended_us: NOON_US + 61_500_000,
        duration_ms: 61_500,
    }
}

/// Asks until the answer is yes, for at most 30 s.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asking = async {
        while !ask().await {
            clock::pause(Duration::from_millis(10)).await;
        }
    };
    assert!(clock::within(Duration::from_secs(30), asking).await.is_some(), "never came: {what}");
}
