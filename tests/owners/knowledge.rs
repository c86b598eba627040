//! Questions without an answer, and what owners answer.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::calls::add_call;
use crate::desk::Desk;

/// A question of a caller's, longer than that of an answer may be.
fn long() -> String {
    format!("Do you take {}?", "the insurance of my aunt in Cardiff, ".repeat(15))
}

async fn asked(desk: &Desk, question: &str) -> Uuid {
    // Just now: what was asked before an answer is answered.
    let now: String = desk.made("select now()::text").await;
    let metadata = json!({"gaps": [question]});
    let row = json!({"metadata": metadata, "call_start": now, "call_end": now});
    add_call(desk, desk.agent, row).await
}

async fn answers(desk: &Desk) -> Vec<(String, String)> {
    let rows = desk.app.store.answers_of(desk.agent).await.unwrap();
    let text =
        |row: frontdesk::store::AnswerRow| (row.question.into_inner(), row.answer.into_inner());
    rows.into_iter().map(text).collect()
}

/// The value of a hidden field of the first form that has one of this name.
fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let begin = format!("name=\"{name}\" value=\"");
    let rest = &page[page.find(&begin).unwrap_or_else(|| panic!("{name}: {page}")) + begin.len()..];
    &rest[..rest.find('"').unwrap()]
}

#[tokio::test]
async fn a_long_question_is_answered_from_the_page_and_over_the_api() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let knowledge = format!("/knowledge/{}/answers", desk.agent);
    asked(&desk, &long()).await;
    let page = owner.get("/knowledge").await.text;
    assert!(
        !page.contains("name=\"answer\" required maxlength"),
        "nothing is cut in silence: {page}"
    );
    assert!(page.contains("…”"), "the question is cut: {page}");
    let gap = field(&page, "gap").to_owned();
    let done = owner.form(&knowledge, &[("gap", &gap), ("answer", "Yes, we do.")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let kept = answers(&desk).await;
    assert_eq!(kept.len(), 1);
    assert!(kept[0].0.len() <= 400 && kept[0].0.ends_with('…'), "{kept:?}");
    // Asked again: it is the same question, and the API answers it, too.
    asked(&desk, &long()).await;
    let gaps = owner.get(&format!("/api/v1/agents/{}/gaps", desk.agent)).await.json();
    assert_eq!(gaps["items"][0]["id"], gap);
    let path = format!("/api/v1/gaps/{gap}/answer");
    let done = owner.post(&path, json!({"text": "No longer."})).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let kept = answers(&desk).await;
    assert_eq!((kept.len(), &*kept[0].1), (1, "No longer."));
    // Whoever changes the words of the answer alone leaves it the answer to the whole question.
    let page = owner.get("/knowledge").await.text;
    let id = desk.app.store.answers_of(desk.agent).await.unwrap()[0].id;
    let change = [("seen", field(&page, "seen")), ("question", &kept[0].0), ("answer", "Yes.")];
    let done = owner.form(&format!("{knowledge}/{id}"), &change).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    asked(&desk, &long()).await;
    let gaps = owner.get(&format!("/api/v1/agents/{}/gaps", desk.agent)).await.json();
    assert_eq!(gaps["items"].as_array().map(Vec::len), Some(1));
    let done = owner.form(&knowledge, &[("gap", &gap), ("answer", "Yes.")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "the same answer is no conflict: {}", done.text);
}

#[tokio::test]
async fn what_is_not_accepted_stands_in_the_form_again() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let knowledge = format!("/knowledge/{}/answers", desk.agent);
    asked(&desk, "Is there parking?").await;
    let gap = field(&owner.get("/knowledge").await.text, "gap").to_owned();
    let long = format!("<b>{}", "ü".repeat(800));
    for form in [
        vec![("gap", &*gap), ("question", "Is there parking?"), ("answer", &*long)],
        vec![("question", "Why?"), ("answer", &*long)],
    ] {
        let again = owner.form(&knowledge, &form).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", again.text);
        assert!(again.text.contains("at most 1500 are accepted"), "{}", again.text);
        assert!(again.text.contains(&format!("&lt;b&gt;{}", "ü".repeat(800))), "what was typed");
        assert!(again.text.contains("aria-invalid=\"true\"") && !again.text.contains("<b>ü"));
    }
    assert!(answers(&desk).await.is_empty());
}

#[tokio::test]
async fn nobody_overwrites_another_answer_without_seeing_it() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let knowledge = format!("/knowledge/{}/answers", desk.agent);
    asked(&desk, "Is there parking?").await;
    // Both see the question.
    let gap = field(&owner.get("/knowledge").await.text, "gap").to_owned();
    let first =
        [("gap", &*gap), ("question", "Is there parking?"), ("answer", "Behind the house.")];
    assert_eq!(owner.form(&knowledge, &first).await.status, StatusCode::SEE_OTHER);
    let second =
        [("gap", &*gap), ("question", "Is there parking?"), ("answer", "No, there is none.")];
    let conflict = maintainer.form(&knowledge, &second).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT, "{}", conflict.text);
    for words in ["Behind the house.", "No, there is none.", "Somebody has answered this"] {
        assert!(conflict.text.contains(words), "{words}: {}", conflict.text);
    }
    assert_eq!(answers(&desk).await[0].1, "Behind the house.");
    // Having seen theirs, they put their own in its place.
    let id = desk.app.store.answers_of(desk.agent).await.unwrap()[0].id;
    let seen = field(&conflict.text, "seen").to_owned();
    let again =
        [("seen", &*seen), ("question", "Is there parking?"), ("answer", "No, there is none.")];
    let done = maintainer.form(&format!("{knowledge}/{id}"), &again).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    // The first one's page is old now.
    let old = [("seen", &*seen), ("question", "Is there parking?"), ("answer", "Yes.")];
    let conflict = owner.form(&format!("{knowledge}/{id}"), &old).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT, "{}", conflict.text);
    // Whoever writes a question anew that has an answer sees that, too.
    let anew = [("question", "is there PARKING"), ("answer", "Maybe.")];
    let conflict = owner.form(&knowledge, &anew).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT, "{}", conflict.text);
    assert_eq!(answers(&desk).await[0].1, "No, there is none.");
    let refused: Value = json!({"text": "Yes."});
    let gone = owner.post(&format!("/api/v1/gaps/{gap}/answer"), refused).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "{}", gone.text);
}

