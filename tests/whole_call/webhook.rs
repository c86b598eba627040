//! The voice webhook: who may post it, and what comes of posting it badly or twice.

use frontdesk::rehearsal::phone::twiml_reader::Verb;
use frontdesk::rehearsal::phone::{Ended, Step, WebhookFault, random_sid};
use serde_json::json;

use crate::harness::{House, NUMBER, TOKEN, add_agent, stream_url, voice};
use crate::stream::{Media, refused};

const SID: &str = "CA00000000000000000000000000000001";

async fn is_refused(house: &House, fault: WebhookFault) {
    let mut options = house.options();
    options.webhook_fault = fault;
    let call = house.place(options, vec![]).ended().await;
    assert_eq!((call.webhook_status, call.ended), (Some(403), Ended::Failed));
    let [explained] = &call.errors[..] else { panic!("{:?}", call.errors) };
    assert!(explained.contains("--auth-token") && explained.contains("PUBLIC_URL"), "{explained}");
    assert_eq!(house.rows().await, 0);
}

#[tokio::test]
async fn a_webhook_that_is_not_signed_is_refused() {
    let house = House::with(vec![], json!({})).await;
    is_refused(&house, WebhookFault::Unsigned).await;
    let (status, body) = house.post("/twilio/voice", &voice(SID, NUMBER), None).await;
    assert_eq!((status, body.as_str()), (403, ""), "nothing helps a prober");
    let (status, _) = house.post("/twilio/voice", &voice(SID, "+15559870009"), None).await;
    assert_eq!(status, 403, "nor tells which numbers there are");
}

#[tokio::test]
async fn a_webhook_with_another_key_s_signature_is_refused() {
    is_refused(&House::with(vec![], json!({})).await, WebhookFault::WrongSignature).await;
}

#[tokio::test]
async fn the_other_callbacks_are_checked_too() {
    let house = House::with(vec![], json!({})).await;
    for path in ["/twilio/after", "/twilio/status", "/twilio/stream-status"] {
        for token in [None, Some("another key")] {
            let (status, body) = house.post(path, &voice(SID, NUMBER), token).await;
            assert_eq!((status, body.as_str()), (403, ""), "{path}");
        }
    }
}

#[tokio::test]
async fn an_agent_with_its_own_account_is_checked_with_that_only() {
    let house = House::with(vec![], json!({})).await;
    let own = r#"{"account_sid":"AC00000000000000000000000000000002","auth_token":"its-own"}"#;
    house.change(&format!("update voice_agents set twilio_credentials = '{own}'")).await;
    // A subaccount's calls are signed with the subaccount's token, never with its parent's.
    let form = [&voice(SID, NUMBER)[1..], &[("AccountSid", "AC00000000000000000000000000000002")]];
    let (status, _) = house.post("/twilio/voice", &form.concat(), Some(TOKEN)).await;
    assert_eq!(status, 403);
    let (status, body) = house.post("/twilio/voice", &form.concat(), Some("its-own")).await;
    assert_eq!(status, 200, "{body}");

    let mut options = house.options();
    options.auth_token = Some("its-own".to_owned().into());
    let call = house.place(options, vec![Step::wait_for_agent(), Step::HangUp]).ended().await;
    assert_eq!(call.errors, [""; 0], "the whole call is under its token");
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_400() {
    let house = House::with(vec![], json!({})).await;
    let url = house.app.public_url.join("/twilio/voice");
    let bodies: [&[u8]; 5] =
        [b"", b"CallSid=%zz", b"CallSid=%ff&To=x", b"To=%2B15559870001", b"\xff\xfe"];
    for body in bodies {
        let post =
            house.http.post(&url).header("content-type", "application/x-www-form-urlencoded");
        let answer = post.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{}", String::from_utf8_lossy(body));
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413() {
    let house = House::with(vec![], json!({})).await;
    let filler = "x".repeat(1_100_000);
    let fields = [&voice(SID, NUMBER)[..], &[("Filler", filler.as_str())]].concat();
    let (status, _) = house.post("/twilio/voice", &fields, Some(TOKEN)).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_get_is_405() {
    let house = House::with(vec![], json!({})).await;
    for path in ["/twilio/voice", "/twilio/after", "/twilio/status"] {
        let answer = house.http.get(house.app.public_url.join(path)).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
    }
}

#[tokio::test]
async fn a_repeated_webhook_keeps_row_slot_and_engine_and_voids_the_old_token() {
    let house = House::with(vec![], json!({})).await;
    let old = stream_url(&house.ring(SID).await);
    let new = stream_url(&house.ring(SID).await);
    assert_eq!(refused(&old).await, 403);
    let mut media = Media::open(&new, SID).await;
    media.heard("media").await;
    assert_eq!(house.rows().await, 1);
    assert_eq!(house.app.services.registry.live(), 1);
    assert_eq!(house.speech.observer().counts().opened, 1);
}

#[tokio::test]
async fn a_call_whose_webhook_came_twice_is_held() {
    let house = House::with(vec![], json!({})).await;
    let mut options = house.options();
    options.webhook_fault = WebhookFault::Repeated;
    let call = house.place(options, vec![Step::wait_for_agent(), Step::HangUp]).ended().await;
    assert_eq!(call.errors, [""; 0]);
    assert_eq!(house.row(&call.call_sid).await.end(), ("completed", "caller"));
    assert_eq!(house.rows().await, 1);
}

#[tokio::test]
async fn a_webhook_of_an_ended_call_hangs_up() {
    let house = House::with(vec![], json!({})).await;
    let (call, before) = house.call(vec![Step::wait_for_agent(), Step::HangUp]).await;
    assert_eq!(house.ring(&call.call_sid).await, [Verb::Hangup]);
    assert_eq!(house.row(&call.call_sid).await.as_ended(), before.as_ended());
}

#[tokio::test]
async fn a_number_stored_with_spaces_is_found() {
    let house = House::with(vec![], json!({})).await;
    let agent = add_agent(&house.pool, "+1 (555) 987-0002", json!({})).await;
    let sid = random_sid("CA");
    let form = voice(&sid, "+15559870002");
    let (status, body) = house.post("/twilio/voice", &form, Some(TOKEN)).await;
    assert!(status == 200 && body.contains("<Connect"), "{body}");
    assert_eq!(house.app.services.registry.agents_of(&sid)[0].id, agent);
}

#[tokio::test]
async fn of_two_webhooks_that_come_at_once_one_token_is_good() {
    let house = House::with(vec![], json!({})).await;
    let (first, second) = tokio::join!(house.ring(SID), house.ring(SID));
    let tokens = [stream_url(&first), stream_url(&second)];
    let refusals = [refused(&tokens[0]).await, refused(&tokens[1]).await];
    assert!(refusals.contains(&403) && refusals.contains(&101), "{refusals:?}");
    assert_eq!((house.rows().await, house.app.services.registry.live()), (1, 1));
}

/// As large as they may be, of characters that are three times as many in a form.
#[tokio::test]
async fn add_ons_of_escaped_characters_cost_no_call() {
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let add_ons = "\"".repeat(256 * 1024);
    let mut fields = voice(&sid, NUMBER).to_vec();
    fields.push(("AddOns", &add_ons));
    let (status, body) = house.post("/twilio/voice", &fields, Some(TOKEN)).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<Stream"), "{body}");
}
