//! The pages of an agent: its forms, its hours, earlier versions.

use http::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Answered, Client, Desk, NUMBER};

const SCRIPT: &str = "<script>alert(1)</script>";

fn page(desk: &Desk) -> String {
    format!("/agents/{}", desk.agent)
}

/// The value of a hidden field in the form of a section.
fn version(page: &str, section: &str) -> String {
    let form = page.split(&format!("value=\"{section}\"")).nth(1).expect("the section has a form");
    let value = form.split("name=\"version\" value=\"").nth(1).unwrap();
    value.split('"').next().unwrap().to_owned()
}

/// Fills a section's form in and sends it.
pub(crate) async fn send(
    desk: &Desk,
    client: &Client,
    section: &str,
    more: &[(&str, &str)],
) -> Answered {
    let shown = client.get(&page(desk)).await.text;
    let version = version(&shown, section);
    let mut pairs = vec![("section", section), ("version", version.as_str())];
    pairs.extend(more);
    client.form(&page(desk), &pairs).await
}

/// The hours' form as it is shown: Monday from nine to five.
const HOURS: [(&str, &str); 5] = [
    ("keeps", "hours"),
    ("monday.0.open", "09:00"),
    ("monday.0.close", "17:00"),
    ("business.business_timezone", "Europe/London"),
    ("settings.hours.closed", "answer"),
];

#[tokio::test]
async fn a_section_is_saved_and_shows_what_changed() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let greeting = [
        ("name", "Robin"),
        ("settings.greeting.kind", "words"),
        ("settings.greeting", "Hello from the form."),
        ("settings.interruptions.allow", "yes"),
        ("settings.limits.call_seconds", "15"),
    ];
    let saved = send(&desk, &maintainer, "greeting", &greeting).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let to = saved.header("location").to_owned();
    let shown = maintainer.get(&to).await;
    assert_eq!(shown.status, StatusCode::OK);
    for words in ["Saved.", "First words", "Good day.", "Hello from the form.", "Longest call"] {
        assert!(shown.text.contains(words), "{words}: {}", shown.text);
    }
    let agent = desk.app.directory.remembered(NUMBER).unwrap();
    assert_eq!(agent.settings.greeting.as_deref(), Some("Hello from the form."));
    assert_eq!(agent.settings.limits.call_seconds, 900);
    let settings: Value = sqlx::query_scalar::<_, String>(
        "select private_settings::text from voice_agents where name = 'Robin'",
    )
    .fetch_one(&desk.pool)
    .await
    .map(|text| serde_json::from_str(&text).unwrap())
    .unwrap();
    let written = json!({"greeting": "Hello from the form.", "limits": {"call_seconds": 900}});
    assert_eq!(settings, written, "what was left as it is shown is not written");

    let same = send(&desk, &maintainer, "greeting", &greeting).await;
    assert!(same.header("location").contains("saved=0"), "{}", same.header("location"));
}

