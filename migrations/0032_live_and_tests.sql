-- What the console does with live calls, and test calls from the console.

set local lock_timeout = '5s';

-- What somebody wants done with a live call that another process has. That process looks for its own,
-- and what it takes is gone from here: a row may hold a number to put the caller through to.
create table if not exists public.call_commands (
    id bigint generated always as identity primary key,
    call_log_id uuid not null references public.call_logs (id) on delete cascade,
    instance_id uuid not null,
    command jsonb not null,
    at timestamptz not null default now()
);
create index if not exists idx_call_commands_instance on public.call_commands (instance_id);
create index if not exists idx_call_commands_call on public.call_commands (call_log_id);
select public.guard_table('public.call_commands'::regclass);

-- Test calls have a call_sid that begins with FT. They take none of the agent's lines (`holds_line` is
-- false), so that a test never keeps a caller out. Answers:
--   opened      the row is there
--   at_once     so many of the agent's tests are live already
--   in_a_day    so many were made since this time yesterday
--   no_agent    there is no such agent
create or replace function public.test_call_open(
    p_id uuid, p_agent uuid, p_call_sid text, p_caller text, p_instance uuid, p_nonce text,
    p_metadata jsonb, p_start timestamptz, p_at_once int, p_in_a_day int
)
returns text
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
declare
    live bigint;
    made bigint;
begin
    -- The agent's tests pass one at a time; 0 is the lock of its calls, 1 that of its bookings.
    perform pg_advisory_xact_lock(hashtextextended(p_agent::text, 2));
    if not exists (select from public.voice_agents a
        where a.id = p_agent and a.status <> 'deleted') then
        return 'no_agent';
    end if;
    select count(*) filter (where c.call_end is null), count(*) into live, made
    from public.call_logs c
    where c.voice_agent_id = p_agent and starts_with(c.call_sid, 'FT')
        and c.call_start > now() - interval '1 day';
    if live >= p_at_once then
        return 'at_once';
    end if;
    if made >= p_in_a_day then
        return 'in_a_day';
    end if;
    insert into public.call_logs (id, voice_agent_id, call_start, caller_number, status, metadata,
        call_sid, instance_id, stream_nonce, holds_line)
    values (p_id, p_agent, p_start, p_caller, 'in-progress', p_metadata, p_call_sid, p_instance,
        p_nonce, false);
    return 'opened';
end;
$$;

-- What was booked in a test goes in the transaction that completes it.
create or replace function public.test_call_undo()
returns trigger
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
begin
    delete from public.appointments a
    where a.voice_agent_id = new.voice_agent_id and starts_with(a.booking_key, new.id || ':');
    return null;
end;
$$;
create or replace trigger test_call_undo
    after update of call_end on public.call_logs
    for each row
    when (new.call_end is not null and starts_with(new.call_sid, 'FT'))
    execute function public.test_call_undo();

-- Nothing is booked by a test that is over: a function may end after its call, and what was agreed in a
-- conversation is found afterwards. The lock has a completion wait, which then undoes this too.
create or replace function public.test_call_books_nothing_later()
returns trigger
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
declare
    ended timestamptz;
begin
    select c.call_end into ended from public.call_logs c
    where c.id = split_part(new.booking_key, ':', 1)::uuid and starts_with(c.call_sid, 'FT')
    for share;
    if ended is not null then
        return null;
    end if;
    return new;
end;
$$;
create or replace trigger test_call_books_nothing_later
    before insert on public.appointments
    for each row
    when (new.booking_key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:')
    execute function public.test_call_books_nothing_later();

do $$
declare
    target regprocedure;
begin
    foreach target in array array[
        'public.test_call_open(uuid, uuid, text, text, uuid, text, jsonb, timestamptz, int, int)',
        'public.test_call_undo()',
        'public.test_call_books_nothing_later()'
    ]::regprocedure[] loop
        perform public.withhold_from_public_roles(target);
    end loop;
end $$;
