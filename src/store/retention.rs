//! What is kept of old calls, and for how long.
//!
//! Each statement does a bounded number of rows and finds no row that it did before, so any number
//! of instances may run it at any time.

use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::{Result, Store, lenient_json};
use crate::private::Private;

/// An agent that may keep things for a limited time.
#[derive(Debug, Clone)]
pub struct RetainingAgent {
    /// `voice_agents.id`.
    pub id: Uuid,
    /// `private_settings`.
    pub settings: Private<Value>,
}

/// A voicemail that is to be removed.
#[derive(Debug, Clone, PartialEq)]
pub struct OldVoicemail {
    /// `call_logs.id`.
    pub call_log_id: Uuid,
    /// `metadata.voicemail.recording_url`.
    pub recording_url: String,
    /// `metadata.voicemail.own_account`: it is asked for with the agent's own account alone.
    pub own_account: bool,
}

/// A recording that is to be removed.
#[derive(Debug, Clone, PartialEq)]
pub struct OldRecording {
    /// `call_logs.id`.
    pub call_log_id: Uuid,
    /// `metadata.recording`.
    pub recording: Value,
}

/// The most appointments of one call that are written down after it.
const EXTRACTED_MAX: i32 = 3;

/// $1: the agent, $2: days, $3: the most calls, $4: the most extracted appointments of a call.
const REMOVE_TRANSCRIPTS: &str = "with old as (
                select id, case when jsonb_typeof(metadata) = 'object' then metadata
                    else '{}' end as m
                from call_logs l
                where voice_agent_id = $1 and call_end is not null
                    and call_start < now() - $2::bigint * interval '1 day'
                    and metadata->'removed'->>'transcript' is null
                    -- Work that has yet to be done with the words would write them back.
                    and not exists (select from aftercall_jobs j
                        where j.call_log_id = l.id and j.state = 'pending')
                order by call_start limit $3
                for update skip locked
            ), kept as (
                select id, coalesce((select jsonb_object_agg(key, value) from jsonb_each(m)
                        where key in ('call_sid', 'stream_sids', 'engine', 'model', 'ended_by',
                            'usage', 'recording', 'removed', 'fallback_reason', 'voicemail')), '{}')
                    || jsonb_build_object(
                        'turns', (select coalesce(jsonb_agg(jsonb_build_object(
                                'n', e->'n', 'started_ms', e->'started_ms',
                                'interrupted', e->'interrupted', 'chunks', e->'chunks',
                                'functions', e->'functions', 'retrieval', e->'retrieval',
                                'latency_ms', e->'latency_ms') order by place), '[]')
                            from jsonb_array_elements(case jsonb_typeof(m->'turns')
                                when 'array' then m->'turns' else '[]' end)
                                with ordinality as a (e, place)),
                        'prompts', (select coalesce(jsonb_agg(jsonb_build_object(
                                'purpose', e->'purpose', 'started_ms', e->'started_ms',
                                'interrupted', e->'interrupted') order by place), '[]')
                            from jsonb_array_elements(case jsonb_typeof(m->'prompts')
                                when 'array' then m->'prompts' else '[]' end)
                                with ordinality as a (e, place)),
                        'functions', (select coalesce(jsonb_agg(jsonb_build_object(
                                'id', e->'id', 'name', e->'name', 'ok', e->'ok',
                                'ms', e->'ms') order by place), '[]')
                            from jsonb_array_elements(case jsonb_typeof(m->'functions')
                                when 'array' then m->'functions' else '[]' end)
                                with ordinality as a (e, place)),
                        'gaps', '[]'::jsonb, 'messages', '[]'::jsonb,
                        'removed', case when jsonb_typeof(m->'removed') = 'object'
                            then m->'removed' else '{}' end
                            || jsonb_build_object('transcript', to_jsonb(now()))) as m
                from old
            ), wordless as (
                delete from call_events e using old where e.call_log_id = old.id
                    and e.kind not in ('line_opened', 'line_lost', 'engine_ready', 'engine_lost',
                        'reply_requested', 'first_audio', 'grounded', 'transfer_ended',
                        'tokens_used', 'moved_to_fallback', 'ended')
            ), unquoted as (
                -- What was agreed stays, and not the words in which it was.
                update appointments a set quotation = null,
                    special_notes = appointment_unquoted(a.special_notes, a.quotation)
                -- As many as a call has; by name, so that the index on keys finds them.
                from old cross join generate_series(1, $4) as n
                where a.is_extracted and a.booking_key = old.id || ':extracted:' || n
            ), untold as (
                -- That there was something to do stays, and whether it was done.
                update call_tasks t set text = '', question_key = null
                from old where t.call_log_id = old.id
            )
            update call_logs l set transcript = null, summary = null, metadata = kept.m
            from kept where l.id = kept.id";

impl Store {
    /// Takes the lease of this name for so long, unless somebody has it; whether it was taken.
    pub async fn take_lease(&self, name: &str, time: Duration) -> Result<bool> {
        let done = sqlx::query(
            "insert into frontdesk_leases as l (name, until)
            values ($1, now() + make_interval(secs => $2))
            on conflict (name) do update set until = excluded.until where l.until <= now()",
        )
        .bind(name)
        .bind(time.as_secs_f64())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Up to `limit` agents behind `after` whose settings say anything of retention, by their ids.
    pub async fn retaining_agents(&self, after: Uuid, limit: i64) -> Result<Vec<RetainingAgent>> {
        let rows = sqlx::query(
            "select id, private_settings::text as settings from voice_agents
            where id > $1 and private_settings::text like '%retention%' order by id limit $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let settings = lenient_json(row.try_get("settings")?).unwrap_or_default();
                Ok(RetainingAgent { id: row.try_get("id")?, settings: settings.into() })
            })
            .collect()
    }

