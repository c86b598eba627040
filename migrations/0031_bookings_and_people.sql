-- What the console needs of appointments, people and the audit log.

-- Whoever books waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
-- A managed server's limit on statements is for queries, not for building an index.
set local statement_timeout = 0;

-- `revision` counts the changes that people and calendars see: who changes a row says which revision
-- they saw, and calendars are told of a newer one. `booked_by` is the person who booked it, or null
-- where a call or another program did. `checked_at` is when a person agreed that an appointment which
-- was only understood from a call is right.
alter table public.appointments
    add column if not exists revision int not null default 0,
    add column if not exists cancel_reason text,
    add column if not exists booked_by uuid,
    add column if not exists checked_at timestamptz;

create index if not exists idx_appointments_agent_time
    on public.appointments (voice_agent_id, schedule_time, id);

-- Counts, whoever changes the row: a caller, a person, another program.
create or replace function public.appointment_revised()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.revision := old.revision + 1;
    return new;
end;
$$;
create or replace trigger appointment_revised before update on public.appointments
    for each row when (
        row(old.name, old.phone_number, old.service, old.special_notes, old.schedule_time,
            old.duration_minutes, old.status, old.cancel_reason, old.checked_at)
        is distinct from
        row(new.name, new.phone_number, new.service, new.special_notes, new.schedule_time,
            new.duration_minutes, new.status, new.cancel_reason, new.checked_at))
    execute function public.appointment_revised();

-- Writes what a person says an appointment is, a new one where `p_id` is null, or says why not. Of one
-- that is there a text that is null stays as it is.
--   kept      it is there; `kept` is its id
--   taken     something else is booked in that time, and they did not say that both may be;
--             `in_the_way` are the others
--   changed   it is not the revision any more that they saw
--   gone      the agent has no such appointment
-- It waits for the same lock as callers who book, so that two never get the same time. An appointment
-- that stays where it was is not looked at again: whoever let it overlap wanted that.
create or replace function public.appointment_keep(
    p_agent uuid, p_id uuid, p_revision int, p_person uuid, p_overlap boolean, p_usual_minutes int,
    p_start timestamptz, p_minutes int, p_status text, p_name text, p_phone text, p_service text,
    p_notes text, p_reason text
)
returns table (outcome text, kept uuid, in_the_way uuid[])
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
declare
    known public.appointments;
    known_minutes int;
    others uuid[];
    made uuid;
begin
    perform pg_advisory_xact_lock(hashtextextended(p_agent::text, 1));
    if p_id is not null then
        select * into known from public.appointments a
        where a.id = p_id and a.voice_agent_id = p_agent for update;
        if not found then
            return query select 'gone', p_id, null::uuid[];
            return;
        end if;
        if known.revision <> p_revision then
            return query select 'changed', p_id, null::uuid[];
            return;
        end if;
        known_minutes := case when known.duration_minutes > 0 then known.duration_minutes
            else p_usual_minutes end;
    end if;
    if p_status = 'pending' and not p_overlap and (known.id is null or known.status <> 'pending'
        or known.schedule_time <> p_start or p_minutes > known_minutes)
    then
        select array_agg(t.id) into others
        from public.appointments_taking(
            p_agent, p_start, p_start + make_interval(mins => p_minutes), p_usual_minutes) t
        where t.id is distinct from p_id;
        if others is not null then
            return query select 'taken', p_id, others;
            return;
        end if;
    end if;
    if p_id is null then
        insert into public.appointments (voice_agent_id, name, phone_number, service, special_notes,
            schedule_time, duration_minutes, status, booked_by)
        values (p_agent, p_name, p_phone, p_service, nullif(p_notes, ''), p_start, p_minutes,
            p_status::public.appointment_status, p_person)
        returning id into made;
        return query select 'kept', made, null::uuid[];
        return;
    end if;
    update public.appointments a
    set name = coalesce(p_name, a.name), phone_number = coalesce(p_phone, a.phone_number),
        service = coalesce(p_service, a.service), schedule_time = p_start,
        special_notes = case when p_notes is null then a.special_notes else nullif(p_notes, '') end,
        duration_minutes = case when p_minutes = known_minutes then a.duration_minutes
            else p_minutes end,
        status = p_status::public.appointment_status,
        cancel_reason = case when p_status = 'cancelled' then nullif(p_reason, '') end,
        checked_at = coalesce(a.checked_at, case when a.is_extracted then now() end)
    where a.id = p_id;
    return query select 'kept', p_id, null::uuid[];
end;
$$;

-- The agent whose owner's invitation made this person's row; null for everybody else. Only to such a
-- person, as long as they never signed in, may that owner hand another sign-in link.
alter table public.customer add column if not exists invited_to uuid;

-- Activity is looked at by agent and person.
create index if not exists idx_audit_log_agent_actor
    on public.audit_log (voice_agent_id, actor, id desc);

do $$
declare
    target regprocedure;
begin
    foreach target in array array[
        'public.appointment_revised()',
        'public.appointment_keep(uuid, uuid, int, uuid, boolean, int, timestamptz, int, text, text, text, text, text, text)'
    ]::regprocedure[] loop
        perform public.withhold_from_public_roles(target);
    end loop;
end $$;
