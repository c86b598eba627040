//! What there is to do because of calls: written with what the call came to, ticked by people.

use std::time::Duration;

use frontdesk::store::access::Read;
use frontdesk::store::people::Viewer;
use frontdesk::store::{
    Completes, Findings, Job, JobKind, NewCall, NewTask, NoteChange, OnlyIf, OpenTasks, Settled,
    Stored, TaskChange, TaskKind, TaskRow,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, NOON_US, completion, fixture};
use crate::viewer::{access, agents, helper_of, owner_of};

const CALLER: &str = "+15551230001";

fn new(kind: TaskKind, ordinal: u32, text: &str) -> NewTask {
    let (text, caller) = (text.to_owned().into(), Some(CALLER.to_owned().into()));
    NewTask { kind, ordinal, text, urgency: 2, caller, question_key: None, only_if: None }
}

fn findings(tasks: Vec<NewTask>, appointments: Value) -> Findings {
    let summary = json!({"data_collected": [{"name": "full_name", "value": "Mrs Okafor"}]});
    Findings {
        summary: summary.into(),
        metadata: json!({}).into(),
        appointments: appointments.into(),
        tasks,
    }
}

impl Fixture {
    async fn over(&self, sid: &str) -> NewCall {
        let call = NewCall { limit: None, ..self.call(sid, Uuid::new_v4()) };
        self.store.admit(&call).await.unwrap();
        self.store.complete(&completion(&call), Completes::ByOwner).await.unwrap();
        call
    }

    async fn one_job(&self, kind: JobKind) -> Job {
        let lease = Duration::from_secs(120);
        self.store.claim_jobs(kind, Uuid::new_v4(), 1, lease).await.unwrap().remove(0)
    }

    /// Sums the only call up with these tasks.
    async fn sum_up(&self, tasks: Vec<NewTask>, appointments: Value) {
        let job = self.one_job(JobKind::Summary).await;
        let stored = self.store.store_findings(&job, &findings(tasks, appointments)).await;
        assert_eq!(stored, Ok(Stored::Stored));
    }

    async fn open(&self) -> OpenTasks {
        let owner = owner_of(&self.pool, self.agent).await;
        self.store.open_tasks(&agents(&self.pool, &owner).await).await.unwrap()
    }

    /// The texts that are open, in the order of the list.
    async fn open_texts(&self) -> Vec<String> {
        let callers = self.open().await.callers;
        let tasks = callers.iter().flat_map(|caller| &caller.tasks);
        tasks.map(|task| task.text.reveal().clone()).collect()
    }

