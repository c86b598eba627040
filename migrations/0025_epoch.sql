-- Whose a call is, by a number (a fencing token): what a process writes that has lost a call to another
-- one is refused by the statement that writes it.

-- `epoch` is the present owner's number. Whoever claims a call that it does not hold gets the next one,
-- and its events carry it. Owners have the odd numbers. What callbacks write of a call that no task of
-- theirs has is of the even number behind the owner's: it is read after what the owner wrote, and never
-- takes the place of an event that the owner is still to write.
-- A constant default is no rewrite of the table. Whoever writes waits behind this, which waits behind
-- whoever reads.
set local lock_timeout = '5s';
alter table public.call_logs add column if not exists epoch int not null default 1;
-- What was written before, and what a process of an older version writes while the new one takes its
-- place, is the first owner's.
alter table public.call_events add column if not exists epoch int not null default 1;

-- The key becomes (call_log_id, epoch, seq). Where there are many events `frontdesk migrate` has built
-- this index already, while calls were written (`store/event_key.rs`). The old key goes in the moment
-- in which the new one takes its place.
set local statement_timeout = 0;
create unique index if not exists call_events_place
    on public.call_events (call_log_id, epoch, seq);
alter table public.call_events
    drop constraint if exists call_events_pkey,
    add constraint call_events_pkey primary key using index call_events_place;

-- `call_admit` (0013) under a name of its own, because it gives more: the row's epoch, a new one where the
-- call is taken over ('repeated'), the number of its next event, and how often its caller was given back
-- to the agent. `call_admit` stays for processes of the version before.
create or replace function public.admit_call(
    p_id uuid, p_agent uuid, p_call_sid text, p_caller text, p_instance uuid, p_nonce text,
    p_limit int, p_metadata jsonb, p_start timestamptz
)
returns table (call_log_id uuid, outcome text, epoch int, next_seq bigint, returns int)
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
declare
    known record;
    has_line boolean := true;
begin
    if p_limit is not null then
        perform pg_advisory_xact_lock(hashtextextended(p_agent::text, 0));
    end if;
    loop
        select c.id, c.voice_agent_id, c.call_end, c.holds_line, c.epoch, c.stream_returns
        into known
        from public.call_logs c where c.call_sid = p_call_sid for update;
        if found then
            if known.voice_agent_id is distinct from p_agent then
                outcome := 'foreign';
                return next;
                return;
            end if;
            call_log_id := known.id;
            epoch := known.epoch;
            returns := known.stream_returns;
            if known.call_end is not null then
                outcome := 'ended';
            elsif not known.holds_line then
                outcome := 'over_limit';
            else
                update public.call_logs c
                set stream_nonce = p_nonce, instance_id = p_instance, epoch = c.epoch + 2
                where c.id = known.id
                returning c.epoch into epoch;
                outcome := 'repeated';
            end if;
            select coalesce(max(e.seq), 0) + 1 into next_seq
            from public.call_events e where e.call_log_id = known.id;
            return next;
            return;
        end if;
        if not exists (select from public.voice_agents a where a.id = p_agent) then
            outcome := 'no_agent';
            return next;
            return;
        end if;
        if p_limit is not null then
            select count(*) < p_limit into has_line
            from public.call_logs c
            where c.voice_agent_id = p_agent and c.call_end is null
                and c.holds_line and c.status = 'in-progress';
        end if;
        insert into public.call_logs (id, voice_agent_id, call_start, caller_number, status,
            metadata, call_sid, instance_id, stream_nonce, holds_line)
        values (p_id, p_agent, p_start, p_caller, 'in-progress', p_metadata,
            p_call_sid, p_instance, case when has_line then p_nonce end, has_line)
        on conflict (call_sid) do nothing
        returning call_logs.id, call_logs.epoch into call_log_id, epoch;
        if found then
            outcome := case when has_line then 'admitted' else 'over_limit' end;
            next_seq := 1;
            returns := 0;
            return next;
            return;
        end if;
        -- The same webhook came twice at once and the other one was first: now its row is there.
    end loop;
end;
$$;

do $$ begin perform public.withhold_from_public_roles(
    'public.admit_call(uuid, uuid, text, text, uuid, text, int, jsonb, timestamptz)'::regprocedure);
end $$;
