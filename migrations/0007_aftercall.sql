-- Work after a call, as rows: the summary, and what the owner is told.

-- One row for each call and kind of work. It is claimed by a lease that is committed at once, so no
-- transaction lasts as long as the work; a lease that has run out is anybody's. `claims` counts
-- the leases and tells a late worker that the job is another's by now. `revision` counts how often
-- the work was called for: a call that was completed by a guess may be completed better later, and
-- what was begun before then does not count as done. `queued_at` is when it was last called for.
create table if not exists public.aftercall_jobs (
    id bigint generated always as identity primary key,
    call_log_id uuid not null references public.call_logs (id) on delete cascade,
    kind text not null,
    state text not null default 'pending' check (state in ('pending', 'done', 'failed')),
    revision int not null default 1,
    queued_at timestamptz not null default now(),
    run_after timestamptz not null default now(),
    attempts int not null default 0,
    claims int not null default 0,
    leased_by uuid,
    leased_until timestamptz,
    -- Names no number, no name and no word of a caller.
    last_error text,
    result text,
    done_at timestamptz,
    unique (call_log_id, kind)
);
-- What is due is looked for every second, among many that are done.
create index if not exists idx_aftercall_jobs_due
    on public.aftercall_jobs (kind, run_after) where state = 'pending';

-- Every attempt to tell an owner of a call: when, and what was answered. No address, which may hold
-- a secret, and no body.
create table if not exists public.webhook_deliveries (
    id bigint generated always as identity primary key,
    call_log_id uuid not null references public.call_logs (id) on delete cascade,
    message_id text not null,
    attempt int not null,
    at timestamptz not null default now(),
    status int,
    error text,
    ms int not null
);
create index if not exists idx_webhook_deliveries_call
    on public.webhook_deliveries (call_log_id, id);

-- An appointment that was agreed in a conversation and that no function booked, found afterwards.
alter table public.appointments add column if not exists is_extracted boolean not null default false;

-- Calls for the work whenever a call's row is completed, whoever completes it: its process, the
-- reconciler, a callback or a spool that is told later. Told twice the same, it calls once. Told
-- otherwise (the guess that a call had no answer, and then the callback that knows), it calls again.
-- While a callback may still come the work waits ten seconds for it. The owner is told when the
-- summary is there, or after a minute without it. Only calls of this program have a call_sid: rows
-- that others write, and those of before, call for nothing.
create or replace function public.aftercall_enqueue()
returns trigger
language plpgsql
set search_path = public, pg_temp
as $$
declare
    first_at timestamptz := now()
        + case when new.out_until is null then interval '0' else interval '10 seconds' end;
begin
    insert into aftercall_jobs as j (call_log_id, kind, run_after)
    values (new.id, 'summary', first_at), (new.id, 'webhook', first_at + interval '60 seconds')
    on conflict (call_log_id, kind) do update set
        state = 'pending', revision = j.revision + 1, queued_at = now(),
        run_after = excluded.run_after, attempts = 0, last_error = null, done_at = null;
    return null;
end;
$$;

drop trigger if exists aftercall_enqueue on public.call_logs;
create trigger aftercall_enqueue
    after update of call_end, status on public.call_logs
    for each row
    when (new.call_end is not null and new.call_sid is not null
        and (old.call_end is distinct from new.call_end or old.status is distinct from new.status))
    execute function public.aftercall_enqueue();

-- Writes an appointment that was agreed and not booked, or says why not. One of the same call is
-- never written twice, nor beside one that the call itself booked, moved or cancelled.
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
            and (a.booking_key = key or starts_with(a.change_key, p_call || ':')
                or starts_with(a.booking_key, p_call || ':') and not a.is_extracted)
    ) then
        return 'known';
    end if;
    if exists (
        select from appointments a
        where a.voice_agent_id = p_agent and a.schedule_time = p_start and a.status <> 'cancelled'
            and normalised_number(a.phone_number) = p_phone
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
        schedule_time, duration_minutes, booking_key, is_extracted)
    values (p_agent, p_name, p_phone, p_service, p_notes, p_start, p_minutes,
        key, true);
    return 'written';
