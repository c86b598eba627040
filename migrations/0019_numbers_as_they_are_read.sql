-- Telephone numbers as the program reads them, beside the columns that hold them as somebody wrote
-- them. SQL and the program read numbers differently (`+44 (0)20 …`, characters that nobody sees,
-- numbers without a country code), so only the program reads them, and SQL compares what it read.
--
-- In each of the three columns below:
--   null    the number is written plainly, `+` and digits, and compared as it stands; or it is
--           written in another way and is still to be read
--   ''      the program has read it, and it is no telephone number
--   +…      what the program has read, E.164
-- So `coalesce(read, written)` is what is compared. "Plainly" is this pattern, wherever it stands
-- here and in the program. It leaves out what may have a zero behind its country code, which the
-- program may take away: 1, or another code of one to three digits.
--   ^\+(?!(1|[2-9][0-9]{0,2})0)[1-9][0-9]{7,14}$

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
-- A managed server's limit on statements is for queries, not for building an index.
set local statement_timeout = 0;

alter table public.voice_agents add column if not exists number_e164 text;
alter table public.appointments add column if not exists phone_e164 text;
alter table public.call_logs add column if not exists caller_e164 text;

-- What is compared.
create index if not exists idx_voice_agents_number
    on public.voice_agents ((coalesce(number_e164, twilio_phone_number)));
create index if not exists idx_appointments_agent_phone
    on public.appointments (voice_agent_id, (coalesce(phone_e164, phone_number)));
create index if not exists idx_call_logs_agent_caller_read
    on public.call_logs (voice_agent_id, (coalesce(caller_e164, caller_number)), call_start desc);
-- Its place is taken by the one above.
drop index if exists public.idx_call_logs_agent_caller;

-- What is still to be read. Few rows at any time, none at most.
create index if not exists idx_voice_agents_number_unread on public.voice_agents (id)
    where number_e164 is null
        and twilio_phone_number !~ '^\+(?!(1|[2-9][0-9]{0,2})0)[1-9][0-9]{7,14}$';
create index if not exists idx_appointments_phone_unread on public.appointments (voice_agent_id)
    where phone_e164 is null
        and phone_number !~ '^\+(?!(1|[2-9][0-9]{0,2})0)[1-9][0-9]{7,14}$';
create index if not exists idx_call_logs_caller_unread on public.call_logs (voice_agent_id)
    where caller_e164 is null
        and caller_number !~ '^\+(?!(1|[2-9][0-9]{0,2})0)[1-9][0-9]{7,14}$';

-- What was read, and is read again when the business turns out to be in another country.
create index if not exists idx_appointments_phone_read on public.appointments (voice_agent_id)
    where phone_e164 is not null;
create index if not exists idx_call_logs_caller_read on public.call_logs (voice_agent_id)
    where caller_e164 is not null;

-- A row that is new, or whose number is written anew, is read anew, whatever its writer put into the
-- column: a row that was copied has the number of another.
create or replace function public.number_changed()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    case tg_table_name
        when 'voice_agents' then new.number_e164 := null;
        when 'appointments' then new.phone_e164 := null;
        when 'call_logs' then new.caller_e164 := null;
    end case;
    return new;
end;
$$;

create or replace trigger number_new before insert on public.voice_agents
    for each row when (new.number_e164 is not null) execute function public.number_changed();
create or replace trigger number_new before insert on public.appointments
    for each row when (new.phone_e164 is not null) execute function public.number_changed();
create or replace trigger number_new before insert on public.call_logs
    for each row when (new.caller_e164 is not null) execute function public.number_changed();
create or replace trigger number_changed before update on public.voice_agents
    for each row when (old.twilio_phone_number is distinct from new.twilio_phone_number)
    execute function public.number_changed();
create or replace trigger number_changed before update on public.appointments
    for each row when (old.phone_number is distinct from new.phone_number)
    execute function public.number_changed();
create or replace trigger number_changed before update on public.call_logs
    for each row when (old.caller_number is distinct from new.caller_number)
    execute function public.number_changed();

-- Numbers without a country code are those of the country where the business is. They are read again
-- when that may have changed: with the number or the time zone of the business, or with the number
-- that its agent answers. Whoever may write a business need not have rights on its calls.
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
    update public.voice_agents set number_e164 = null
    where id = any(agents) and number_e164 is not null and strpos(twilio_phone_number, '+') = 0
        and twilio_phone_number ~ '[0-9]';
    update public.appointments set phone_e164 = null
    where voice_agent_id = any(agents) and phone_e164 is not null
        and strpos(phone_number, '+') = 0 and phone_number ~ '[0-9]';
    update public.call_logs set caller_e164 = null
    where voice_agent_id = any(agents) and caller_e164 is not null
        and strpos(caller_number, '+') = 0 and caller_number ~ '[0-9]';
    return null;
end;
$$;

create or replace trigger country_new after insert or delete on public.business_details
    for each row execute function public.country_changed();
create or replace trigger country_changed after update on public.business_details
    for each row when (old.business_phone is distinct from new.business_phone
        or old.business_timezone is distinct from new.business_timezone
        or old.voice_agent_id is distinct from new.voice_agent_id)
    execute function public.country_changed();
create or replace trigger country_changed after update on public.voice_agents
    for each row when (old.twilio_phone_number is distinct from new.twilio_phone_number)
    execute function public.country_changed();

-- That the program reads a number does not change the appointment.
create or replace trigger update_appointment_updated_at
    before update on public.appointments
    for each row when (not (old.phone_e164 is distinct from new.phone_e164
        and old.phone_number is not distinct from new.phone_number))
    execute function public.update_appointment_timestamp();

-- As in 0010, and numbers are compared as the program has read them.
create or replace function public.appointment_extract(
    p_call uuid, p_number int, p_agent uuid, p_start timestamptz, p_minutes int,
    p_name text, p_phone text, p_service text, p_notes text
)
returns text
language plpgsql
set search_path = pg_catalog, public, pg_temp
set lock_timeout = '3s'
as $$
declare
    key text := p_call || ':extracted:' || p_number;
begin
    -- The lock of those who book: what is free now is free until this is committed.
    perform pg_advisory_xact_lock(hashtextextended(p_agent::text, 1));
    if exists (
        select from public.appointments a where a.voice_agent_id = p_agent
            and (a.booking_key = key
                or a.schedule_time = p_start and (starts_with(a.change_key, p_call || ':')
                    or starts_with(a.booking_key, p_call || ':'))
                or a.schedule_time = p_start and a.status <> 'cancelled'
                    and coalesce(a.phone_e164, a.phone_number) = p_phone)
    ) then
        return 'known';
    end if;
    if exists (
        select from public.appointments_taking(
            p_agent, p_start, p_start + make_interval(mins => p_minutes), p_minutes)
    ) then
        return 'taken';
    end if;
    insert into public.appointments (voice_agent_id, name, phone_number, service, special_notes,
        schedule_time, duration_minutes, booking_key, is_extracted, quotation)
    values (p_agent, p_name, p_phone, p_service, p_notes, p_start, p_minutes,
        key, true, substring(p_notes from ' Agent: ".*" Caller: ".*"$'));
    return 'written';
end;
$$;

do $$
declare
    target regprocedure;
begin
    foreach target in array array[
        'public.number_changed()', 'public.country_changed()'
    ]::regprocedure[] loop
        perform public.withhold_from_public_roles(target);
    end loop;
end $$;