#[tokio::test]
async fn what_is_not_accepted_stands_beside_its_field() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for (section, name, value) in [
        ("greeting", "settings.limits.call_seconds", "a while"),
        ("greeting", "settings.voice", "my voice"),
        ("messages", "settings.webhook.url", "nowhere"),
        ("bookings", "business.default_appointment_length", "0"),
        ("recording", "settings.retention.recording_days", "-1"),
        ("hours", "business.business_timezone", "Mars/Base"),
    ] {
        let refused =
            send(&desk, &owner, section, &[("name", "Bright Smile"), (name, value)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        let id = format!("{}-error", name.replace('.', "-"));
        assert!(refused.text.contains(&format!("id=\"{id}\"")), "{name}: {}", refused.text);
        assert!(refused.text.contains(&format!("aria-describedby=\"{id}\"")), "{name}");
        assert!(refused.text.contains(value), "what was written is still there: {name}");
    }
    // Of people each row says what is wrong with it.
    for (name, number, why) in [
        ("sales", "", "Write a number with its country code"),
        ("sales", "twelve", "Write a number with its country code"),
        ("", "+442079460958", "Write a name beside the number"),
    ] {
        let row = |column: &str| format!("settings.transfer.targets.3.{column}");
        let pair = [(&*row("name"), name), (&*row("number"), number)];
        let refused = send(&desk, &owner, "messages", &pair).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {number}");
        let shown = refused.text.split("id=\"settings-transfer-targets-0-error\">").nth(1);
        let shown = shown.and_then(|rest| rest.split("</p>").next()).unwrap_or_default();
        assert!(shown.contains(why), "{name} {number}: {shown}: {}", refused.text);
        let typed = [name, number].map(|text| format!("value=\"{text}\""));
        assert!(typed.iter().all(|text| refused.text.contains(text)), "{}", refused.text);
    }
    let versions: i64 = sqlx::query_scalar("select count(*) from agent_versions")
        .fetch_one(&desk.pool)
        .await
        .unwrap();
    assert_eq!(versions, 0);
}

#[tokio::test]
async fn people_minutes_and_languages_are_written_as_owners_think_of_them() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    desk.sql(&format!(
        "update voice_agents set private_settings = '{{\"transfer\": {{\"targets\": {{\"sales\": \"020 7946 0958\",
            \"old\": \"+442079460959\", \"odd\": {{\"desk\": [\"1\"]}}, \"none\": null}}, \"x\": 1}}, \"language\": \"de-CH\", \"limits\": {{\"call_seconds\": 100}}}}'
        where id = '{}'",
        desk.agent
    ))
    .await;
    let shown = owner.get(&page(&desk)).await.text;
    for field in [
        "<option value=\"de-CH\" selected>German (de-CH)</option>",
        "name=\"settings.limits.call_seconds\" value=\"1.67\"",
        "name=\"settings.transfer.targets.1.name\" value=\"sales\"",
        "placeholder=\"+44 20 7946 0123\"",
    ] {
        assert!(shown.contains(field), "{field}: {shown}");
    }
    let people = [
        ("settings.transfer.targets.0.name", ""),
        ("settings.transfer.targets.0.number", ""),
        ("settings.transfer.targets.1.name", "sales"),
        ("settings.transfer.targets.1.number", "020 7946 0958"),
        ("settings.transfer.targets.2.name", "desk"),
        ("settings.transfer.targets.2.number", "020 7946 0960"),
        ("settings.fallback.kind", "voicemail"),
        ("settings.live.take_over", "maintainer"),
    ];
    let saved = send(&desk, &owner, "messages", &people).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let greeting = [
        ("name", "Bright Smile"),
        ("settings.greeting.kind", "own"),
        ("settings.language", "de-CH"),
        ("settings.interruptions.allow", "yes"),
        ("settings.limits.call_seconds", "1.67"),
    ];
    let same = send(&desk, &owner, "greeting", &greeting).await;
    assert!(same.header("location").contains("saved=0"), "nothing was changed: {}", same.text);
    let longer = greeting.map(|(name, value)| (name, if value == "1.67" { "2,5" } else { value }));
    let saved = send(&desk, &owner, "greeting", &longer).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let stored: Value =
        sqlx::query_scalar("select private_settings from voice_agents where id = $1")
            .bind(desk.agent)
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert_eq!(
        stored,
        json!({"transfer": {"targets": {"sales": "020 7946 0958", "desk": "020 7946 0960",
                "odd": {"desk": ["1"]}, "none": null}, "x": 1},
            "language": "de-CH", "limits": {"call_seconds": 150}})
    );
}