end;
$$;

-- Writes a call's summary, what goes into its metadata beside it, and the appointments that were
-- agreed, and has the owner told; all of it or nothing:
--   stored     it is there
--   outdated   the call was completed anew since the work was begun: it will be done again
--   lost       the lease ran out and the job is another's
-- An appointment that comes with a "why" is not written, and is kept with its reason. The row of
-- the call is locked before its jobs, in the order in which a completion locks them.
create or replace function public.aftercall_store_summary(
    p_job bigint, p_worker uuid, p_claim int, p_revision int, p_summary jsonb, p_metadata jsonb,
    p_appointments jsonb
)
returns text
language plpgsql
set search_path = public, pg_temp
as $$
declare
    ended record;
    job record;
    entry record;
    had_some boolean;
    outcome text;
    told jsonb := '[]';
begin
    select l.id, l.voice_agent_id into ended
    from call_logs l join aftercall_jobs j on j.call_log_id = l.id
    where j.id = p_job for update of l;
    select j.revision, j.leased_by, j.claims into job
    from aftercall_jobs j where j.id = p_job for update;
    if not found or job.leased_by is distinct from p_worker or job.claims <> p_claim then
        return 'lost';
    end if;
    if job.revision <> p_revision then
        update aftercall_jobs set leased_by = null, leased_until = null where id = p_job;
        return 'outdated';
    end if;
    -- What an earlier revision wrote stays as it is: the owner may have changed it since.
    select exists (select from appointments a where a.voice_agent_id = ended.voice_agent_id
        and starts_with(a.booking_key, ended.id || ':extracted:')) into had_some;
    for entry in
        select e.value as wanted, e.ordinality::int as number
        from jsonb_array_elements(p_appointments) with ordinality e
    loop
        outcome := entry.wanted ->> 'why';
        if outcome is null and had_some then
            outcome := 'known';
        elsif outcome is null then
            outcome := appointment_extract(ended.id, entry.number, ended.voice_agent_id,
                timestamptz 'epoch'
                    + (entry.wanted ->> 'start_us')::bigint * interval '1 microsecond',
                (entry.wanted ->> 'minutes')::int, entry.wanted ->> 'name',
                entry.wanted ->> 'phone', entry.wanted ->> 'service', entry.wanted ->> 'notes');
        end if;
        told := told || jsonb_build_array(entry.wanted -> 'told'
            || jsonb_build_object('written', outcome = 'written', 'why', nullif(outcome, 'written')));
    end loop;
    update call_logs l set summary = p_summary,
        metadata = case when jsonb_typeof(l.metadata) = 'object' then l.metadata else '{}' end
            || p_metadata || jsonb_build_object('extracted_appointments', told)
    where l.id = ended.id;
    update aftercall_jobs set state = 'done', result = 'stored', done_at = now(),
        last_error = null, leased_by = null, leased_until = null
    where id = p_job;
    -- The owner was waiting for this, or was told without it and is told anew.
    update aftercall_jobs w set run_after = now()
    where w.call_log_id = ended.id and w.kind = 'webhook' and w.state = 'pending'
        and w.attempts = 0;
    update aftercall_jobs w set state = 'pending', revision = w.revision + 1, queued_at = now(),
        run_after = now(), attempts = 0, last_error = null, done_at = null
    where w.call_log_id = ended.id and w.kind = 'webhook'
        and (w.state = 'pending' and w.attempts > 0
            or w.state = 'done' and w.result = 'sent without a summary');
    return 'stored';
end;
$$;

do $$
declare
    target regprocedure;
begin
    foreach target in array array[
        'public.appointment_extract(uuid, int, uuid, timestamptz, int, text, text, text, text)',
        'public.aftercall_store_summary(bigint, uuid, int, int, jsonb, jsonb, jsonb)'
    ]::regprocedure[] loop
        perform public.withhold_from_public_roles(target);
    end loop;
end $$;
