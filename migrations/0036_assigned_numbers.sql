-- Who may have the calls of a number that is on the server's Twilio account. Whoever may change an agent
-- may write any number into its row, and the server's token signs for all numbers of its account: so one
-- customer could take the calls of another's number, or of the operator's. Now:
--   number_typed  the agent's number, where somebody typed it who does not look after the server
--                 (customer.isadmin); null where an administrator or the operator's SQL wrote it.
-- Such a number is the agent's only while the agent has a Twilio account of its own, whose token then
-- signs for it. Without, it is nobody's: the row's number_e164 is '' (0019), so that no call finds it, it
-- is in nobody's way, and an agent that has the number keeps it.
--
-- Nothing changes for numbers that are there already: nobody knows who wrote them.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';

alter table public.voice_agents add column if not exists number_typed text;

-- Whether a row's number is one that was typed, and no token of the agent's own signs for it.
create or replace function public.is_number_unassigned(number text, typed text, credentials jsonb)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(typed = number, false)
        and nullif(btrim(credentials ->> 'auth_token'), '') is null
$$;

-- Definer: who asks may not read who is an administrator.
create or replace function public.number_is_assigned()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    is_typed boolean := coalesce(new.number_typed = new.twilio_phone_number, false);
    is_new boolean := true;
    was_unassigned boolean := false;
begin
    if tg_op = 'UPDATE' then
        is_new := new.twilio_phone_number is distinct from old.twilio_phone_number;
        was_unassigned := public.is_number_unassigned(
            old.twilio_phone_number, old.number_typed, old.twilio_credentials);
    end if;
    -- Through Supabase's REST interface. The program says itself who it writes for.
    if is_new and frontdesk.me() is not null and not frontdesk.is_admin() then
        is_typed := true;
    end if;
    new.number_typed := case when is_typed then new.twilio_phone_number end;
    if public.is_number_unassigned(
        new.twilio_phone_number, new.number_typed, new.twilio_credentials) then
        new.number_e164 := '';
    elsif was_unassigned then
        -- It is read as if it were new.
        new.number_e164 := null;
    end if;
    return new;
end;
$$;

-- After number_changed and number_new, which have what was read forgotten, and before those that compare:
-- triggers run in the order of their names.
create or replace trigger number_of_account before insert or update on public.voice_agents
    for each row execute function public.number_is_assigned();

-- As in 0021, and a number that is not assigned is in nobody's way. Who types one that an agent has is
-- told so at once.
create or replace function public.number_is_free()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    number text := public.normalised_number(new.twilio_phone_number);
    is_unassigned boolean := public.is_number_unassigned(
        new.twilio_phone_number, new.number_typed, new.twilio_credentials);
begin
    if new.status <> 'active' or number is null or number in ('', '+') then
        return new;
    end if;
    -- A double that was there before may be written as long as it takes no number that it had not.
    if tg_op = 'UPDATE'
        and number is not distinct from public.normalised_number(old.twilio_phone_number)
        and (is_unassigned or old.status = 'active' and not public.is_number_unassigned(
            old.twilio_phone_number, old.number_typed, old.twilio_credentials)) then
        return new;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('frontdesk number ' || number, 0));
    if exists (select from public.voice_agents a
        where public.normalised_number(a.twilio_phone_number) = number
            and a.status = 'active' and a.id <> new.id
            and not public.is_number_unassigned(
                a.twilio_phone_number, a.number_typed, a.twilio_credentials))
        or exists (select from public.voice_agents a
        where coalesce(a.number_e164, a.twilio_phone_number) = number
            and a.status = 'active' and a.id <> new.id)
        or exists (select from public.voice_agents a
        where a.number_held = number and a.id <> new.id) then
        raise exception 'twilio_phone_number is already the number of another active agent'
            using errcode = 'unique_violation', table = 'voice_agents',
                column = 'twilio_phone_number',
                hint = 'take the number from the other agent first, or make that one inactive';
    end if;
    return new;
end;
$$;

create or replace trigger z_number_is_free
    before insert or update of twilio_phone_number, status, number_typed, twilio_credentials
    on public.voice_agents for each row execute function public.number_is_free();

do $$
declare
    target text;
begin
    foreach target in array array['public.is_number_unassigned(text, text, jsonb)',
        'public.number_is_assigned()', 'public.number_is_free()'] loop
        perform public.withhold_from_public_roles(target::regprocedure);
    end loop;
    -- The new column may be read like the number that it repeats.
    perform public.lay_policies();
end $$;