    async fn tick(&self, text: &str, by: &Viewer) -> TaskRow {
        let callers = self.open().await.callers;
        let mut tasks = callers.iter().flat_map(|caller| &caller.tasks);
        let task = tasks.find(|task| task.text.reveal() == text).unwrap();
        let change = TaskChange { done: Some(true), note: None };
        let access = access(&self.pool, by, self.agent).await;
        self.store.mark_task(&access, by, task.id, &change).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn told_again_what_is_open_is_put_right_and_what_was_ticked_does_not_come_back() {
    use TaskKind::{Claim, Gap, Message, Missed};
    let fixture = fixture().await;
    let call = fixture.over("CA1").await;
    fixture
        .sum_up(
            vec![
                new(Missed, 1, "Missed call."),
                new(Message, 1, "first"),
                new(Message, 2, "second"),
                new(Gap, 1, "a"),
                new(Gap, 2, "b"),
            ],
            json!([]),
        )
        .await;
    let ids = |tasks: &OpenTasks| -> Vec<i64> {
        tasks.callers.iter().flat_map(|caller| caller.tasks.iter().map(|task| task.id)).collect()
    };
    let before = ids(&fixture.open().await);
    assert_eq!(before.len(), 5);
    let owner = owner_of(&fixture.pool, fixture.agent).await;
    for ticked in ["a", "Missed call."] {
        fixture.tick(ticked, &owner).await;
    }
    // A callback knows better.
    fixture.sql("update call_logs set status = 'voicemail'").await;
    fixture
        .sum_up(
            vec![
                new(Missed, 1, "Missed call: nobody answered."),
                new(Message, 1, "first, put right"),
                new(Gap, 1, "a"),
                new(Gap, 2, "b"),
                new(Gap, 3, "c"),
                new(Claim, 1, "new"),
            ],
            json!([]),
        )
        .await;
    let mut open = fixture.open_texts().await;
    open.sort();
    assert_eq!(open, ["b", "c", "first, put right", "new"]);
    let after = ids(&fixture.open().await);
    assert_eq!(after.iter().filter(|id| before.contains(id)).count(), 2, "first and b stay");
    let done = access::<Read>(&fixture.pool, &owner, fixture.agent).await;
    let done = fixture.store.tasks_of_call(&done, call.id).await.unwrap();
    let done: Vec<&str> = done
        .iter()
        .filter(|task| task.done_us.is_some())
        .map(|task| task.text.reveal().as_str())
        .collect();
    assert_eq!(done, ["Missed call.", "a"]);
}

#[tokio::test]
async fn a_task_that_hangs_on_an_appointment_is_there_if_it_became_so() {
    let fixture = fixture().await;
    let appointment = |hours: i64| {
        json!({"start_us": NOON_US + hours * 3_600_000_000, "minutes": 30, "name": "A",
            "phone": CALLER, "service": "cut", "notes": "check", "told": {"n": hours}})
    };
    let depends = |ordinal: u32, appointment: usize, outcome: &'static str| NewTask {
        only_if: Some(OnlyIf::Outcome { appointment, outcome }),
        ..new(TaskKind::BookingCheck, ordinal, &format!("{appointment} {outcome}"))
    };
    let claim = NewTask {
        only_if: Some(OnlyIf::NoneWritten { none_written: true }),
        ..new(TaskKind::Claim, 1, "no booking was made")
    };
    let all = || {
        let checks = [
            depends(1, 1, "written"),
            depends(2, 1, "taken"),
            depends(3, 2, "written"),
            depends(4, 2, "taken"),
        ];
        checks.into_iter().chain([claim.clone()]).collect::<Vec<_>>()
    };
    fixture.over("CA1").await;
    fixture.sum_up(all(), json!([appointment(20), {"told": {}, "why": "not said"}])).await;
    assert_eq!(fixture.open_texts().await, ["1 written"]);
    // Summed up anew what was written stays as it is, and so do the checks of it.
    fixture.sql("update call_logs set status = 'voicemail'").await;
    fixture.sum_up(all(), json!([appointment(20), appointment(30)])).await;
    assert_eq!(fixture.open_texts().await, ["no booking was made", "1 written"]);
    fixture.sql("delete from call_logs").await;
    fixture.over("CA2").await;
    fixture.sql("update appointments set phone_number = '+15559990000'").await;
    fixture.sum_up(all(), json!([appointment(20)])).await;
    assert_eq!(fixture.open_texts().await, ["no booking was made", "1 taken"]);
}

#[tokio::test]
async fn tasks_do_not_wait_for_the_summary_nor_go_over_it() {
    use TaskKind::{Claim, Message, Missed};
    let fixture = fixture().await;
    fixture.over("CA1").await;
    let early = fixture.one_job(JobKind::Tasks).await;
    let tasks = [new(Missed, 1, "Missed call.")];
    assert_eq!(fixture.store.store_tasks(&early, &tasks).await, Ok(Stored::Stored));
    assert_eq!(fixture.open_texts().await, ["Missed call."]);
    assert_eq!(fixture.store.store_tasks(&early, &tasks).await, Ok(Stored::Lost), "it is settled");
    fixture.sum_up(vec![new(Message, 1, "ring me"), new(Claim, 1, "said so")], json!([])).await;
    assert_eq!(fixture.open_texts().await, ["ring me", "said so"]);
    // Put right: what the row says counts at once, and what a summary found stays until the next one.
    fixture.sql("update call_logs set status = 'no-answer'").await;
    let early = fixture.one_job(JobKind::Tasks).await;
    assert_eq!(fixture.store.store_tasks(&early, &tasks).await, Ok(Stored::Stored));
    let mut open = fixture.open_texts().await;
    open.sort();
    assert_eq!(open, ["Missed call.", "said so"]);
    // Late, behind a summary of the same row.
    fixture.sql("update call_logs set status = 'completed'").await;
    let late = fixture.one_job(JobKind::Tasks).await;
    fixture.sum_up(vec![new(Message, 1, "ring me")], json!([])).await;
    assert_eq!(fixture.store.store_tasks(&late, &[]).await, Ok(Stored::Stored));
    assert_eq!(fixture.open_texts().await, ["ring me"]);
    fixture.sql("update call_logs set status = 'failed'").await;
    assert_eq!(fixture.store.store_tasks(&late, &[]).await, Ok(Stored::Lost));
    let begun = fixture.one_job(JobKind::Tasks).await;
    fixture.sql("update call_logs set status = 'voicemail'").await;
    assert_eq!(fixture.store.store_tasks(&begun, &[]).await, Ok(Stored::Outdated));
    assert_eq!(fixture.open_texts().await, ["ring me"]);
}

#[tokio::test]
async fn a_test_call_leaves_nothing_to_do_and_nobody_is_told() {
    let fixture = fixture().await;
    fixture.over("FT1").await;
    let kinds = "select string_agg(kind, ',') from aftercall_jobs";
    assert_eq!(fixture.text(kinds).await.as_deref(), Some("summary"));
    fixture.sum_up(vec![new(TaskKind::Message, 1, "ring me")], json!([])).await;
    assert_eq!(fixture.open_texts().await, [""; 0]);
}

#[tokio::test]
async fn a_program_of_before_sums_up_and_leaves_the_tasks() {
    let fixture = fixture().await;
    fixture.over("CA1").await;
    let early = fixture.one_job(JobKind::Tasks).await;
    fixture.store.store_tasks(&early, &[new(TaskKind::Missed, 1, "m")]).await.unwrap();
    let Job { id, worker, claim, revision, .. } = fixture.one_job(JobKind::Summary).await;
    let stored = fixture
        .text(&format!(
            "select aftercall_store_summary({id}, '{worker}', {claim}, {revision}, '{{}}', '{{}}',
                '[]')"
        ))
        .await;
    assert_eq!(stored.as_deref(), Some("stored"));
    assert_eq!(fixture.open_texts().await, ["m"]);
}

