-- 0046 read less of an address than the program does: a comment of a template, a space of another kind
-- before it, and JSON within JSON were passed over. What cannot be told is refused.
create or replace function public.keep_hosts()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if frontdesk.me() is null
        or new.name is not distinct from old.name
            and new.twilio_phone_number is not distinct from old.twilio_phone_number
        or new.id = any (frontdesk.my_agents('owner')) then
        return new;
    end if;
    if exists (
        select from public.functions f
        where f.assistant_id = new.id and case jsonb_typeof(f.data)
            -- Anything of a template before the path, wherever that begins.
            when 'object' then f.data ->> 'url' ~ '^([^/\\?#{]*//)?[^/\\?#{]*\{'
                and f.data ->> 'url' ~ 'agent'
            -- JSON in a string: what it says may be written in many ways.
            when 'string' then true
            else false
        end
    ) then
        raise exception 'a function''s address is made of this: only an owner changes it'
            using errcode = 'insufficient_privilege', table = tg_table_name;
    end if;
    return new;
end;
$$;

do $$
begin
    perform public.withhold_from_public_roles('public.keep_hosts()'::regprocedure);
end $$;
