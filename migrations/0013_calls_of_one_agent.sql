-- A call belongs to the agent that took it. Whoever may speak for one agent may not act on a call of
-- another by naming its CallSid.

-- As in 0003, with one more outcome:
--   foreign     the CallSid is that of another agent's call; nothing was changed, and no id is given
-- The row decides, not the number that was called: that may have moved to another agent since.
-- `pg_catalog` comes first in the path, so that nothing in another schema stands in for an operator
-- or a function of PostgreSQL.
create or replace function public.call_admit(
    p_id uuid, p_agent uuid, p_call_sid text, p_caller text, p_instance uuid, p_nonce text,
    p_limit int, p_metadata jsonb, p_start timestamptz
)
returns table (call_log_id uuid, outcome text)
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
        select c.id, c.voice_agent_id, c.call_end, c.holds_line into known
        from public.call_logs c where c.call_sid = p_call_sid for update;
        if found then
            if known.voice_agent_id is distinct from p_agent then
                outcome := 'foreign';
                return next;
                return;
            end if;
            call_log_id := known.id;
            if known.call_end is not null then
                outcome := 'ended';
            elsif not known.holds_line then
                outcome := 'over_limit';
            else
                update public.call_logs c set stream_nonce = p_nonce, instance_id = p_instance
                where c.id = known.id;
                outcome := 'repeated';
            end if;
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

-- A function that is replaced keeps its grants. This is for a database where it was dropped.
do $$ begin perform public.withhold_from_public_roles(
    'public.call_admit(uuid, uuid, text, text, uuid, text, int, jsonb, timestamptz)'::regprocedure);
end $$;
