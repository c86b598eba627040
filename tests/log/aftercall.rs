//! Work after calls: called for once, done once, and done in the end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use frontdesk::agent::prompt::Prompts;
use frontdesk::config::{HostPort, OpenAi};
use frontdesk::post_call::summary::Summaries;
use frontdesk::post_call::webhook::Webhooks;
use frontdesk::post_call::{Parts, PostCall};
use frontdesk::rehearsal::speech::script::{Chat, ErrorBody, Script};
use frontdesk::rehearsal::speech::{Speech, SpeechOptions, serve};
use frontdesk::store::{Completes, Findings, Job, JobKind, NewCall, Settled, Store, Stored};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::fixture::{Fixture, NOON_US, completion, eventually, fixture};
use crate::proxy::{Proxy, Wire};
use crate::receiver::Receiver;

const LEASE: Duration = Duration::from_secs(120);
/// What was said in the calls here.
const TALK: &str = "[00:00] Agent: Good day.\n[00:03] Caller: Do you have parking?\n\
                    [00:06] Agent: Yes, we have.";

impl Fixture {
    /// A call that is over.
    async fn ended(&self, sid: &str, transcript: &str) -> NewCall {
        let call = NewCall { limit: None, ..self.call(sid, Uuid::new_v4()) };
        self.store.admit(&call).await.unwrap();
        let mut completed = completion(&call);
        completed.transcript = transcript.to_owned().into();
        assert!(self.store.complete(&completed, Completes::ByOwner).await.unwrap());
        call
    }

    async fn claim(&self, kind: JobKind, limit: usize) -> Vec<Job> {
        self.store.claim_jobs(kind, Uuid::new_v4(), limit, LEASE).await.unwrap()
    }

    /// Has the jobs of a kind that wait for their time be due.
    async fn hurry(&self, kind: &str) {
        let due = "update aftercall_jobs set run_after = now() where state = 'pending'";
        self.sql(&format!("{due} and kind = '{kind}'")).await;
    }

    /// A job as JSON.
    async fn job(&self, call: &NewCall, kind: &str) -> Value {
        let job = self
            .text(&format!(
                "select to_jsonb(j) from aftercall_jobs j
                where call_log_id = '{}' and kind = '{kind}'",
                call.id
            ))
            .await;
        serde_json::from_str(&job.unwrap()).unwrap()
    }

    /// The work as a process does it.
    fn aftercall(&self, speech: &Speech, wake: &Arc<Notify>, ports: &str) -> PostCall {
        self.aftercall_on(self.store.clone(), speech, wake, ports)
    }

    /// The same with another way to the database.
    fn aftercall_on(
        &self,
        store: Store,
        speech: &Speech,
        wake: &Arc<Notify>,
        ports: &str,
    ) -> PostCall {
        let service =
            OpenAi { api_key: Some("k".into()), base_url: speech.base_url().parse().unwrap() };
        let prompts = Arc::new(Prompts::built_in());
        let allowed = vec![HostPort::parse(ports).unwrap()];
        PostCall::start(Parts {
            store: store.clone(),
            instance_id: Uuid::new_v4(),
            summaries: Summaries::new(store.clone(), prompts, &service, "m").unwrap(),
            webhooks: Webhooks::new(store, allowed).unwrap(),
            completed: Arc::clone(wake),
            at_once: 4,
        })
    }

    /// Whether this kind of work on a call is done, asked while its time is moved on.
    async fn is_done(&self, call: &NewCall, kind: &str, wake: &Notify) -> bool {
        self.hurry(kind).await;
        wake.notify_one();
        self.job(call, kind).await["state"] == "done"
    }
}

async fn speech(chats: Vec<Chat>) -> Speech {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let script = Script { chats, ..Script::default() };
    let options = SpeechOptions { script, ..SpeechOptions::default() };
    serve(listener, options, std::future::pending::<()>()).unwrap()
}

fn findings(title: &str, appointments: Value) -> Findings {
    Findings {
        summary: json!({"title": title}).into(),
        metadata: json!({"unbacked_claims": []}).into(),
        appointments: appointments.into(),
        tasks: Vec::new(),
    }
}

