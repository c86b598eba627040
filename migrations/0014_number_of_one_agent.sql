-- A number belongs to one active agent: who writes a number that another active agent has is refused.
-- Where an adopted database has doubles already they stay as they are: the oldest active agent
-- answers, and the log and `doctor` name the others.
--
-- A lock and a look take the place of a unique index, which could not be made over those doubles. The
-- lock is on the number and lasts until the transaction ends, so of two who write one number at once
-- the second sees the first's row. Numbers are compared as 0002 normalises them.
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
            and a.status = 'active' and a.id <> new.id) then
        raise exception 'twilio_phone_number is already the number of another active agent'
            using errcode = 'unique_violation', table = 'voice_agents',
                column = 'twilio_phone_number',
                hint = 'take the number from the other agent first, or make that one inactive';
    end if;
    return new;
end;
$$;

-- After the other triggers of the row, which may still change it: they are carried out by their names.
create or replace trigger z_number_is_free
    before insert or update of twilio_phone_number, status on public.voice_agents
    for each row execute function public.number_is_free();

do $$ begin perform public.withhold_from_public_roles('public.number_is_free()'::regprocedure); end $$;
