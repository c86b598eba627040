-- What Frontdesk itself keeps about calls: whose they are, what happened, and how one is admitted.

-- One row per CallSid. `instance_id` is the process that owns the live call, `stream_nonce` the one
-- stream token that is still good, `stream_returns` how often the caller was given back to the
-- agent after a stream ended. `holds_line` says that the call was admitted and takes one of the
-- agent's lines; a call that was refused has a row as well, and takes none.
alter table public.call_logs add column if not exists call_sid text unique;
alter table public.call_logs add column if not exists instance_id uuid;
alter table public.call_logs add column if not exists stream_nonce text;
alter table public.call_logs add column if not exists stream_returns int not null default 0;
alter table public.call_logs add column if not exists holds_line boolean not null default false;

-- Live calls are few among many ended ones: an agent's are counted at each call, an instance's are
-- looked for by the reconciler.
create index if not exists idx_call_logs_live_agent
    on public.call_logs (voice_agent_id) where call_end is null;
create index if not exists idx_call_logs_live_instance
    on public.call_logs (instance_id) where call_end is null;
-- An owner's list, newest first.
create index if not exists idx_call_logs_agent_start
    on public.call_logs (voice_agent_id, call_start desc);

-- Everything that happens in a call, as it happens: the timeline, the live view, recovery after a
-- crash and replay are this one table. `at_ms` counts from the answer.
create table if not exists public.call_events (
    call_log_id uuid not null references public.call_logs (id) on delete cascade,
    seq bigint not null,
    at_ms bigint not null,
    kind text not null,
    data jsonb not null default '{}',
    created_at timestamptz not null default now(),
    primary key (call_log_id, seq)
);

-- The processes that take calls. One whose `beat_at` is old is dead, and its calls are completed.
create table if not exists public.frontdesk_instances (
    id uuid primary key,
    started_at timestamptz not null default now(),
    beat_at timestamptz not null default now()
);

-- Null where somebody else wrote the appointment: then the business's default length is its length.
alter table public.appointments add column if not exists duration_minutes int;

-- Takes a call, or says why not, in one round trip:
--   admitted    the row is new and the call has one of the agent's lines
--   over_limit  the row is there, the agent's lines are all taken (asked again: still so)
--   repeated    the call is live already: same row, same line, and only the new token is good
--   ended       the call is over
--   no_agent    there is no such agent; no row
-- The count must be exact, so calls of one agent pass one at a time: the lock lasts until the
-- transaction ends, and each statement after it sees what those before have committed (at read
-- committed, the default). Without a limit nothing is locked or counted; the unique call_sid alone
-- keeps a doubled webhook to one row.
create or replace function public.call_admit(
    p_id uuid, p_agent uuid, p_call_sid text, p_caller text, p_instance uuid, p_nonce text,
    p_limit int, p_metadata jsonb, p_start timestamptz
)
returns table (call_log_id uuid, outcome text)
language plpgsql
set search_path = public, pg_temp
as $$
declare
    known record;
    has_line boolean := true;
begin
    if p_limit is not null then
        perform pg_advisory_xact_lock(hashtextextended(p_agent::text, 0));
    end if;
    loop
        select c.id, c.call_end, c.holds_line into known
        from call_logs c where c.call_sid = p_call_sid for update;
        if found then
            call_log_id := known.id;
            if known.call_end is not null then
                outcome := 'ended';
            elsif not known.holds_line then
                outcome := 'over_limit';
            else
                update call_logs c set stream_nonce = p_nonce, instance_id = p_instance
                where c.id = known.id;
                outcome := 'repeated';
            end if;
            return next;
            return;
        end if;
        if not exists (select from voice_agents a where a.id = p_agent) then
            outcome := 'no_agent';
            return next;
            return;
        end if;
        if p_limit is not null then
            select count(*) < p_limit into has_line
            from call_logs c
            where c.voice_agent_id = p_agent and c.call_end is null
                and c.holds_line and c.status = 'in-progress';
        end if;
        insert into call_logs (id, voice_agent_id, call_start, caller_number, status, metadata,
            call_sid, instance_id, stream_nonce, holds_line)
        values (p_id, p_agent, p_start, p_caller, 'in-progress', p_metadata,
            p_call_sid, p_instance, case when has_line then p_nonce end, has_line)
        on conflict (call_sid) do nothing
        returning call_logs.id into call_log_id;
        if found then
            outcome := case when has_line then 'admitted' else 'over_limit' end;
            return next;
            return;
        end if;
        -- The same webhook came twice at once and the other one was first: now its row is there.
    end loop;
end;
$$;

do $$ begin perform public.withhold_from_public_roles(
    'public.call_admit(uuid, uuid, text, text, uuid, text, int, jsonb, timestamptz)'::regprocedure);
end $$;