#[tokio::test]
async fn people_share_the_list() {
    let fixture = fixture().await;
    let ann = helper_of(&fixture.pool, fixture.agent).await;
    let bob = helper_of(&fixture.pool, fixture.agent).await;
    for (sid, kind, urgency, caller) in [
        ("CA1", TaskKind::Message, 2, Some(CALLER)),
        ("CA2", TaskKind::Urgent, 3, Some(CALLER)),
        ("CA3", TaskKind::Message, 2, Some("+15551230002")),
        ("CA4", TaskKind::Missed, 2, None),
        ("CA5", TaskKind::Missed, 1, None),
    ] {
        let call = fixture.over(sid).await;
        let minutes = sid[2..].to_owned();
        fixture
            .sql(&format!(
                "update call_logs set call_end = call_start + interval '{minutes} minutes'
                where id = '{}'",
                call.id
            ))
            .await;
        let caller = caller.map(|caller| caller.to_owned().into());
        let task = NewTask { urgency, caller, ..new(kind, 1, sid) };
        fixture.sum_up(vec![task], json!([])).await;
    }
    let open = fixture.open().await;
    let shown: Vec<Vec<&str>> = open
        .callers
        .iter()
        .map(|caller| caller.tasks.iter().map(|task| task.text.reveal().as_str()).collect())
        .collect();
    assert_eq!(shown, [vec!["CA2", "CA1"], vec!["CA4"], vec!["CA3"], vec!["CA5"]]);
    assert_eq!(open.callers[0].urgency, 3);
    assert_eq!(open.callers[0].name, Some("Mrs Okafor".to_owned().into()));
    assert!(!open.more);
    let all = agents(&fixture.pool, &ann).await;
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = fixture.store.tasks_to_do(&all, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.place());
        listed.extend(page.into_iter().map(|task| task.text.into_inner()));
    }
    assert_eq!(listed, ["CA2", "CA4", "CA3", "CA1", "CA5"], "page by page, the most urgent first");

    let ticked = fixture.tick("CA1", &ann).await;
    assert_eq!((ticked.done_by, ticked.done_us.is_some()), (Some(ann.id()), true));
    let change = |done: Option<bool>, note: Option<&str>| TaskChange {
        done,
        note: note.map(|note| NoteChange::Now(note.to_owned().into())),
    };
    let bobs = access(&fixture.pool, &bob, fixture.agent).await;
    let mark =
        async |id: i64, change: TaskChange| fixture.store.mark_task(&bobs, &bob, id, &change).await;
    let id = ticked.id;
    // Once more, by another: it was the first who did it.
    let again = mark(id, change(Some(true), Some("rang"))).await.unwrap().unwrap();
    assert_eq!((again.done_by, again.done_us), (Some(ann.id()), ticked.done_us));
    let day = Duration::from_secs(86_400);
    let done = fixture.store.done_tasks(&all, day, None, 10).await.unwrap();
    let none = fixture.store.done_tasks(&all, day, Some(done[0].place()), 10).await;
    assert_eq!(none, Ok(vec![]), "nothing is behind it");
    assert_eq!((done.len(), &done[0].note), (1, &Some("rang".to_owned().into())));
    assert_eq!(fixture.open_texts().await.len(), 4);
    let undone = mark(id, change(Some(false), None)).await.unwrap().unwrap();
    assert_eq!((undone.done_by, undone.done_us), (None, None));
    assert_eq!(undone.note, Some("rang".to_owned().into()));
    let cleared = mark(id, change(None, Some(""))).await.unwrap().unwrap();
    assert_eq!((cleared.note, cleared.done_us), (None, None));
    assert_eq!(mark(id + 100, change(Some(true), None)).await, Ok(None));
    assert!(mark(id, change(None, Some(&"x".repeat(2_001)))).await.is_err());
    let deeds = "select string_agg(action, ', ' order by id) from audit_log";
    assert_eq!(
        fixture.text(deeds).await.as_deref(),
        Some("task.done, task.done, task.reopen, task.note"),
        "what was not done is not written down"
    );
    assert_eq!(fixture.open_texts().await.len(), 5);
    assert_eq!(fixture.store.done_tasks(&all, day, None, 10).await, Ok(vec![]));
}