#[tokio::test]
async fn hours_are_edited_and_shown_as_they_are_understood() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let same = send(&desk, &owner, "hours", &HOURS).await;
    assert!(same.header("location").contains("saved="), "{}", same.text);

    let mut filled: Vec<(String, &str)> = Vec::new();
    let mut fields = HOURS.to_vec();
    fields.extend([
        ("monday.1.open", "18:00"),
        ("monday.1.close", "20:00"),
        ("date0.from", "2026-12-24"),
        ("date0.to", "2026-12-26"),
        ("date1.from", "2026-01-01"),
        ("date1.yearly", "yes"),
    ]);
    let copied = send(&desk, &owner, "hours", &[&fields[..], &[("copy", "monday")]].concat()).await;
    assert_eq!(copied.status, StatusCode::OK, "{}", copied.text);
    assert!(copied.text.contains("name=\"friday.1.close\" value=\"20:00\""), "{}", copied.text);
    let versions = desk.made("select count(*)::text from agent_versions").await;
    assert_eq!(versions, "0", "it fills the form, and saves nothing");
    // What it shows is sent.
    for day in ["tuesday", "wednesday", "thursday", "friday"] {
        let times =
            [("0.open", "09:00"), ("0.close", "17:00"), ("1.open", "18:00"), ("1.close", "20:00")];
        filled.extend(times.map(|(field, time)| (format!("{day}.{field}"), time)));
    }
    fields.extend(filled.iter().map(|(name, time)| (name.as_str(), *time)));
    let saved = send(&desk, &owner, "hours", &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let schedule = owner.get(&format!("/api/v1{}", page(&desk))).await.json()["business"]["operating_schedule"].clone();
    let split = json!([{"open": "09:00", "close": "17:00"}, {"open": "18:00", "close": "20:00"}]);
    assert_eq!((&schedule["friday"], &schedule["saturday"]), (&split, &json!([])));
    assert_eq!(
        schedule["exceptions"],
        json!({"2026-12-24": [], "2026-12-25": [], "2026-12-26": [], "01-01": []})
    );
    let shown = owner.get(&page(&desk)).await.text;
    for words in [
        "09:00-17:00, 18:00-20:00",
        "Thu 24 December 2026 to Sat 26 December 2026",
        "1 January, every year",
        "What a caller hears",
        "Sunday 03:00",
        "You are Bright Smile",
    ] {
        assert!(shown.contains(words), "{words}");
    }

    let mut half = HOURS.to_vec();
    half.push(("tuesday.0.open", "09:00"));
    let refused = send(&desk, &owner, "hours", &half).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("both times are needed"), "{}", refused.text);
    let odd = send(
        &desk,
        &owner,
        "hours",
        &[
            ("keeps", "hours"),
            ("monday.0.open", "25:00"),
            ("monday.0.close", "26:00"),
            ("business.business_timezone", "Europe/London"),
        ],
    )
    .await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY, "the loader's own code judges it");

    let none = [
        ("keeps", "none"),
        ("business.business_timezone", "Europe/London"),
        ("settings.hours.closed", "answer"),
    ];
    send(&desk, &owner, "hours", &none).await;
    assert!(!desk.app.directory.remembered(NUMBER).unwrap().hours.are_kept());
}

#[tokio::test]
async fn a_caller_of_a_closed_business_hears_what_the_page_says() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    // Closed on every day but Monday, so also in the night to Sunday.
    let closed = [
        ("keeps", "hours"),
        ("monday.0.open", "09:00"),
        ("monday.0.close", "17:00"),
        ("business.business_timezone", "Europe/London"),
        ("settings.hours.closed", "fallback"),
    ];
    assert_eq!(send(&desk, &owner, "hours", &closed).await.status, StatusCode::SEE_OTHER);
    let messages =
        [("settings.fallback.kind", "say"), ("settings.fallback.message", "We sleep now.")];
    assert_eq!(send(&desk, &owner, "messages", &messages).await.status, StatusCode::SEE_OTHER);
    let shown = owner.get(&page(&desk)).await.text;
    let sunday = shown.split("Sunday 03:00 (closed)").nth(1).expect("it is shown");
    assert!(
        sunday.starts_with(
            "</b><br>The agent does not answer while you are closed. <q>We sleep now.</q>"
        ),
        "{}",
        &sunday[..200]
    );
}

