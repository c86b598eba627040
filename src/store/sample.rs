//! A sample business for a database that has none: what `demo` shows. A server of one's own begins
//! without it.

use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgPool};
use uuid::Uuid;

/// The sample agent's number, in the range that is reserved for fiction.
pub const SAMPLE_NUMBER: &str = "+15559870002";

/// The zone that the sample business is in.
pub const SAMPLE_ZONE: &str = "America/New_York";

const OWNER: Uuid = Uuid::from_u128(0x5a3b_1e00_0000_4000_8000_0000_0000_0001);
const AGENT: Uuid = Uuid::from_u128(0x5a3b_1e00_0000_4000_8000_0000_0000_0002);

/// The agent of the sample business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleAgent {
    /// `voice_agents.id`.
    pub id: Uuid,
    /// The number that it answers, E.164.
    pub number: &'static str,
    /// Whether it was made now, or was there already.
    pub created: bool,
}

/// What a passage is about, and what it says.
const PASSAGES: [(&str, &str); 12] = [
    (
        "hours",
        "Bright Smiles Dental is open Monday to Friday from 8:30 to 17:30 and on Saturday from 9:00 to 13:00. We are closed on Sunday and on public holidays.",
    ),
    (
        "address",
        "Our practice is at 214 Maple Street, on the second floor, above the pharmacy. There is a lift. The Maple and 3rd bus stop is across the street.",
    ),
    (
        "parking",
        "Patients park free of charge for two hours in the garage behind the building. Bring the ticket to the front desk and we stamp it.",
    ),
    (
        "insurance",
        "We accept Delta Dental, Cigna, Aetna, MetLife and Guardian. We file the claim for you. If you have no insurance, our membership plan is 29 dollars a month.",
    ),
    (
        "prices",
        "A cleaning with examination is 120 dollars, a filling from 180 dollars, a crown from 950 dollars and an emergency visit 95 dollars, without insurance.",
    ),
    (
        "new patients",
        "New patients are welcome. Please come 15 minutes early, with an identity card, your insurance card and a list of your medicines.",
    ),
    (
        "cancellation",
        "Please cancel or move an appointment at least 24 hours before. Later than that, or for a missed appointment, we charge 50 dollars.",
    ),
    (
        "emergency",
        "With severe pain, swelling, bleeding that does not stop or a knocked-out tooth, call us at once: we keep two emergency slots each day. Keep a knocked-out tooth in milk. With trouble breathing, call 911.",
    ),
    (
        "whitening",
        "Whitening in the practice takes 60 minutes and costs 350 dollars; a kit for home with trays made for you is 220 dollars. Results last one to two years.",
    ),
    (
        "children",
        "We treat children from the age of two. The first visit is short and free of charge. Doctor Lena Ortiz is our dentist for children.",
    ),
    (
        "after an extraction",
        "After an extraction, bite on the gauze for 30 minutes, do not smoke or drink through a straw for two days, eat soft food and rinse with salt water from the second day.",
    ),
    (
        "dentists",
        "Doctor Amir Haddad leads the practice and does implants and crowns. Doctor Lena Ortiz treats children, and Doctor Grace Kim does root canals.",
    ),
];

/// Writes the sample business if the database has no agent at all. `None`: it has agents, and the
/// sample is not among them. `embed` gives a text's embedding, 1536 numbers.
///
/// # Errors
///
/// The database failed; nothing is kept then.
pub async fn seed_sample(
    pool: &PgPool,
    embed: impl Fn(&str) -> Vec<f32>,
) -> Result<Option<SampleAgent>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let (any, ours): (bool, bool) = sqlx::query_as(
        "select exists (select from public.voice_agents), \
         exists (select from public.voice_agents where id = $1)",
    )
    .bind(AGENT)
    .fetch_one(&mut *transaction)
    .await?;
    if any {
        let found = SampleAgent { id: AGENT, number: SAMPLE_NUMBER, created: false };
        return Ok(ours.then_some(found));
    }
    insert_agent(&mut transaction).await?;
    insert_business(&mut transaction).await?;
    for (name, purpose, trigger, variables, kind, data) in functions() {
        sqlx::query(
            "insert into public.functions (type, data, created_by, assistant_id, name, purpose, \
             trigger_reason, variables, save_data, is_shownable) \
             values ($1::text::public.function_type, $2, $3, $4, $5, $6, $7, $8, true, true)",
        )
        .bind(kind)
        .bind(data)
        .bind(OWNER)
        .bind(AGENT)
        .bind(name)
        .bind(purpose)
        .bind(trigger)
        .bind(variables)
        .execute(&mut *transaction)
        .await?;
    }
    for (topic, content) in PASSAGES {
        insert_passage(&mut transaction, topic, content, embed(content)).await?;
    }
    transaction.commit().await?;
    Ok(Some(SampleAgent { id: AGENT, number: SAMPLE_NUMBER, created: true }))
}

