-- Appointments that were agreed in a call which also booked others, and the words in which they were.

-- The words of agent and caller at the end of the notes, as they stand there. They go with the call's
-- transcript, whatever later summaries of the call say was agreed.
-- Whoever books waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
alter table public.appointments add column if not exists quotation text;

-- The notes of an extracted appointment without these words. Where they are not known, or the owner
-- changed the notes, all that is quoted behind the sentence that comes before it goes.
create or replace function public.appointment_unquoted(p_notes text, p_quotation text)
returns text
language sql
immutable
set search_path = public, pg_temp
as $$
    select regexp_replace(
        case when p_quotation <> '' then replace(p_notes, p_quotation, '') else p_notes end,
        '(Agreed by telephone and not confirmed: please check\.) Agent: ".*" Caller: ".*"', '\1')
$$;

-- The call that an extracted appointment is of, by its key; null for every other key.
create or replace function public.extracting_call(p_key text)
returns uuid
language sql
immutable
set search_path = public, pg_temp
as $$
    select case when p_key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:extracted:[1-9][0-9]{0,2}$'
        then split_part(p_key, ':', 1)::uuid end
$$;

-- Writes an appointment that was agreed and not booked, or says why not. One of the same call is
-- never written twice, nor one at a time to which a function of the call booked, moved or cancelled
-- one, whoever that is for, nor a caller's second at the same time.
create or replace function public.appointment_extract(
    p_call uuid, p_number int, p_agent uuid, p_start timestamptz, p_minutes int,
    p_name text, p_phone text, p_service text, p_notes text
)
returns text
language plpgsql
set search_path = public, pg_temp
set lock_timeout = '3s'
as $$
declare
    key text := p_call || ':extracted:' || p_number;
begin
    -- The lock of those who book: what is free now is free until this is committed.
    perform pg_advisory_xact_lock(hashtextextended(p_agent::text, 1));
    if exists (
        select from appointments a where a.voice_agent_id = p_agent
            and (a.booking_key = key
                or a.schedule_time = p_start and (starts_with(a.change_key, p_call || ':')
                    or starts_with(a.booking_key, p_call || ':'))
                or a.schedule_time = p_start and a.status <> 'cancelled'
                    and normalised_number(a.phone_number) = p_phone)
    ) then
        return 'known';
    end if;
    if exists (
        select from appointments_taking(
            p_agent, p_start, p_start + make_interval(mins => p_minutes), p_minutes)
    ) then
        return 'taken';
    end if;
    insert into appointments (voice_agent_id, name, phone_number, service, special_notes,
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
        'public.appointment_unquoted(text, text)',
        'public.extracting_call(text)',
        'public.appointment_extract(uuid, int, uuid, timestamptz, int, text, text, text, text)'
    ]::regprocedure[] loop
        perform public.withhold_from_public_roles(target);
    end loop;
end $$;