    /// Up to `limit` recordings of an agent's calls that began more than `days` ago, of calls
    /// behind `after`, by their ids.
    pub async fn old_recordings(
        &self,
        agent_id: Uuid,
        days: u32,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<OldRecording>> {
        const RECORDING: &str = "(metadata->'recording')::text";
        const IS_KEPT: &str = "metadata->'recording'->>'path' is not null";
        let rows = self.old(RECORDING, IS_KEPT, (agent_id, days), after, limit).await?;
        let read = |(call_log_id, text)| OldRecording {
            call_log_id,
            recording: lenient_json(Some(text)).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// What is kept of an agent's old calls: their ids, and this of each of which that holds.
    async fn old(
        &self,
        what: &str,
        is_kept: &str,
        (agent_id, days): (Uuid, u32),
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<(Uuid, String)>> {
        let query = format!(
            "select id, {what} from call_logs
            where voice_agent_id = $1 and call_end is not null
                and call_start < now() - $2::bigint * interval '1 day'
                and {is_kept} and id > $4
            order by id limit $3"
        );
        // The text is put together from constants.
        let query = sqlx::query_as(AssertSqlSafe(query)).bind(agent_id).bind(i64::from(days));
        Ok(query.bind(limit).bind(after).fetch_all(&self.pool).await?)
    }

    /// Writes that a recording was removed, if its row still says that it is there.
    pub async fn recording_removed(&self, old: &OldRecording) -> Result<bool> {
        let done = sqlx::query(
            "update call_logs set metadata = metadata || jsonb_build_object('recording', null,
                'removed', case when jsonb_typeof(metadata->'removed') = 'object'
                    then metadata->'removed' else '{}' end
                    || jsonb_build_object('recording', to_jsonb(now())))
            where id = $1 and metadata->'recording' = $2::jsonb",
        )
        .bind(old.call_log_id)
        .bind(&old.recording)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Up to `limit` recordings whose calls were deleted, behind `after`, by their paths.
    pub async fn left_recordings(&self, after: &str, limit: i64) -> Result<Vec<String>> {
        let paths = sqlx::query_scalar(
            "select path from left_recordings where path > $1 order by path limit $2",
        );
        Ok(paths.bind(after).bind(limit).fetch_all(&self.pool).await?)
    }

    /// Forgets a recording whose call was deleted.
    pub async fn left_recording_removed(&self, path: &str) -> Result<()> {
        let forget = sqlx::query("delete from left_recordings where path = $1").bind(path);
        forget.execute(&self.pool).await?;
        Ok(())
    }

    /// Up to `limit` messages that an agent's callers left with Twilio more than `days` ago, of
    /// calls behind `after`, by their ids.
    pub async fn old_voicemails(
        &self,
        agent_id: Uuid,
        days: u32,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<OldVoicemail>> {
        const VOICEMAIL: &str = "(metadata->'voicemail')::text";
        const IS_KEPT: &str = "metadata->'voicemail'->>'recording_url' is not null";
        let rows = self.old(VOICEMAIL, IS_KEPT, (agent_id, days), after, limit).await?;
        let read = |(call_log_id, text)| {
            let voicemail = lenient_json(Some(text)).unwrap_or_default();
            OldVoicemail {
                call_log_id,
                recording_url: voicemail["recording_url"].as_str().unwrap_or_default().to_owned(),
                own_account: voicemail["own_account"] == true,
            }
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Writes that a voicemail was removed, if its row still says where it is.
    pub async fn voicemail_removed(&self, old: &OldVoicemail) -> Result<bool> {
        let done = sqlx::query(
            "update call_logs set metadata = metadata || jsonb_build_object(
                'voicemail', (metadata->'voicemail') || '{\"recording_url\": null}',
                'removed', case when jsonb_typeof(metadata->'removed') = 'object'
                    then metadata->'removed' else '{}' end
                    || jsonb_build_object('voicemail', to_jsonb(now())))
            where id = $1 and metadata->'voicemail'->>'recording_url' = $2",
        )
        .bind(old.call_log_id)
        .bind(&old.recording_url)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes the words of up to `limit` of an agent's calls that began more than `days` ago, and
    /// gives how many those were. What stays is what happened when: lists of what is kept, so that
    /// what is not known here goes.
    pub async fn remove_transcripts(&self, agent_id: Uuid, days: u32, limit: i64) -> Result<u64> {
        let done = sqlx::query(REMOVE_TRANSCRIPTS)
            .bind(agent_id)
            .bind(i64::from(days))
            .bind(limit)
            .bind(EXTRACTED_MAX)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    /// Removes up to `limit` quotations of appointments whose calls have no words any more, and gives
    /// how many those were: what removed the words may not have known of them.
    pub async fn remove_left_quotations(&self, limit: i64) -> Result<u64> {
        let done = sqlx::query(
            "update appointments set quotation = null,
                special_notes = appointment_unquoted(special_notes, quotation)
            where id in (
                select a.id from appointments a
                join call_logs l on l.id = extracting_call(a.booking_key)
                where a.is_extracted and a.quotation is not null
                    and l.metadata->'removed'->>'transcript' is not null
                limit $1
                for update of a skip locked)",
        )
        .bind(limit)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
