-- What booking by telephone needs of appointments.

-- `booking_key` names the call of a function that booked it ('call_logs.id:engine call id'),
-- `change_key` the one that last moved or cancelled it. Carried out again, the same call finds what
-- it did and does nothing more. Both are null where somebody else wrote the appointment.
alter table public.appointments add column if not exists booking_key text unique;
alter table public.appointments add column if not exists change_key text unique;

-- What is still to come is looked at with each question for a free time.
create index if not exists idx_appointments_pending
    on public.appointments (voice_agent_id, schedule_time) where status = 'pending';

-- What a pending appointment takes up, whoever wrote it: where it has no length that can be used,
-- as long as appointments usually are. What would last for more than 31 days is nobody's
-- appointment, and the limit lets the index find the others.
create or replace function public.appointments_taking(
    p_agent uuid, p_from timestamptz, p_until timestamptz, p_usual_minutes int
)
returns table (id uuid, taken tstzrange)
language sql
stable
set search_path = public, pg_temp
as $$
    select a.id, a.taken
    from (
        select b.id, tstzrange(b.schedule_time, b.schedule_time + make_interval(mins =>
            case when b.duration_minutes > 0 then b.duration_minutes else p_usual_minutes end))
        from appointments b
        where b.voice_agent_id = p_agent and b.status = 'pending'
            and b.schedule_time < p_until and b.schedule_time > p_from - interval '31 days'
    ) as a (id, taken)
    where a.taken && tstzrange(p_from, p_until)
$$;

-- Books, or says why not:
--   booked   the appointment is there: a new one; or the one that this call of the function booked
--            before; or one that another call of it, in the same telephone call, booked for the same
--            person at the same time, now with what was said last
--   taken    something else is booked in that time
-- Those who book with one agent pass one at a time: the lock lasts until the transaction ends, and
-- each statement after it sees what those before have committed (at read committed, the default).
-- A wait of more than three seconds is given up, so that nothing is booked long after whoever asked
-- for it stopped waiting.
create or replace function public.appointment_book(
    p_call uuid, p_engine_call text, p_agent uuid, p_start timestamptz, p_minutes int,
    p_name text, p_phone text, p_service text, p_notes text
)
returns text
language plpgsql
set search_path = public, pg_temp
set lock_timeout = '3s'
as $$
declare
    key text := p_call || ':' || p_engine_call;
begin
    perform pg_advisory_xact_lock(hashtextextended(p_agent::text, 1));
    if exists (select from appointments a where a.booking_key = key) then
        return 'booked';
    end if;
    update appointments a
    set service = p_service, special_notes = coalesce(p_notes, a.special_notes)
    where a.voice_agent_id = p_agent and a.status = 'pending' and a.schedule_time = p_start
        and starts_with(a.booking_key, p_call || ':') and lower(a.name) = lower(p_name);
    if found then
        return 'booked';
    end if;
    if exists (
        select from appointments_taking(
            p_agent, p_start, p_start + make_interval(mins => p_minutes), p_minutes)
    ) then
        return 'taken';
    end if;
    insert into appointments (voice_agent_id, name, phone_number, service, special_notes,
        schedule_time, duration_minutes, booking_key)
    values (p_agent, p_name, p_phone, p_service, p_notes, p_start, p_minutes, key);
    return 'booked';
end;
$$;

-- Moves a pending appointment, which is not in its own way, or says why not:
--   moved    it is at the new time, by this call or by the same one before
--   taken    something else is booked in that time
--   gone     it is not pending any more
create or replace function public.appointment_move(
    p_key text, p_id uuid, p_agent uuid, p_start timestamptz, p_usual_minutes int
)
returns text
language plpgsql
set search_path = public, pg_temp
set lock_timeout = '3s'
as $$
declare
    known record;
begin
    perform pg_advisory_xact_lock(hashtextextended(p_agent::text, 1));
    select a.change_key, a.status,
        case when a.duration_minutes > 0 then a.duration_minutes else p_usual_minutes end as minutes
    into known
    from appointments a where a.id = p_id and a.voice_agent_id = p_agent for update;
    if known.change_key = p_key then
        return 'moved';
    end if;
    if known.status is distinct from 'pending' then
        return 'gone';
    end if;
    if exists (
        select from appointments_taking(
            p_agent, p_start, p_start + make_interval(mins => known.minutes), p_usual_minutes) t
        where t.id <> p_id
    ) then
        return 'taken';
    end if;
    update appointments a set schedule_time = p_start, change_key = p_key where a.id = p_id;
    return 'moved';
end;
$$;

do $$
declare
    target regprocedure;
begin
    foreach target in array array[
        'public.appointments_taking(uuid, timestamptz, timestamptz, int)',
        'public.appointment_book(uuid, text, uuid, timestamptz, int, text, text, text, text)',
        'public.appointment_move(text, uuid, uuid, timestamptz, int)'
    ]::regprocedure[] loop
        perform public.withhold_from_public_roles(target);
    end loop;
end $$;