#[tokio::test]
async fn documents_are_listed_and_their_passages_shown_to_those_who_may() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    let listed = "/knowledge";
    assert!(
        support.get(listed).await.text.contains("Maintainers and owners add websites and files")
    );
    let source = desk
        .made(&format!(
            "insert into sources (voice_agent_id, name, source_type, size, url, status)
            values ('{}', 'Price <i>list</i>', 'pdf', 10, 'https://a.example/p', 'done') returning id::text",
            desk.agent
        ))
        .await;
    for (metadata, embedding) in [
        (json!({"source_id": source, "title": "Crowns"}), "array_fill(0.1::real, array[1536])"),
        (json!({"source_id": source}), "null"),
        (json!({"file_name": "a & b.txt"}), "null"),
        (json!(["odd"]), "null"),
    ] {
        desk.sql(&format!(
            "insert into \"zz_{}\" (content, metadata, embedding)
            values ('A <u>crown</u> is 950.', '{metadata}', {embedding})",
            desk.agent
        ))
        .await;
    }
    let answer = [("question", "Do you park?"), ("answer", "Yes.")];
    let owner = desk.sign_in("owner@example.com").await;
    owner.form(&format!("/knowledge/{}/answers", desk.agent), &answer).await;
    let page = support.get(listed).await.text;
    assert!(page.contains("Other documents (3)"), "answers are none: {page}");
    assert!(page.contains("Price &lt;i&gt;list") && page.contains("2 passages"), "{page}");
    assert!(page.contains("1 not searched yet") && page.contains("Without a name"), "{page}");
    let document = format!("/knowledge/{}/document?of={source}", desk.agent);
    assert!(page.contains(&format!("href=\"{document}\"")), "{document}: {page}");
    let shown = support.get(&document).await.text;
    assert!(shown.contains("A &lt;u&gt;crown") && shown.contains("Crowns"), "{shown}");
    assert_eq!(shown.matches("A &lt;u&gt;crown").count(), 2, "{shown}");
    let named = format!("/knowledge/{}/document?of=a+%26+b.txt", desk.agent);
    assert_eq!(support.get(&named).await.text.matches("A &lt;u&gt;crown").count(), 1);
    let other = desk.sign_in("other@example.com").await;
    assert_eq!(other.get(&document).await.status, StatusCode::NOT_FOUND);
    // One that has no place in the list, which ends somewhere, is there all the same.
    desk.sql(&format!(
        "insert into \"zz_{}\" (content, metadata)
        select 'Text.', jsonb_build_object('name', 'document ' || n) from generate_series(100, 310) n",
        desk.agent
    ))
    .await;
    let far = |n: u32| format!("document+{n}\"");
    let page = support.get(listed).await.text;
    assert!(page.contains(&far(110)) && !page.contains(&far(310)), "{page}");
    let last = format!("/knowledge/{}/document?of=document+310", desk.agent);
    let last = support.get(&last).await.text;
    assert!(last.contains("<h1><bdi>document 310</bdi></h1>"), "{last}");
    // The same source asked of another agent shows nothing of this one.
    let theirs = document.replace(&desk.agent.to_string(), &desk.other_agent.to_string());
    assert!(!other.get(&theirs).await.text.contains("crown"));
}

#[tokio::test]
async fn what_an_agent_would_find_is_shown_before_somebody_calls() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let ask = format!("/knowledge/{}/ask", desk.agent);
    assert!(owner.get("/knowledge").await.text.contains(&format!("action=\"{ask}\"")));
    let question = [("question", "Do you <b>park</b> cars?")];
    let nothing = owner.form(&ask, &question).await;
    assert_eq!(nothing.status, StatusCode::OK, "{}", nothing.text);
    assert!(nothing.text.contains("Nothing fits."), "{}", nothing.text);
    assert!(nothing.text.contains("&lt;b&gt;park"), "{}", nothing.text);
    let answer = [("question", "Do you park cars?"), ("answer", "Yes, <i>behind</i> the house.")];
    owner.form(&format!("/knowledge/{}/answers", desk.agent), &answer).await;
    let found = owner.form(&ask, &question).await.text;
    assert!(found.contains("Yes, &lt;i&gt;behind&lt;/i&gt; the house."), "{found}");
    let support = desk.sign_in("support@example.com").await;
    assert!(!support.get("/knowledge").await.text.contains(&ask), "it costs something");
    let mut last = StatusCode::OK;
    for _ in 0..20 {
        last = owner.form(&ask, &question).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}
