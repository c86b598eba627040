-- A function's address may be made of what the agent is called. Whoever changes that through Supabase's REST
-- interface and is no owner would send what the function sends, secrets too, to a host of their choice: the
-- program refuses it, and so does this.
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
        where f.assistant_id = new.id
            -- A template in the scheme or the host.
            and f.data ->> 'url' ~ '^\s*([A-Za-z][A-Za-z0-9+.-]*:)?(//[^/?#]*)?\{[\{%]'
            and f.data ->> 'url' ~ 'agent'
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

create or replace trigger a_keep_hosts before update of name, twilio_phone_number on public.voice_agents
    for each row execute function public.keep_hosts();