#[tokio::test]
async fn the_switch_says_what_callers_get() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for (word, unavailable, status) in
        [("away", true, "active"), ("off", true, "inactive"), ("on", false, "active")]
    {
        let saved = owner.form(&format!("{}/status", page(&desk)), &[("status", word)]).await;
        assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
        let (is_away, is): (bool, String) =
            sqlx::query_as(r#"select "unAvailable", status::text from voice_agents where id = $1"#)
                .bind(desk.agent)
                .fetch_one(&desk.pool)
                .await
                .unwrap();
        assert_eq!((is_away, is.as_str()), (unavailable, status));
    }
    let shown = owner.get(&page(&desk)).await.text;
    assert!(
        shown.contains("What callers get while it does not answer") && shown.contains("a message"),
        "{shown}"
    );
    assert!(shown.contains("badge good\">It answers calls."), "{shown}");
    let place = |words: &str| shown.find(words).unwrap_or_else(|| panic!("{words}: {shown}"));
    assert!(place("id=\"greeting\"") < place("id=\"status\""), "what is changed often comes first");
}

#[tokio::test]
async fn two_forms_at_once_show_both_and_other_sections_do_not_mind() {
    let desk = Desk::open().await;
    let (owner, maintainer) =
        (desk.sign_in("owner@example.com").await, desk.sign_in("maintainer@example.com").await);
    let shown = owner.get(&page(&desk)).await.text;
    let old = version(&shown, "instructions");
    let first =
        [("business.business_name", "Bright Smile"), ("settings.instructions", "Be brief.")];
    assert_eq!(
        send(&desk, &maintainer, "instructions", &first).await.status,
        StatusCode::SEE_OTHER
    );
    let greeting = version(&shown, "greeting");
    let other = [
        ("section", "greeting"),
        ("version", greeting.as_str()),
        ("name", "Robin"),
        ("settings.interruptions.allow", "yes"),
    ];
    assert_eq!(
        owner.form(&page(&desk), &other).await.status,
        StatusCode::SEE_OTHER,
        "another section"
    );
    let mine = [
        ("section", "instructions"),
        ("version", old.as_str()),
        ("business.business_name", "Bright Smile"),
        ("settings.instructions", "Be kind."),
    ];
    let refused = owner.form(&page(&desk), &mine).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(
        refused.text.contains("Be kind.") && refused.text.contains("Stored meanwhile: Be brief."),
        "{}",
        refused.text
    );
    let again = version(&refused.text, "instructions");
    let mine = [
        ("section", "instructions"),
        ("version", again.as_str()),
        ("business.business_name", "Bright Smile"),
        ("settings.instructions", "Be kind."),
    ];
    assert_eq!(owner.form(&page(&desk), &mine).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_that_is_refused_still_does_not_overwrite_what_was_stored_meanwhile() {
    let desk = Desk::open().await;
    let (owner, maintainer) =
        (desk.sign_in("owner@example.com").await, desk.sign_in("maintainer@example.com").await);
    let old = version(&owner.get(&page(&desk)).await.text, "greeting");
    let theirs =
        [("name", "Robin"), ("settings.greeting.kind", "words"), ("settings.greeting", "Theirs.")];
    let saved = send(&desk, &maintainer, "greeting", &theirs).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let post = async |version: &str, minutes: &str| {
        let pairs = [
            ("section", "greeting"),
            ("version", version),
            ("name", "Robin"),
            ("settings.greeting.kind", "words"),
            ("settings.greeting", "Mine."),
            ("settings.limits.call_seconds", minutes),
        ];
        owner.form(&page(&desk), &pairs).await
    };
    let refused = post(&old, "no number").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert!(!refused.text.contains("Stored meanwhile"), "nobody has seen it: {}", refused.text);
    let kept = version(&refused.text, "greeting");
    assert_eq!(kept, old, "it is still the form of before");
    let told = post(&kept, "15").await;
    assert_eq!(told.status, StatusCode::CONFLICT, "{}", told.text);
    assert!(told.text.contains("Stored meanwhile: Theirs."), "{}", told.text);
    let seen = version(&told.text, "greeting");
    assert_eq!(post(&seen, "15").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn secrets_are_not_shown_and_are_kept() {
    let desk = Desk::open().await;
    desk.sql("update voice_agents set private_settings = '{\"webhook\": {\"url\": \"https://x.example/\", \"secret\": \"hush-hush\"}}'").await;
    let owner = desk.sign_in("owner@example.com").await;
    let shown = owner.get(&page(&desk)).await.text;
    assert!(!shown.contains("hush-hush") && shown.contains("One is set."));
    let moved = [
        ("settings.webhook.url", "https://y.example/"),
        ("settings.webhook.secret", ""),
        ("settings.fallback.kind", "voicemail"),
    ];
    let refused = send(&desk, &owner, "messages", &moved).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("Type a secret here"), "{}", refused.text);
    // It is told where the browser shows the section's beginning, and leads to its field.
    let (_, section) = refused.text.split_once("id=\"messages\"").expect("the section");
    let (told, form) = section.split_once("<form").expect("its form");
    assert!(told.contains("This was not saved.") && told.contains("Type a secret here"), "{told}");
    let (_, id) = told.split_once("href=\"#").expect("it leads to a field");
    let (id, _) = id.split_once('"').unwrap();
    assert!(form.contains(&format!("id=\"{id}\"")), "{id}");
    let kept = [
        ("settings.webhook.url", "https://x.example/told"),
        ("settings.webhook.secret", ""),
        ("settings.fallback.kind", "voicemail"),
    ];
    assert_eq!(send(&desk, &owner, "messages", &kept).await.status, StatusCode::SEE_OTHER);
    let secret = |desk: &Desk| {
        let agent = desk.app.directory.remembered(NUMBER).unwrap();
        agent
            .settings
            .webhook
            .as_ref()
            .and_then(|hook| hook.secret.as_ref().map(|it| it.reveal().clone()))
    };
    assert_eq!(secret(&desk).as_deref(), Some("hush-hush"));
    let typed = [
        ("settings.webhook.url", "https://y.example/"),
        ("settings.webhook.secret", "hush-hush"),
        ("settings.fallback.kind", "voicemail"),
    ];
    let typed = send(&desk, &owner, "messages", &typed).await;
    assert_eq!(typed.status, StatusCode::SEE_OTHER, "the same one, typed again: {}", typed.text);
    assert_eq!(secret(&desk).as_deref(), Some("hush-hush"));
    let removed = [
        ("settings.webhook.url", "https://z.example/"),
        ("settings.webhook.secret.remove", "yes"),
        ("settings.fallback.kind", "voicemail"),
    ];
    send(&desk, &owner, "messages", &removed).await;
    assert_eq!(secret(&desk), None);
}

#[tokio::test]
async fn earlier_versions_are_shown_and_brought_back() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let path = format!("{}/versions", page(&desk));
    assert!(owner.get(&path).await.text.contains("Nothing was changed yet."));
    send(
        &desk,
        &owner,
        "greeting",
        &[
            ("name", "Robin"),
            ("settings.greeting.kind", "own"),
            ("settings.interruptions.allow", "yes"),
        ],
    )
    .await;
    let shown = owner.get(&path).await.text;
    for words in
        ["Olivia Owner", "First words", "Good day.", "as it was before anybody changed it here"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let button = |n: u32| format!("action=\"{path}/{n}/restore\"");
    let now = "<span class=\"badge good\">now</span>";
    assert!(shown.contains(&button(1)) && shown.matches(now).count() == 1, "{shown}");
    assert!(!shown.contains(&button(2)), "it is that already: {shown}");
    let back = owner.form(&format!("{path}/1/restore"), &[]).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.text);
    assert!(owner.get(back.header("location")).await.text.contains("Saved."));
    assert_eq!(
        desk.app.directory.remembered(NUMBER).unwrap().settings.greeting.as_deref(),
        Some("Good day.")
    );
}

#[tokio::test]
async fn an_agent_is_deleted_by_its_name() {
    let desk = Desk::open().await;
    let (owner, maintainer) =
        (desk.sign_in("owner@example.com").await, desk.sign_in("maintainer@example.com").await);
    let path = format!("{}/delete", page(&desk));
    assert!(
        !maintainer.get(&page(&desk)).await.text.contains("Delete the agent"),
        "no control that may not be used"
    );
    assert_eq!(
        maintainer.form(&path, &[("name", "Bright Smile")]).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        owner.form(&path, &[("name", "Bright")]).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert!(desk.app.directory.remembered(NUMBER).is_some());
    let deleted = owner.form(&path, &[("name", "Bright Smile")]).await;
    assert_eq!(deleted.header("location"), "/", "{}", deleted.text);
    assert!(desk.app.directory.remembered(NUMBER).is_none());
    assert_eq!(owner.get(&page(&desk)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_are_for_those_who_may() {
    let desk = Desk::open().await;
    let (support, other) =
        (desk.sign_in("support@example.com").await, desk.sign_in("other@example.com").await);
    let shown = support.get(&page(&desk)).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(
        !shown.text.contains("Good day.") && !shown.text.contains("<textarea"),
        "{}",
        shown.text
    );
    assert!(shown.text.contains("The next 7 days"));
    for rest in ["/versions", "/functions"] {
        assert_eq!(
            support.get(&format!("{}{rest}", page(&desk))).await.status,
            StatusCode::FORBIDDEN,
            "{rest}"
        );
    }
    let form = [("section", "greeting"), ("version", ""), ("name", "X")];
    assert_eq!(support.form(&page(&desk), &form).await.status, StatusCode::FORBIDDEN);
    for rest in ["", "/versions", "/functions", "/functions/new?type=form"] {
        assert_eq!(
            other.get(&format!("{}{rest}", page(&desk))).await.status,
            StatusCode::NOT_FOUND,
            "{rest}"
        );
    }
    for rest in ["", "/status", "/delete", "/versions/1/restore", "/functions", "/secrets"] {
        let sent = other
            .form(
                &format!("{}{rest}", page(&desk)),
                &[
                    ("section", "greeting"),
                    ("status", "on"),
                    ("name", "X"),
                    ("value", "y"),
                    ("type", "form"),
                ],
            )
            .await;
        assert_eq!(sent.status, StatusCode::NOT_FOUND, "{rest}: {}", sent.text);
    }
}

#[tokio::test]
async fn a_stored_script_comes_out_as_text() {
    let desk = Desk::open().await;
    let schedule = json!({SCRIPT: SCRIPT, "monday": SCRIPT});
    let settings = json!({"greeting": SCRIPT, "language": SCRIPT, "voice": SCRIPT, "instructions": SCRIPT,
        "transfer": {"targets": {SCRIPT: "+442079460958"}}, "fallback": {"kind": "say", "message": SCRIPT},
        "recording": {"enabled": true, "notice": SCRIPT}, "webhook": {"url": SCRIPT}, "secrets": {SCRIPT: "k"}, SCRIPT: 1});
    sqlx::query("update voice_agents set name = $1, private_settings = $2::jsonb where id = $3")
        .bind(SCRIPT)
        .bind(settings.to_string())
        .bind(desk.agent)
        .execute(&desk.pool)
        .await
        .unwrap();
    sqlx::query("update business_details set business_name = $1, business_phone = $1, type_of_business = $1,
        additional_context = $1, business_summary = $1, business_timezone = $1, operating_schedule = $2::jsonb where voice_agent_id = $3")
        .bind(SCRIPT)
        .bind(schedule.to_string())
        .bind(desk.agent)
        .execute(&desk.pool)
        .await
        .unwrap();
    sqlx::query("update functions set name = $1, purpose = $1, trigger_reason = $1, data = $2::jsonb, variables = $2::jsonb, type = 'json_api' where id = $3")
        .bind(SCRIPT)
        .bind(json!({"url": SCRIPT, "headers": {SCRIPT: SCRIPT}, "body": SCRIPT}).to_string())
        .bind(desk.function)
        .execute(&desk.pool)
        .await
        .unwrap();
    let owner = desk.sign_in("owner@example.com").await;
    let odd = [
        ("name", SCRIPT),
        ("settings.greeting.kind", "words"),
        ("settings.greeting", "Hi."),
        ("settings.language", SCRIPT),
        ("settings.voice", SCRIPT),
        ("settings.interruptions.allow", "yes"),
    ];
    let saved = send(&desk, &owner, "greeting", &odd).await;
    assert_eq!(
        saved.status,
        StatusCode::SEE_OTHER,
        "what is left as it is does not stand in the way: {}",
        saved.text
    );
    for path in [
        "".to_owned(),
        "/versions".to_owned(),
        "/functions".to_owned(),
        format!("/functions/{}", desk.function),
    ] {
        let shown = owner.get(&format!("{}{path}", page(&desk))).await;
        assert_eq!(shown.status, StatusCode::OK, "{path}");
        assert!(!shown.text.contains("<script>alert"), "{path}");
        assert!(shown.text.contains("&lt;script&gt;alert(1)"), "{path}");
        assert!(!shown.text.contains(" style=") && !shown.text.contains(" onclick"), "{path}");
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_a_section_is_told_at_once() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let odd = [
        ("settings.fallback.kind", "say"),
        ("settings.limits.concurrent_calls", "many"),
        ("settings.webhook.url", "nowhere"),
        ("settings.transfer.targets.0.name", "Sales"),
        ("settings.transfer.targets.0.number", "12"),
        ("settings.transfer.targets.1.name", ""),
        ("settings.transfer.targets.1.number", "+442079460958"),
    ];
    let refused = send(&desk, &owner, "messages", &odd).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for id in ["limits-concurrent_calls", "webhook-url", "transfer-targets"] {
        let link = format!("href=\"#settings-{id}\"");
        assert!(refused.text.contains(&link), "{id}: {}", refused.text);
    }
    let change = json!({"name": "", "settings": {"limits": {"call_seconds": "soon"}},
        "business": {"default_appointment_length": 0}});
    let refused = owner.patch(&format!("/api/v1/agents/{}", desk.agent), change).await;
    let refused = refused.json();
    let told: Vec<&str> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    let fields = ["name", "settings.limits.call_seconds", "business.default_appointment_length"];
    assert!(fields.iter().all(|field| told.contains(field)), "{refused}");
}

#[tokio::test]
async fn words_that_are_typed_beside_another_choice_are_not_dropped() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for (kind, words, why) in [
        ("own", "Hello there.", "Choose “These words” above"),
        ("none", "Hello there.", "Choose “These words” above"),
        ("words", " ", "Write the words"),
    ] {
        let sent =
            [("name", "Robin"), ("settings.greeting.kind", kind), ("settings.greeting", words)];
        let refused = send(&desk, &owner, "greeting", &sent).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{kind}");
        assert!(refused.text.contains(why), "{kind}: {}", refused.text);
        assert!(words.trim().is_empty() || refused.text.contains(words), "{kind}");
    }
    // What is stored stands in the field, and another choice is meant.
    let stored =
        [("name", "Robin"), ("settings.greeting.kind", "own"), ("settings.greeting", "Good day.")];
    let saved = send(&desk, &owner, "greeting", &stored).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
}