#[tokio::test]
async fn a_completion_calls_for_work_once_and_a_better_one_again() {
    let fixture = fixture().await;
    let call = fixture.ended("CA1", TALK).await;
    let count = "select count(*) from aftercall_jobs";
    assert_eq!(fixture.text(count).await.as_deref(), Some("3"));
    // Told again, as a spool is, and with what retention takes away.
    fixture.store.complete(&completion(&call), Completes::ByOwner).await.unwrap();
    fixture.sql("update call_logs set transcript = null, metadata = '{}'").await;
    assert_eq!(fixture.job(&call, "summary").await["revision"], 1);
    let due = "select count(*) from aftercall_jobs where run_after <= now()";
    assert_eq!(fixture.text(due).await.as_deref(), Some("2"), "the owner waits for the summary");
    // A callback knows better than the guess.
    fixture.sql("update call_logs set out_until = now()").await;
    let better = frontdesk::store::CompletedCall {
        status: "transferred".to_owned(),
        ended_us: NOON_US + 90_000_000,
        ..completion(&call)
    };
    fixture.store.complete(&better, Completes::AfterOuting).await.unwrap();
    assert_eq!(fixture.job(&call, "summary").await["revision"], 2);
    assert_eq!(fixture.text(count).await.as_deref(), Some("3"));
    // What others write calls for nothing.
    let others =
        "insert into call_logs (voice_agent_id, call_start) select id, now() from voice_agents";
    fixture.sql(others).await;
    fixture.sql("update call_logs set call_end = now() where call_sid is null").await;
    assert_eq!(fixture.text(count).await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_call_that_may_be_put_right_waits_for_that() {
    let fixture = fixture().await;
    let call = fixture.call("CA1", Uuid::new_v4());
    fixture.store.admit(&call).await.unwrap();
    fixture.sql("update call_logs set out_until = now() + interval '1 hour'").await;
    fixture.store.complete(&completion(&call), Completes::IfLive).await.unwrap();
    assert_eq!(fixture.claim(JobKind::Summary, 9).await, []);
    fixture.hurry("summary").await;
    assert_eq!(fixture.claim(JobKind::Summary, 9).await.len(), 1);
}

#[tokio::test]
async fn of_any_number_of_workers_each_job_has_one() {
    let fixture = fixture().await;
    for n in 0..20 {
        fixture.ended(&format!("CA{n}"), TALK).await;
    }
    let claims = (0..12).map(|_| fixture.claim(JobKind::Summary, 3));
    let claimed: Vec<i64> = join_all(claims).await.into_iter().flatten().map(|j| j.id).collect();
    let rest: Vec<i64> = fixture.claim(JobKind::Summary, 99).await.iter().map(|j| j.id).collect();
    let all: BTreeSet<i64> = claimed.iter().chain(&rest).copied().collect();
    assert_eq!((claimed.len() + rest.len(), all.len()), (20, 20), "none is claimed twice");
    assert_eq!(fixture.claim(JobKind::Summary, 99).await, []);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_anothers_and_the_first_settles_nothing() {
    let fixture = fixture().await;
    let call = fixture.ended("CA1", TALK).await;
    let first = fixture.claim(JobKind::Summary, 1).await.remove(0);
    assert_eq!(fixture.claim(JobKind::Summary, 1).await, []);
    fixture.sql("update aftercall_jobs set leased_until = now()").await;
    let second = fixture.claim(JobKind::Summary, 1).await.remove(0);
    assert_eq!((second.id, second.attempt, second.claim), (first.id, 2, 2));
    assert!(!fixture.store.settle_job(&first, &Settled::Done("x")).await.unwrap());
    let stored = fixture.store.store_findings(&first, &findings("a", json!([]))).await;
    assert_eq!(stored, Ok(Stored::Lost));
    assert_eq!(fixture.row("CA1").await.unwrap()["summary"], Value::Null);
    let stored = fixture.store.store_findings(&second, &findings("b", json!([]))).await;
    assert_eq!(stored, Ok(Stored::Stored));
    let row = fixture.row("CA1").await.unwrap();
    assert_eq!(row["summary"]["title"], "b");
    assert_eq!(row["metadata"]["ended_by"], "caller", "what was there stays");
    assert_eq!(fixture.job(&call, "summary").await["state"], "done");
}

#[tokio::test]
async fn what_was_begun_before_a_row_was_put_right_does_not_count() {
    let fixture = fixture().await;
    let call = fixture.ended("CA1", TALK).await;
    let early = fixture.claim(JobKind::Summary, 1).await.remove(0);
    fixture.sql("update call_logs set status = 'transferred'").await;
    let stored = fixture.store.store_findings(&early, &findings("guess", json!([]))).await;
    assert_eq!(stored, Ok(Stored::Outdated));
    assert_eq!(fixture.row("CA1").await.unwrap()["summary"], Value::Null);
    let again = fixture.claim(JobKind::Summary, 1).await.remove(0);
    assert_eq!((again.revision, again.attempt), (2, 1));
    // The other way to settle leaves it to be done, too.
    fixture.sql("update call_logs set status = 'voicemail'").await;
    assert!(fixture.store.settle_job(&again, &Settled::Done("x")).await.unwrap());
    assert_eq!(fixture.job(&call, "summary").await["state"], "pending");
    assert_eq!(fixture.claim(JobKind::Summary, 1).await.remove(0).revision, 3);
}

#[tokio::test]
async fn a_failure_waits_and_what_a_process_gives_back_does_not() {
    let fixture = fixture().await;
    let call = fixture.ended("CA1", TALK).await;
    let job = fixture.claim(JobKind::Summary, 1).await.remove(0);
    let again = Settled::Again { error: "busy".to_owned(), after: Duration::from_secs(60) };
    assert!(fixture.store.settle_job(&job, &again).await.unwrap());
    assert_eq!(fixture.claim(JobKind::Summary, 1).await, []);
    assert_eq!(fixture.job(&call, "summary").await["last_error"], "busy");
    fixture.hurry("summary").await;
    let job = fixture.claim(JobKind::Summary, 1).await.remove(0);
    assert_eq!(job.attempt, 2);
    assert_eq!(fixture.store.give_back_jobs(Uuid::new_v4()).await, Ok(0));
    assert_eq!(fixture.store.give_back_jobs(job.worker).await, Ok(1));
    let job = fixture.claim(JobKind::Summary, 1).await.remove(0);
    assert_eq!(job.attempt, 2, "it was not tried");
    let failed = Settled::Failed { error: "gone".to_owned() };
    assert!(fixture.store.settle_job(&job, &failed).await.unwrap());
    fixture.hurry("summary").await;
    assert_eq!(fixture.claim(JobKind::Summary, 1).await, []);
}

#[tokio::test]
async fn a_process_that_ends_while_it_claims_leaves_nothing_claimed() {
    let fixture = fixture().await;
    let speech = speech(Vec::new()).await;
    fixture
        .sql(
            "create function dawdle() returns trigger language plpgsql as
                $$ begin perform pg_sleep(0.5); return new; end $$",
        )
        .await;
    fixture
        .sql(
            "create trigger dawdle before update on aftercall_jobs
                for each row when (old.leased_by is null) execute function dawdle()",
        )
        .await;
    let wake = Arc::new(Notify::new());
    let working = fixture.aftercall(&speech, &wake, "127.0.0.1:1");
    fixture.ended("CA1", TALK).await;
    wake.notify_one();
    let claims = "select count(*) > 0 from pg_stat_activity
        where wait_event = 'PgSleep' and datname = current_database()";
    eventually("a claim", async || fixture.text(claims).await.as_deref() == Some("true")).await;
    working.stop().await;
    let claimed = "select count(*) from aftercall_jobs where leased_by is not null";
    let at_once = "select count(*) from pg_stat_activity
        where wait_event = 'PgSleep' and datname = current_database()";
    eventually("its end", async || fixture.text(at_once).await.as_deref() == Some("0")).await;
    assert_eq!(fixture.text(claimed).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn what_a_dead_process_has_claimed_is_free_when_it_is_forgotten() {
    let fixture = fixture().await;
    fixture.ended("CA1", TALK).await;
    let job = fixture.claim(JobKind::Summary, 1).await.remove(0);
    assert_eq!(fixture.claim(JobKind::Summary, 1).await, []);
    assert_eq!(fixture.store.forget_dead(&[Uuid::new_v4()]).await.unwrap().len(), 1);
    assert_eq!(fixture.claim(JobKind::Summary, 1).await, []);
    assert_eq!(fixture.store.forget_dead(&[job.worker]).await, Ok(vec![job.worker]));
    let again = fixture.claim(JobKind::Summary, 1).await.remove(0);
    assert_eq!((again.id, again.attempt), (job.id, 2));
    // The process was not dead: it does not settle what is another's by now.
    assert_eq!(fixture.store.settle_job(&job, &Settled::Done("x")).await, Ok(false));
}

/// An appointment that was agreed, so many hours after the call.
fn agreed(hours: i64) -> Value {
    json!({"start_us": NOON_US + hours * 3_600_000_000, "minutes": 30, "name": "Maria Lopez",
        "phone": "+15551230001", "service": "cleaning", "notes": "check", "told": {"n": hours}})
}

#[tokio::test]
async fn an_agreed_appointment_is_written_once_and_never_beside_one_that_is_known() {
    let fixture = fixture().await;
    let agent = fixture.agent;
    let book = |number: &str, hours: i64| {
        format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time)
            values ('{agent}', 'A', '{number}', 'cut',
                timestamptz '2026-11-22T12:00:00Z' + interval '{hours} hours')"
        )
    };
    fixture.sql(&book("\u{202A}+1 (555) 123-0001", 30)).await;
    fixture.sql(&book("+15559990000", 40)).await;
    fixture.ended("CA1", TALK).await;
    let job = fixture.claim(JobKind::Summary, 1).await.remove(0);
    let refused = json!({"why": "not said", "told": {"n": 0}});
    let all = json!([agreed(20), agreed(30), agreed(40), refused]);
    let stored = fixture.store.store_findings(&job, &findings("a", all)).await;
    assert_eq!(stored, Ok(Stored::Stored));
    let row = fixture.row("CA1").await.unwrap();
    assert_eq!(
        row["metadata"]["extracted_appointments"],
        json!([{"n": 20, "written": true, "why": null}, {"n": 30, "written": false, "why": "known"},
            {"n": 40, "written": false, "why": "taken"}, {"n": 0, "written": false, "why": "not said"}])
    );
    let written = "select string_agg(name || status || phone_number || duration_minutes, ',')
        from appointments where is_extracted";
    let one = "Maria Lopezpending+1555123000130";
    assert_eq!(fixture.text(written).await.as_deref(), Some(one));
    // Summed up anew, with other times: the owner may have changed what is there.
    fixture.sql("update call_logs set status = 'voicemail'").await;
    let again = fixture.claim(JobKind::Summary, 1).await.remove(0);
    let stored = fixture.store.store_findings(&again, &findings("b", json!([agreed(22)]))).await;
    assert_eq!(stored, Ok(Stored::Stored));
    assert_eq!(fixture.text(written).await.as_deref(), Some(one));
    // What a function of the call booked is known, also if it is under another's number.
    let call = fixture.ended("CA2", TALK).await;
    fixture
        .sql(&format!(
            "update appointments set booking_key = '{}:c1' where name = 'A'
            and phone_number = '+15559990000'",
            call.id
        ))
        .await;
    let job = fixture.claim(JobKind::Summary, 1).await.remove(0);
    let all = json!([agreed(40), agreed(60)]);
    let stored = fixture.store.store_findings(&job, &findings("c", all.clone())).await;
    assert_eq!(stored, Ok(Stored::Stored));
    let row = fixture.row("CA2").await.unwrap();
    assert_eq!(
        row["metadata"]["extracted_appointments"],
        json!([{"n": 40, "written": false, "why": "known"}, {"n": 60, "written": true, "why": null}])
    );
    let two = format!("{one},{one}");
    assert_eq!(fixture.text(written).await.as_deref(), Some(two.as_str()));
    fixture.sql("update call_logs set status = 'voicemail' where call_sid = 'CA2'").await;
    let again = fixture.claim(JobKind::Summary, 1).await.remove(0);
    let stored = fixture.store.store_findings(&again, &findings("d", all)).await;
    assert_eq!(stored, Ok(Stored::Stored));
    assert_eq!(fixture.text(written).await.as_deref(), Some(two.as_str()));
}

#[tokio::test]
async fn quotations_of_an_earlier_summary_go_with_the_transcript_too() {
    let fixture = fixture().await;
    fixture.ended("CA1", TALK).await;
    let agreed = |offer: &str| {
        let mut agreed = agreed(20);
        let quoted = format!("Agent: \"{offer}\" Caller: \"Yes\"");
        agreed["notes"] =
            json!(format!("Agreed by telephone and not confirmed: please check. {quoted}"));
        agreed["told"] = json!({"agent": offer, "caller": "Yes"});
        json!([agreed])
    };
    for (offer, status) in [("Tuesday?", "transferred"), ("At ten?", "voicemail")] {
        let job = fixture.claim(JobKind::Summary, 1).await.remove(0);
        let stored = fixture.store.store_findings(&job, &findings("a", agreed(offer))).await;
        assert_eq!(stored, Ok(Stored::Stored));
        fixture.sql(&format!("update call_logs set status = '{status}'")).await;
    }
    fixture
        .sql("update appointments set special_notes = special_notes || ' Rang, \"fine\".'")
        .await;
    fixture.sql("update aftercall_jobs set state = 'done'").await;
    fixture.sql("update call_logs set call_start = now() - interval '60 days'").await;
    assert_eq!(fixture.store.remove_transcripts(fixture.agent, 30, 50).await.unwrap(), 1);
    let notes = fixture.text("select special_notes from appointments").await;
    let expected = "Agreed by telephone and not confirmed: please check. Rang, \"fine\".";
    assert_eq!(notes.as_deref(), Some(expected));
    let left = fixture.text("select to_jsonb(a) from appointments a").await.unwrap();
    assert!(!left.contains("Tuesday?"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_told_how_long_to_think_is_asked_without() {
    let fixture = fixture().await;
    let message = "Unrecognized request argument supplied: reasoning_effort";
    let error = json!({"type": "invalid_request_error", "message": message});
    let error = Chat::Error { status: 400, error: serde_json::from_value(error).unwrap() };
    let speech = speech(vec![Chat::AsUsual, error]).await;
    let wake = Arc::new(Notify::new());
    let aftercall = fixture.aftercall(&speech, &wake, "127.0.0.1:1");
    for n in 0..3 {
        let call = fixture.ended(&format!("CA{n}"), TALK).await;
        eventually("the summary", || fixture.is_done(&call, "summary", &wake)).await;
        let job = fixture.job(&call, "summary").await;
        assert_eq!((&job["attempts"], &job["result"]), (&json!(1), &json!("stored")));
    }
    aftercall.stop().await;
    let asked = speech.observer().chats();
    let efforts: Vec<&Value> = asked.iter().map(|chat| &chat["reasoning_effort"]).collect();
    let low = json!("low");
    assert_eq!(efforts, [&low, &low, &Value::Null, &Value::Null], "it is remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_fails_in_every_way_is_asked_until_it_answers() {
    let fixture = fixture().await;
    let call = fixture.ended("CA1", TALK).await;
    let body = |code: &str| {
        let error = json!({"type": "t", "code": code, "message": "Do you have parking?"});
        serde_json::from_value::<ErrorBody>(error).unwrap()
    };
    let speech = speech(vec![
        Chat::Error { status: 500, error: None },
        Chat::Error { status: 429, error: Some(body("insufficient_quota")) },
        Chat::Refusal("I cannot help with that.".to_owned()),
        Chat::CutOff,
        Chat::Text("Here you are: {}".to_owned()),
        Chat::Answer(json!({"outcome": "fabulous"})),
    ])
    .await;
    let wake = Arc::new(Notify::new());
    let aftercall = fixture.aftercall(&speech, &wake, "127.0.0.1:1");
    let done = || fixture.is_done(&call, "summary", &wake);
    eventually("the summary", done).await;
    aftercall.stop().await;
    let summary = fixture.row("CA1").await.unwrap()["summary"].clone();
    assert_eq!(summary["title"], "Do you have parking?", "{summary}");
    let job = fixture.job(&call, "summary").await;
    assert_eq!((&job["attempts"], &job["last_error"]), (&json!(7), &Value::Null));
    assert_eq!(speech.observer().counts().chats, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_in_the_middle_leaves_the_work_to_another() {
    let fixture = fixture().await;
    let call = fixture.ended("CA1", TALK).await;
    let speech = speech(vec![Chat::Hang]).await;
    let wake = Arc::new(Notify::new());
    let killed = fixture.aftercall(&speech, &wake, "127.0.0.1:1");
    let asked = |seen: &frontdesk::rehearsal::speech::observer::SpeechObserver| {
        (seen.counts().chats == 1).then_some(())
    };
    speech.observer().wait_for(Duration::from_secs(30), asked).await.expect("it is asked");
    drop(killed);
    let job = fixture.job(&call, "summary").await;
    assert_eq!((&job["state"], job["leased_by"].is_string()), (&json!("pending"), true));
    let other = fixture.aftercall(&speech, &wake, "127.0.0.1:1");
    fixture.sql("update aftercall_jobs set leased_until = now()").await;
    eventually("the summary", || fixture.is_done(&call, "summary", &wake)).await;
    other.stop().await;
    assert_eq!(fixture.job(&call, "summary").await["claims"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_which_nothing_was_said_is_summed_up_without_a_model() {
    let fixture = fixture().await;
    let call = fixture.ended("CA1", "[00:00] Agent: Good day.\n[00:02] Caller: [inaudible]").await;
    let speech = speech(vec![]).await;
    let wake = Arc::new(Notify::new());
    let aftercall = fixture.aftercall(&speech, &wake, "127.0.0.1:1");
    eventually("the summary", || fixture.is_done(&call, "summary", &wake)).await;
    aftercall.stop().await;
    let summary = fixture.row("CA1").await.unwrap()["summary"].clone();
    assert_eq!(summary["outcome"], "no_conversation");
    assert_eq!(summary["model"], Value::Null);
    assert_eq!(speech.observer().counts().chats, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_told_again_until_told_and_anew_when_the_row_is_put_right() {
    let fixture = fixture().await;
    let receiver = Receiver::start(&[500, 302, 429]).await;
    let settings = json!({"webhook": {"url": receiver.url(), "secret": "whsec_czNjcmV0"}});
    fixture.sql(&format!("update voice_agents set private_settings = '{settings}'")).await;
    let call = fixture.ended("CA1", TALK).await;
    let speech = speech(vec![]).await;
    let wake = Arc::new(Notify::new());
    let aftercall = fixture.aftercall(&speech, &wake, &format!("127.0.0.1:{}", receiver.port));
    eventually("the summary", || fixture.is_done(&call, "summary", &wake)).await;
    eventually("the webhook", || fixture.is_done(&call, "webhook", &wake)).await;
    let messages = receiver.messages(4).await;
    let ids: BTreeSet<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids.len(), 1, "all attempts of one message have one name");
    assert!(messages.iter().all(|message| message.is_signed_with(b"s3cret")));
    assert!(!messages[0].is_signed_with(b"another"));
    let message = messages[3].json();
    assert_eq!(message["type"], "call.completed");
    let data = &message["data"];
    assert_eq!((&data["call_sid"], &data["status"]), (&json!("CA1"), &json!("completed")));
    assert_eq!(data["summary"]["title"], "Do you have parking?");
    assert_eq!((&data["duration_seconds"], &data["revision"]), (&json!(61.5), &json!(1)));
    for hidden in ["stream_nonce", "instance_id", "epoch", "holds_line", "private_settings"] {
        assert!(data.get(hidden).is_none(), "{hidden}");
    }
    let seen = "select string_agg(attempt || ':' || status || coalesce(error, ''), ',' order by id)
        from webhook_deliveries";
    assert_eq!(
        fixture.text(seen).await.as_deref(),
        Some(
            "1:500webhook: answered 500,2:302webhook: answered 302,3:429webhook: answered 429,4:204"
        )
    );
    fixture.sql("update call_logs set status = 'transferred'").await;
    eventually("the new summary", || fixture.is_done(&call, "summary", &wake)).await;
    let messages = receiver.messages(5).await;
    assert_ne!(messages[4].id, messages[3].id);
    let data = &messages[4].json()["data"];
    assert_eq!((&data["status"], &data["revision"]), (&json!("transferred"), &json!(2)));
    aftercall.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_told_without_a_summary_that_does_not_come_and_again_when_it_does() {
    let fixture = fixture().await;
    let receiver = Receiver::start(&[]).await;
    let settings = json!({"webhook": {"url": receiver.url()}});
    fixture.sql(&format!("update voice_agents set private_settings = '{settings}'")).await;
    let call = fixture.ended("CA1", TALK).await;
    let speech = speech(vec![Chat::Error { status: 503, error: None }]).await;
    let wake = Arc::new(Notify::new());
    let aftercall = fixture.aftercall(&speech, &wake, &format!("127.0.0.1:{}", receiver.port));
    // The minute is over before the service answers.
    fixture.sql("update aftercall_jobs set run_after = now() where kind = 'webhook'").await;
    let first = receiver.messages(1).await.remove(0);
    assert_eq!((&first.signature, &first.json()["data"]["summary"]), (&None, &Value::Null));
    let result =
        || async { fixture.job(&call, "webhook").await["result"] == "sent without a summary" };
    eventually("it is noted", result).await;
    eventually("the summary", || fixture.is_done(&call, "summary", &wake)).await;
    let second = receiver.messages(2).await.remove(1);
    assert_ne!(first.id, second.id);
    assert_eq!(second.json()["data"]["summary"]["title"], "Do you have parking?");
    aftercall.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_not_told_and_a_service_that_is_gone_not_again() {
    let fixture = fixture().await;
    let receiver = Receiver::start(&[410]).await;
    let settings = json!({"webhook": {"url": receiver.url(), "secret": "s"}});
    fixture.sql(&format!("update voice_agents set private_settings = '{settings}'")).await;
    let call = fixture.ended("CA1", TALK).await;
    let speech = speech(vec![]).await;
    let wake = Arc::new(Notify::new());
    let guarded = fixture.aftercall(&speech, &wake, "127.0.0.1:1");
    // So that no later summary has the message made anew.
    eventually("the summary", || fixture.is_done(&call, "summary", &wake)).await;
    let noted = || async {
        fixture.hurry("webhook").await;
        fixture.text("select max(error) from webhook_deliveries").await.is_some()
    };
    eventually("a delivery", noted).await;
    guarded.stop().await;
    assert_eq!(receiver.messages(0).await.len(), 0);
    let error = fixture.text("select max(error) from webhook_deliveries").await;
    assert_eq!(error.as_deref(), Some("webhook: no connection to a public address of that host"));
    let allowed = fixture.aftercall(&speech, &wake, &format!("127.0.0.1:{}", receiver.port));
    let gone = || async {
        fixture.hurry("webhook").await;
        fixture.job(&call, "webhook").await["state"] == "failed"
    };
    eventually("it is given up", gone).await;
    allowed.stop().await;
    assert_eq!(receiver.messages(0).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_waits_for_the_database() {
    let fixture = fixture().await;
    let call = fixture.ended("CA1", TALK).await;
    let wire = Proxy::to(&fixture.database.options()).await;
    wire.set(Wire::Cut);
    let store = Store::connect_lazily(wire.options(fixture.database.options()), 4);
    assert!(store.ping().await.is_err());
    let speech = speech(vec![]).await;
    let wake = Arc::new(Notify::new());
    let aftercall = fixture.aftercall_on(store, &speech, &wake, "127.0.0.1:1");
    wire.set(Wire::Joined);
    eventually("the summary", || fixture.is_done(&call, "summary", &wake)).await;
    aftercall.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_used_is_asked_for_five_times_and_not_for_two_days() {
    let fixture = fixture().await;
    let call = fixture.ended("CA1", TALK).await;
    let speech = speech(vec![Chat::Refusal("I will not.".to_owned()); 20]).await;
    let wake = Arc::new(Notify::new());
    let aftercall = fixture.aftercall(&speech, &wake, "127.0.0.1:1");
    let given_up = || async {
        fixture.hurry("summary").await;
        wake.notify_one();
        fixture.job(&call, "summary").await["state"] == "failed"
    };
    eventually("it is given up", given_up).await;
    aftercall.stop().await;
    assert_eq!(fixture.job(&call, "summary").await["attempts"], 5);
}
