-- Whoever types a number is told the same, whether an agent of somebody else's has it or nobody: that it is
-- theirs when whoever runs the server has connected it, or with a Twilio account of their own.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';

-- As in 0036, but for numbers that are not assigned: these are looked at when they are.
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
    -- Refused only where an agent has it, it would tell who types numbers which of them have one.
    if is_unassigned then
        return new;
    end if;
    -- A double that was there before may be written as long as it takes no number that it had not.
    if tg_op = 'UPDATE'
        and number is not distinct from public.normalised_number(old.twilio_phone_number)
        and old.status = 'active' and not public.is_number_unassigned(
            old.twilio_phone_number, old.number_typed, old.twilio_credentials) then
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
        raise exception 'this number cannot be used here'
            using errcode = 'unique_violation', table = 'voice_agents',
                column = 'twilio_phone_number',
                hint = 'if one of your own agents has it, take it from that one first; else ask '
                    'whoever runs this server';
    end if;
    return new;
end;
$$;