#[tokio::test]
async fn the_words_of_a_task_go_with_the_transcript_and_the_task_with_the_call() {
    let fixture = fixture().await;
    fixture.over("CA1").await;
    let gap = NewTask {
        question_key: Some("do you take bupa".to_owned().into()),
        ..new(TaskKind::Gap, 1, "Asked: “Do you take BUPA?”")
    };
    fixture.sum_up(vec![gap], json!([])).await;
    for kind in [JobKind::Tasks, JobKind::Webhook] {
        fixture.sql("update aftercall_jobs set run_after = now()").await;
        let job = fixture.one_job(kind).await;
        assert!(fixture.store.settle_job(&job, &Settled::Done("x")).await.unwrap());
    }
    fixture.sql("update call_logs set call_start = now() - interval '60 days'").await;
    assert_eq!(fixture.store.remove_transcripts(fixture.agent, 30, 50).await, Ok(1));
    let left =
        "select string_agg(kind || text || coalesce(question_key, '-'), ',') from call_tasks";
    assert_eq!(fixture.text(left).await.as_deref(), Some("gap-"));
    assert_eq!(fixture.open_texts().await, [""], "that there was one stays");
    fixture.sql("delete from call_logs").await;
    assert_eq!(fixture.open_texts().await, [""; 0]);
}
