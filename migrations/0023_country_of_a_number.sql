-- A number without a country code was read while a business's row was being written, and kept after
-- it was: read as of no country, or of another one, for ever. Now an agent's row counts how often its
-- country may have changed. What was read is kept only if that count is still the one that it was
-- read under, and both who writes the business and who keeps what was read lock the agent's row, so
-- that each sees what the other did.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

alter table public.voice_agents add column if not exists country_changes bigint not null default 0;

-- As in 0019, but for the count. The agent's row comes first, whether there is anything to be read
-- again or not: its lock keeps what is read just now from being kept.
create or replace function public.country_changed()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    agents uuid[];
begin
    if tg_table_name = 'voice_agents' then
        agents := array[new.id];
    elsif tg_op = 'INSERT' then
        agents := array[new.voice_agent_id];
    elsif tg_op = 'DELETE' then
        agents := array[old.voice_agent_id];
    else
        agents := array[old.voice_agent_id, new.voice_agent_id];
    end if;
    -- What has no digit is nobody's in any country: many rows say only that the number was withheld.
    update public.voice_agents set country_changes = country_changes + 1,
        number_e164 = case when strpos(twilio_phone_number, '+') = 0
            and twilio_phone_number ~ '[0-9]' then null else number_e164 end
    where id = any(agents);
    update public.appointments set phone_e164 = null
    where voice_agent_id = any(agents) and phone_e164 is not null
        and strpos(phone_number, '+') = 0 and phone_number ~ '[0-9]';
    update public.call_logs set caller_e164 = null
    where voice_agent_id = any(agents) and caller_e164 is not null
        and strpos(caller_number, '+') = 0 and caller_number ~ '[0-9]';
    return null;
end;
$$;

-- As in 0016, and nobody is told of the count: what changed the country is announced itself.
create or replace function public.notify_realtime_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    changed jsonb;
    payload text;
begin
    if tg_op = 'UPDATE' and tg_table_name = 'voice_agents' then
        if new.country_changes is distinct from old.country_changes then
            return null;
        end if;
    end if;
    if tg_op = 'DELETE' then
        changed := to_jsonb(old);
    else
        changed := to_jsonb(new);
    end if;
    changed := changed - 'twilio_credentials' - 'private_settings' - 'country_changes';
    if tg_table_name = 'functions' then
        changed := changed - 'data' - 'variables';
    end if;
    payload := json_build_object('operation', tg_op, 'table', tg_table_name, 'data', changed)::text;
    if octet_length(payload) > 7999 then
        payload := json_build_object(
            'operation', tg_op,
            'table', tg_table_name,
            'data', jsonb_strip_nulls(jsonb_build_object(
                'id', changed -> 'id',
                'voice_agent_id', coalesce(changed -> 'voice_agent_id', changed -> 'assistant_id')
            )),
            'truncated', true
        )::text;
    end if;
    perform pg_notify('realtime_changes', payload);
    return null;
end;
$$;

-- What was read as no number, and may be one, is read again.
update public.voice_agents set number_e164 = null
where number_e164 = '' and strpos(twilio_phone_number, '+') = 0 and twilio_phone_number ~ '[0-9]';
update public.appointments set phone_e164 = null
where phone_e164 = '' and strpos(phone_number, '+') = 0 and phone_number ~ '[0-9]';
update public.call_logs set caller_e164 = null
where caller_e164 = '' and strpos(caller_number, '+') = 0 and caller_number ~ '[0-9]';

do $$ begin perform public.withhold_from_public_roles('public.country_changed()'::regprocedure); end $$;
