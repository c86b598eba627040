-- A number that was read shares its last six digits with what was written. Where it does not,
-- somebody other than the program may have put it into the row, so the agent has it from now on and
-- holds nothing: an agent that had the number before keeps it. (A number that is written with other
-- digits than 0 to 9 is had from when it was read.)

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
-- A managed server's limit on statements is for queries, not for building an index.
set local statement_timeout = 0;

create or replace function public.number_differs()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.number_since := clock_timestamp();
    new.number_held := null;
    return new;
end;
$$;

-- After 0021's, which judges the row as it stands: triggers run in the order of their names.
create or replace trigger z_number_that_differs before update on public.voice_agents
    for each row when (new.number_e164 is distinct from old.number_e164
        and starts_with(new.number_e164, '+')
        and right(new.number_e164, 6) is distinct from
            right(regexp_replace(new.twilio_phone_number, '[^0-9]', '', 'g'), 6))
    execute function public.number_differs();

-- What is still to be read is read a hundred rows at a time, in the order of their ids. An index of
-- the agent alone has all its rows sorted for each hundred.
create index if not exists idx_appointments_phone_unread_in_order
    on public.appointments (voice_agent_id, id)
    where phone_e164 is null
        and phone_number !~ '^\+(?!(1|[2-9][0-9]{0,2})0)[1-9][0-9]{7,14}$';
create index if not exists idx_call_logs_caller_unread_in_order
    on public.call_logs (voice_agent_id, id)
    where caller_e164 is null
        and caller_number !~ '^\+(?!(1|[2-9][0-9]{0,2})0)[1-9][0-9]{7,14}$';
drop index if exists public.idx_appointments_phone_unread;
drop index if exists public.idx_call_logs_caller_unread;

do $$ begin perform public.withhold_from_public_roles('public.number_differs()'::regprocedure); end $$;