async fn insert_agent(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("insert into auth.users (id, email) values ($1, $2) on conflict do nothing")
        .bind(OWNER)
        .bind("owner@brightsmiles.example")
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "insert into public.customer (uuid, email, username, company, plan_id) \
         values ($1, $2, 'Bright Smiles', 'Bright Smiles Dental', 1) on conflict do nothing",
    )
    .bind(OWNER)
    .bind("owner@brightsmiles.example")
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into public.voice_agents (id, name, created_by, twilio_phone_number, \
         private_settings) values ($1, 'Bright Smiles Dental', $2, $3, $4)",
    )
    .bind(AGENT)
    .bind(OWNER)
    .bind(SAMPLE_NUMBER)
    .bind(json!({
        "greeting": "Thanks for calling Bright Smiles Dental, how can I help?",
        "language": "en",
        "instructions": "Be warm and brief. Never give a diagnosis.",
        "transfer": {"targets": {"emergency desk": "+15559870003"}},
        "fallback": {"kind": "say", "message": "Thanks for calling Bright Smiles Dental. We cannot take your call right now. Please call again in a few minutes."},
    }))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_business(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let day = json!([{"open": "08:30", "close": "17:30"}]);
    sqlx::query(
        "insert into public.business_details (voice_agent_id, business_name, business_phone, \
         type_of_business, additional_context, business_summary, default_appointment_length, \
         operating_schedule, business_timezone) \
         values ($1, 'Bright Smiles Dental', $2, 'Dental practice', $3, $4, 45, $5, $6)",
    )
    .bind(AGENT)
    .bind(SAMPLE_NUMBER)
    .bind("Three dentists. Emergencies are seen the same day.")
    .bind("A family dental practice: check-ups, fillings, crowns, whitening and emergencies.")
    .bind(json!({
        "monday": day, "tuesday": day, "wednesday": day, "thursday": day, "friday": day,
        "saturday": [{"open": "09:00", "close": "13:00"}],
        "sunday": [],
    }))
    .bind(SAMPLE_ZONE)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_passage(
    connection: &mut PgConnection,
    topic: &str,
    content: &str,
    embedding: Vec<f32>,
) -> Result<(), sqlx::Error> {
    // real[] becomes a vector on assignment, wherever the extension's types are.
    let insert = format!(
        r#"insert into public."zz_{AGENT}" (content, metadata, embedding) values ($1, $2, $3)"#
    );
    sqlx::query(sqlx::AssertSqlSafe(insert))
        .bind(content)
        .bind(json!({"source": "Practice handbook", "topic": topic}))
        .bind(embedding)
        .execute(connection)
        .await?;
    Ok(())
}

type FunctionRow = (&'static str, &'static str, &'static str, Value, &'static str, Value);

/// One function of each type: name, purpose, trigger reason, variables, type, data.
fn functions() -> [FunctionRow; 4] {
    [
        (
            "book_appointment",
            "Books an appointment at the practice.",
            "The caller wants an appointment.",
            json!([]),
            "function",
            json!({"builtin": "book_appointment"}),
        ),
        (
            "check_insurance",
            "Looks up whether the practice works with an insurance plan.",
            "The caller asks whether a certain insurance plan is accepted.",
            json!([{"name": "plan", "type": "string", "description": "The name of the plan", "required": true}]),
            "json_api",
            json!({
                "method": "GET", "url": "https://insurance.example.com/v1/plans",
                "query": {"name": "{{ args.plan }}"}, "timeout_ms": 3000, "result": "/accepted",
            }),
        ),
        (
            "new_patient_form",
            "Takes down a new patient's details.",
            "The caller has never been to the practice and wants to become a patient.",
            json!([
                {"name": "full_name", "type": "string", "description": "First and last name", "required": true},
                {"name": "date_of_birth", "type": "date", "description": "Date of birth", "required": true},
                {"name": "insurance", "type": "string", "description": "Insurance plan, if any", "required": false},
            ]),
            "form",
            json!({"title": "New patient"}),
        ),
        (
            "dental_emergency",
            "Finds out how urgent a dental problem is and gets help.",
            "The caller has pain, swelling, bleeding or a broken tooth.",
            json!([]),
            "flows",
            json!({"start": "breathing", "nodes": {
                "breathing": {"ask": "Do you have any trouble breathing or swallowing?", "collect": "breathing", "type": "choice", "choices": ["yes", "no"], "next": "decide"},
                "decide": {"branch": [{"if": "breathing == 'yes'", "next": "ambulance"}, {"if": "true", "next": "desk"}]},
                "ambulance": {"end": "Please hang up and call 911 right away."},
                "desk": {"transfer": "emergency desk"},
            }}),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::function::FunctionSource;
    use crate::agent::{Agent, AgentSource};

    #[test]
    fn the_sample_s_functions_can_all_be_used() {
        let row = |(name, purpose, trigger, variables, kind, data): FunctionRow| FunctionSource {
            kind: Some(kind.to_owned()),
            data: data.into(),
            name: Some(name.to_owned()),
            purpose: Some(purpose.to_owned()),
            trigger_reason: Some(trigger.to_owned()),
            variables: variables.into(),
            ..FunctionSource::default()
        };
        let functions = functions().map(row).into();
        let status = "active".to_owned();
        let agent = Agent::new(AgentSource { status, functions, ..AgentSource::default() });
        assert_eq!(agent.faults, []);
        assert_eq!(agent.functions.rows.len(), 4);
    }
}
