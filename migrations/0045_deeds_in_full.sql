-- What people do through Supabase's REST interface. A row with a text that is too long can be changed in
-- its other columns; whoever leaves a business is said to have left; and a calendar feed that ends with an
-- access is written down. The triggers that call these functions stay as they are.

create or replace function public.bound_texts()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    entry text;
    letters int;
begin
    if frontdesk.me() is null then
        return new;
    end if;
    foreach entry in array string_to_array(tg_argv[0], ',') loop
        letters := split_part(entry, ':', 2)::int;
        -- A longer one that was there before stays as it is, and keeps nobody from changing the rest.
        continue when tg_op = 'UPDATE' and to_jsonb(new) -> split_part(entry, ':', 1)
            is not distinct from to_jsonb(old) -> split_part(entry, ':', 1);
        if length(to_jsonb(new) ->> split_part(entry, ':', 1)) > letters then
            raise exception '% is longer than % letters', split_part(entry, ':', 1), letters
                using errcode = 'string_data_right_truncation', table = tg_table_name,
                    column = split_part(entry, ':', 1);
        end if;
    end loop;
    return new;
end;
$$;

create or replace function public.note_deed()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    person uuid := frontdesk.me();
    -- The row as it is, or was.
    written jsonb;
    verb int := case tg_op when 'INSERT' then 1 when 'UPDATE' then 2 else 3 end;
    agent uuid;
    columns text;
begin
    -- `pg_trigger_depth`: what a statement of theirs set off is no deed of theirs.
    if person is null or pg_trigger_depth() > 1 then
        return null;
    end if;
    if tg_op = 'DELETE' then
        written := to_jsonb(old);
    else
        written := to_jsonb(new);
    end if;
    if tg_op = 'UPDATE' then
        select string_agg(n.key, ', ' order by n.key) into columns
        from jsonb_each(to_jsonb(new)) as n join jsonb_each(to_jsonb(old)) as o using (key)
        where n.value is distinct from o.value
            -- What triggers keep beside it.
            and n.key not in ('updated_at', 'last_modified', 'revision') and n.key !~ '^number_';
        if columns is null then
            return null;
        end if;
    end if;
    agent := case tg_table_name when 'voice_agents' then written ->> 'id'
        when 'functions' then written ->> 'assistant_id' else written ->> 'voice_agent_id' end;
    insert into public.audit_log (actor, actor_kind, voice_agent_id, action, object, change)
    values (person, 'supabase', agent,
        case tg_table_name
            when 'voice_agents' then (array['agent.make', 'agent.change', 'agent.delete'])[verb]
            when 'functions' then (array['function.make', 'function.change', 'function.delete'])[verb]
            when 'appointments' then (array['booking.make', 'booking.change', 'booking.cancel'])[verb]
            -- Whoever takes their own access away has left.
            when 'voice_agents_access' then case
                when tg_op = 'DELETE' and written ->> 'user_id' = person::text then 'access.leave'
                else (array['access.invite', 'access.change', 'access.remove'])[verb] end
            when 'customer' then 'account.change'
            else 'agent.change' end,
        case tg_table_name
            when 'voice_agents' then 'agent ' || (written ->> 'id')
            when 'functions' then 'function ' || (written ->> 'id')
            when 'appointments' then 'appointment ' || (written ->> 'id')
            -- Who has not answered an invitation is not named.
            when 'voice_agents_access' then case when written ->> 'invited_at' is null
                then 'person ' || (written ->> 'user_id') else 'access ' || (written ->> 'id') end
            when 'customer' then 'person ' || (written ->> 'uuid')
            else 'agent ' || (written ->> 'voice_agent_id') end,
        case when columns is not null then jsonb_build_object('written', columns) end);
    return null;
end;
$$;

create or replace function public.end_feeds_with_access()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if frontdesk.me() is null
        or tg_op = 'UPDATE' and new.status and new.access >= 'maintainer' then
        return null;
    end if;
    update public.calendar_feeds f set revoked_at = now()
    from public.voice_agents a, public.customer c
    where f.voice_agent_id = old.voice_agent_id and f.created_by = old.user_id and f.revoked_at is null
        and a.id = f.voice_agent_id and a.created_by <> old.user_id
        and c.uuid = old.user_id and not coalesce(c.isadmin, false);
    if found then
        insert into public.audit_log (actor, actor_kind, voice_agent_id, action)
        values (frontdesk.me(), 'supabase', old.voice_agent_id, 'feed.revoke');
    end if;
    return null;
end;
$$;
