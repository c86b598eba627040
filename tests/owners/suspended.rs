//! An agent that the operator has suspended costs them nothing.

use http::StatusCode;
use serde_json::json;

use crate::desk::Desk;

#[tokio::test]
async fn a_suspended_agent_is_not_tried_but_by_an_administrator() {
    let desk = Desk::open().await;
    let suspend =
        format!("update voice_agents set status = 'suspended' where id = '{}'", desk.agent);
    desk.sql(&suspend).await;
    let path = format!("/agents/{}/try", desk.agent);
    let owner = desk.sign_in("owner@example.com").await;
    for draft in [json!({}), json!({"draft": {"name": "Another"}})] {
        let refused = owner.post(&path, draft).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert!(refused.text.contains("suspended"), "{}", refused.text);
    }
    let rows: i64 =
        sqlx::query_scalar("select count(*) from call_logs").fetch_one(&desk.pool).await.unwrap();
    assert_eq!(rows, 0, "nothing has begun");
    let admin = desk.sign_in("admin@example.com").await;
    let begun = admin.post(&path, json!({})).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text);
}
