//! An agent that is being set up: each screen of the set-up writes what it has asked, so that it can be
//! left and gone on with.

use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use super::access::{AgentAccess, Inspect, Maintain};
use super::people::Viewer;
use super::{Result, Store, lenient_json, storable_text};

/// What the first screen asks, and what a trade's preset adds.
#[derive(Debug)]
pub struct NewBusiness<'a> {
    /// The business's name, which is the agent's too.
    pub name: &'a str,
    /// What kind of business it is.
    pub trade: &'a str,
    /// An IANA name.
    pub zone: &'a str,
    /// Its website, or nothing.
    pub website: &'a str,
    /// What the agent says first.
    pub greeting: &'a str,
    /// How long an appointment is, in minutes.
    pub appointment_minutes: i32,
}

/// An agent that is being set up.
#[derive(Debug, Clone)]
pub struct SetupRow {
    /// `voice_agents.id`.
    pub agent_id: Uuid,
    /// The screen that comes next; none when the set-up is finished.
    pub step: Option<String>,
    /// The business's name.
    pub name: String,
    /// What kind of business it is.
    pub trade: String,
    /// `private_settings`, secrets and all: for reading single settings out of it.
    pub settings: Value,
    /// `twilio_phone_number`.
    pub number: Option<String>,
}

impl Store {
    /// Makes an agent that answers nobody yet. One statement makes both of its rows.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); `Refused` where the person's plan allows no more agents.
    pub async fn begin_setup(&self, viewer: &Viewer, business: &NewBusiness<'_>) -> Result<Uuid> {
        let settings = json!({"greeting": business.greeting});
        let context = match business.website {
            "" => String::new(),
            website => format!("Website: {website}"),
        };
        let row = sqlx::query(
            "with agent as (
                insert into public.voice_agents
                    (name, created_by, status, private_settings, setup_step)
                values ($1, $2, 'inactive', $3::jsonb, 'hours')
                returning id
            )
            insert into public.business_details (voice_agent_id, business_name, type_of_business,
                business_timezone, additional_context, default_appointment_length)
            select id, $1, $4, $5, nullif($6, ''), $7 from agent
            returning voice_agent_id",
        )
        .bind(storable_text(business.name))
        .bind(viewer.id())
        .bind(settings.to_string().replace("\\u0000", ""))
        .bind(storable_text(business.trade))
        .bind(business.zone)
        .bind(storable_text(&context))
        .bind(business.appointment_minutes)
        .fetch_one(&self.pool)
        .await?;
        Ok(row.try_get("voice_agent_id")?)
    }

    /// How far the set-up of an agent is.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn setup(&self, access: &AgentAccess<Inspect>) -> Result<SetupRow> {
        let row = sqlx::query(
            "select a.id, a.setup_step, coalesce(b.business_name, a.name) as name,
                coalesce(b.type_of_business, '') as trade, a.private_settings::text as settings,
                a.twilio_phone_number
            from public.voice_agents a
            left join public.business_details b on b.voice_agent_id = a.id
            where a.id = $1",
        )
        .bind(access.agent_id())
        .fetch_one(&self.pool)
        .await?;
        Ok(SetupRow {
            agent_id: row.try_get("id")?,
            step: row.try_get("setup_step")?,
            name: row.try_get("name")?,
            trade: row.try_get("trade")?,
            settings: lenient_json(row.try_get("settings")?).unwrap_or_default(),
            number: row.try_get("twilio_phone_number")?,
        })
    }

    /// The agent that somebody began to set up last and has not finished.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn unfinished_setup(&self, viewer: &Viewer) -> Result<Option<Uuid>> {
        let row = sqlx::query(
            "select id from public.voice_agents
            where created_by = $1 and setup_step is not null and status <> 'deleted'
            order by created_at desc limit 1",
        )
        .bind(viewer.id())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| row.try_get("id")).transpose()?)
    }

    /// Writes what a screen has asked: these settings over those that are there, the hours if there
    /// are any, and which screen comes next.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn go_on_with_setup(
        &self,
        access: &AgentAccess<Maintain>,
        settings: &Value,
        schedule: Option<&Value>,
        next: &str,
    ) -> Result<()> {
        sqlx::query(
            "with hours as (
                update public.business_details set operating_schedule = $3::jsonb
                where voice_agent_id = $1 and $3 is not null
            )
            update public.voice_agents set setup_step = $4,
                private_settings = coalesce(private_settings, '{}') || $2::jsonb
            where id = $1",
        )
        .bind(access.agent_id())
        .bind(settings.to_string().replace("\\u0000", ""))
        .bind(schedule.map(Value::to_string))
        .bind(next)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends the set-up: the agent answers from now on.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn finish_setup(&self, access: &AgentAccess<Maintain>) -> Result<()> {
        sqlx::query(
            "update public.voice_agents set setup_step = null, status = 'active'
            where id = $1 and setup_step is not null",
        )
        .bind(access.agent_id())
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
