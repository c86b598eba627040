-- At most one active agent holds a telephone number, whatever spelling each agent's row has. 0014
-- refuses a number that is clearly taken, but it compares spellings in SQL, and only the program can
-- read all of them (0019). So:
--   number_since  since when the agent has had its number and been active. Only the trigger below sets
--                 it, so nobody can backdate it, as created_at can be.
--   number_held   the number, E.164, that the agent holds. The program claims it when it looks the
--                 number up, for the active agent that has had it longest. The agent holds it until it
--                 is no longer active or has another number. The index makes it unique.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
-- A managed server's limit on statements is for queries, not for building an index.
set local statement_timeout = 0;

alter table public.voice_agents add column if not exists number_since timestamptz;
alter table public.voice_agents add column if not exists number_held text;

-- Of doubles in an adopted database the oldest has the number. A time to come is not believed.
update public.voice_agents set number_since = least(coalesce(created_at, now()), now())
where number_since is null;

create unique index if not exists idx_voice_agents_number_held on public.voice_agents (number_held)
    where number_held is not null;

-- Sets both columns, whatever the row's writer put there: a claim is only a wish. Definer: row level
-- security may hide the other agents from the writer.
create or replace function public.number_is_held()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    is_active boolean := coalesce(new.status::text, 'active') = 'active';
    is_plain boolean := coalesce(
        new.twilio_phone_number ~ '^\+(?!(1|[2-9][0-9]{0,2})0)[1-9][0-9]{7,14}$', false);
    -- As the program reads it: null while it is still to be read, '' where it is no number.
    number text := coalesce(new.number_e164,
        case when is_plain then new.twilio_phone_number when new.twilio_phone_number is null then '' end);
    wish text := new.number_held;
    is_respelt boolean;
    is_same boolean;
begin
    new.number_held := null;
    if tg_op = 'INSERT' then
        new.number_since := clock_timestamp();
        return new;
    end if;
    new.number_since := old.number_since;
    is_respelt := coalesce(public.normalised_number(new.twilio_phone_number)
        = public.normalised_number(old.twilio_phone_number), false);
    -- Only where SQL can tell: nothing in either spelling but digits and what stands between them.
    is_same := new.twilio_phone_number is not distinct from old.twilio_phone_number
        or is_respelt and new.twilio_phone_number ~ '^\+[-0-9 ().]+$'
            and old.twilio_phone_number ~ '^\+[-0-9 ().]+$';

    if old.number_held is not null and is_active then
        -- A holder may write its number in another way; what that means is seen when it is read.
        if number = old.number_held or number is null and (is_same or is_respelt) then
            new.number_held := old.number_held;
        else
            new.number_since := clock_timestamp();
        end if;
        return new;
    end if;

    -- Had from now on: another number, and the number of an agent that becomes active. Reading for the
    -- first time what was still to be read changes no number; any other change of what was read does.
    if not is_same
        or is_active and coalesce(old.status::text, 'active') <> 'active'
        or new.number_e164 is distinct from old.number_e164
            and (old.number_e164 is not null or is_plain)
            and new.twilio_phone_number is not distinct from old.twilio_phone_number then
        new.number_since := clock_timestamp();
    end if;
    if is_active and wish = number and starts_with(number, '+')
        and not exists (select from public.voice_agents a
            where a.number_held = number and a.id <> new.id)
        and not exists (select from public.voice_agents a
            where coalesce(a.number_e164, a.twilio_phone_number) = number
                and coalesce(a.status::text, 'active') = 'active' and a.id <> new.id
                and (a.number_since, a.id) < (new.number_since, new.id)) then
        new.number_held := number;
    end if;
    return new;
end;
$$;

-- After the row's other triggers, which may still change it: they run in the order of their names.
create or replace trigger z_number_is_held before insert or update on public.voice_agents
    for each row execute function public.number_is_held();

-- As in 0014, and a number is also refused that another active agent has as the program read it.
create or replace function public.number_is_free()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    number text := public.normalised_number(new.twilio_phone_number);
begin
    if new.status <> 'active' or number is null or number in ('', '+') then
        return new;
    end if;
    -- A double that was there before may be written as long as it takes no number that it had not.
    if tg_op = 'UPDATE' and old.status = 'active'
        and number is not distinct from public.normalised_number(old.twilio_phone_number) then
        return new;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('frontdesk number ' || number, 0));
    if exists (select from public.voice_agents a
        where public.normalised_number(a.twilio_phone_number) = number
            and a.status = 'active' and a.id <> new.id)
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

do $$ begin perform public.withhold_from_public_roles('public.number_is_held()'::regprocedure); end $$;
