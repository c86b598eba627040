//! What callbacks say of calls that no task has is written down, as far as there is room for it.

use frontdesk::call::LogEvent;
use frontdesk::recovery::completion::{CameTo, complete_live, write};
use frontdesk::store::FIRST_EPOCH;
use uuid::Uuid;

use crate::fixture::{NOON_US, fixture};

const SID: &str = "CA00000000000000000000000000000001";

#[tokio::test]
async fn callbacks_without_end_leave_few_events_and_complete_a_call_once() {
    let fixture = fixture().await;
    let (store, instance) = (&fixture.store, Uuid::new_v4());
    let call = fixture.call(SID, instance);
    store.admit(&call).await.unwrap();
    store.go_out(&fixture.outing(SID, instance, FIRST_EPOCH)).await.unwrap();
    let voicemail = CameTo::Voicemail {
        recording_url: "https://x".to_owned().into(),
        seconds: 3,
        own_account: false,
    };
    let mut completed = 0;
    for n in 0..200 {
        let came_to = if n % 2 == 0 { &CameTo::Answered } else { &voicemail };
        let done = complete_live(store, fixture.agent, SID, came_to, NOON_US + n).await.unwrap();
        completed += usize::from(done);
        let row = store.call_by_sid(fixture.agent, SID).await.unwrap().unwrap();
        let failed = LogEvent::StreamFailed { code: "31921".to_owned() };
        write(store, &row, &[failed], NOON_US + n).await.unwrap();
    }
    assert_eq!(completed, 1);
    let events = store.events(call.id).await.unwrap();
    let count = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!((count("stream_failed"), count("ended")), (32, 1));
    assert!(events.len() <= 40, "{}", events.len());
}
