-- What people do through Supabase's REST interface: less of it, within limits, and written down.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

-- As in 0027, without agents that are deleted: to their members they are gone.
create or replace function frontdesk.my_agents(at_least public.voice_agent_access_type)
returns uuid[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(id), '{}') from (
        select a.id from public.voice_agents a
        where a.created_by = (select frontdesk.me()) and at_least <= 'owner' and a.status <> 'deleted'
        union
        select x.voice_agent_id from public.voice_agents_access x
        join public.voice_agents a on a.id = x.voice_agent_id and a.status <> 'deleted'
        where x.user_id = (select frontdesk.me()) and x.status and x.access >= at_least
        union
        select a.id from public.voice_agents a
        where (select frontdesk.is_admin()) and a.status <> 'deleted'
    ) as mine
$$;

-- As in 0027, but that what a function sends, credentials and an agent's end go through the program.
create or replace function public.lay_policies()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    -- In front of each: who reads; who inserts; who updates; who deletes (support, maintainer, owner, or
    -- `-`: nobody); the column that names the agent; what may be inserted and updated (null: nothing).
    rule record;
    target regclass;
    entry text;
    mine text;
    columns text;
begin
    for target in select t.oid from public.own_tables() as t (oid)
        -- Agents' tables, each of which is a transaction of `frontdesk migrate`.
        where t.oid::text !~ '"zz_'
    loop
        perform public.guard_table(target);
    end loop;
    if not exists (select from pg_roles where rolname = 'authenticated') then
        return;
    end if;
    grant usage on schema frontdesk to authenticated;
    foreach entry in array array['me()', 'is_admin()', 'my_customers()',
        'my_agents(public.voice_agent_access_type)'] loop
        execute format('grant execute on function frontdesk.%s to authenticated', entry);
    end loop;

    for rule in
        select * from (values
            ('business_details', 'voice_agent_id', 'support', 'maintainer', 'maintainer', null,
                'id, voice_agent_id, business_name, business_phone, type_of_business, '
                'additional_context, business_summary, default_appointment_length, '
                'operating_schedule, business_timezone',
                'business_name, business_phone, type_of_business, additional_context, '
                'business_summary, default_appointment_length, operating_schedule, updated_at, '
                'business_timezone'),
            -- What a function sends, and where to, goes through the program: it keeps a secret with the
            -- address that it was given for, and masks keys that are written out.
            ('functions', 'assistant_id', 'owner', null, 'owner', 'owner', null,
                'is_active, name, purpose, trigger_reason, save_data, is_shownable'),
            ('appointments', 'voice_agent_id', 'support', 'maintainer', 'maintainer', 'maintainer',
                'id, voice_agent_id, name, phone_number, service, special_notes, schedule_time, '
                'status, duration_minutes',
                'name, phone_number, service, special_notes, schedule_time, status, '
                'duration_minutes'),
            ('sources', 'voice_agent_id', 'support', 'maintainer', 'maintainer', 'maintainer',
                'id, voice_agent_id, name, source_type, size, url, auto, auto_sync_interval',
                'name, source_type, size, url, auto, auto_sync_interval'),
            ('call_logs', 'voice_agent_id', 'support', null, null, null, null, null),
            ('scrapping_data', 'voice_agent_id', 'support', null, null, null, null, null),
            ('usage_days', 'voice_agent_id', 'support', null, null, null, null, null),
            ('call_tasks', 'voice_agent_id', 'support', null, null, null, null, null)
        ) as rules (name, agent, reads, inserts, updates, deletes, insertable, updatable)
        where to_regclass('public.' || name) is not null
    loop
        target := to_regclass('public.' || rule.name);
        mine := format('%I = any ((select frontdesk.my_agents(%%L))::uuid[])', rule.agent);
        execute format('grant select on %s to authenticated', target);
        perform public.lay_policy(target, 'select', format(mine, rule.reads), null);
        if rule.inserts is not null then
            execute format('grant insert (%s) on %s to authenticated', rule.insertable, target);
            perform public.lay_policy(target, 'insert', null, format(mine, rule.inserts));
        else
            execute format('drop policy if exists frontdesk_insert on %s', target);
        end if;
        if rule.updates is not null then
            execute format('grant update (%s) on %s to authenticated', rule.updatable, target);
            perform public.lay_policy(target, 'update', format(mine, rule.updates),
                format(mine, rule.updates));
        end if;
        if rule.deletes is not null then
            execute format('grant delete on %s to authenticated', target);
            perform public.lay_policy(target, 'delete', format(mine, rule.deletes), null);
        end if;
    end loop;

    -- Nobody reads credentials, settings or their secrets here, owners included: those go through the
    -- program, which masks and merges them. So whoever selects names the columns.
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
    from pg_attribute a
    where a.attrelid = 'public.voice_agents'::regclass and a.attnum > 0 and not a.attisdropped
        and a.attname not in ('twilio_credentials', 'private_settings');
    execute format('grant select (%s) on public.voice_agents to authenticated', columns);
    grant insert (id, name, created_by, summary, "takeOverTimeout", "unAvailable", private_settings,
        twilio_phone_number) on public.voice_agents to authenticated;
    grant update (name, summary, "takeOverTimeout", "unAvailable", twilio_phone_number)
        on public.voice_agents to authenticated;
    -- One who has just made an agent reads it back in the same statement, when it is in no list yet.
    perform public.lay_policy('public.voice_agents', 'select',
        'id = any ((select frontdesk.my_agents(''support''))::uuid[]) '
        'or created_by = (select frontdesk.me())', null);
    perform public.lay_policy('public.voice_agents', 'insert', null,
        'created_by = any ((select frontdesk.my_customers())::uuid[])');
    perform public.lay_policy('public.voice_agents', 'update',
        'id = any ((select frontdesk.my_agents(''maintainer''))::uuid[])',
        'id = any ((select frontdesk.my_agents(''maintainer''))::uuid[])');
    -- Deleting an agent ends its calls first, which the program does.
    drop policy if exists frontdesk_delete on public.voice_agents;

    -- People: owners write those of others, up to their own level, and nobody their own, but to leave.
    grant select, delete on public.voice_agents_access to authenticated;
    grant insert (voice_agent_id, user_id, access, status) on public.voice_agents_access to authenticated;
    grant update (access, status) on public.voice_agents_access to authenticated;
    execute format('grant usage on sequence %s to authenticated',
        pg_get_serial_sequence('public.voice_agents_access', 'id'));
    mine := 'voice_agent_id = any ((select frontdesk.my_agents(''owner''))::uuid[])';
    perform public.lay_policy('public.voice_agents_access', 'select',
        mine || ' or user_id = (select frontdesk.me())', null);
    mine := mine || ' and (access <= ''owner'' '
        'or voice_agent_id = any ((select frontdesk.my_agents(''admin''))::uuid[]))';
    perform public.lay_policy('public.voice_agents_access', 'delete',
        mine || ' or user_id = (select frontdesk.me())', null);
    mine := mine || ' and user_id <> (select frontdesk.me())';
    perform public.lay_policy('public.voice_agents_access', 'insert', null, mine);
    perform public.lay_policy('public.voice_agents_access', 'update', mine, mine);

    -- What a plan allows, who is an administrator and who pays is not theirs to write.
    grant select on public.customer to authenticated;
    grant update (username, phone, company, title) on public.customer to authenticated;
    mine := 'uuid = any ((select frontdesk.my_customers())::uuid[])';
    perform public.lay_policy('public.customer', 'select', mine, null);
    perform public.lay_policy('public.customer', 'update', mine, mine);
end;
$$;

-- Texts that are on every page, or in every row of a list, have the lengths that the program takes.
-- `limits` is `column:letters,…`.
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
        if length(to_jsonb(new) ->> split_part(entry, ':', 1)) > letters then
            raise exception '% is longer than % letters', split_part(entry, ':', 1), letters
                using errcode = 'string_data_right_truncation', table = tg_table_name,
                    column = split_part(entry, ':', 1);
        end if;
    end loop;
    return new;
end;
$$;

-- Who did what, as the program writes it down for what goes through it. Which columns were written, and
-- nothing of what was in them.
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
            when 'voice_agents_access' then
                (array['access.invite', 'access.change', 'access.remove'])[verb]
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

-- A calendar feed ends with the access of whoever made it: they know its address. The program does it
-- for what goes through it.
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
    return null;
end;
$$;

do $$
declare
    target text;
begin
    foreach target in array array['customer', 'voice_agents', 'voice_agents_access', 'business_details',
        'functions', 'appointments', 'sources'] loop
        execute format('create or replace trigger z_note_deed after insert or update or delete
            on public.%I for each row execute function public.note_deed()', target);
    end loop;
    foreach target in array array['public.bound_texts()', 'public.note_deed()',
        'public.end_feeds_with_access()', 'frontdesk.my_agents(public.voice_agent_access_type)'] loop
        perform public.withhold_from_public_roles(target::regprocedure);
    end loop;
    perform public.lay_policies();
end $$;

create or replace trigger z_end_feeds_with_access after update or delete on public.voice_agents_access
    for each row execute function public.end_feeds_with_access();

create or replace trigger a_bound_texts before insert or update on public.customer
    for each row execute function public.bound_texts('username:200,phone:100,company:200,title:200');
create or replace trigger a_bound_texts before insert or update on public.voice_agents
    for each row execute function public.bound_texts(
        'name:200,summary:20000,twilio_phone_number:100,private_settings:200000');
create or replace trigger a_bound_texts before insert or update on public.business_details
    for each row execute function public.bound_texts(
        'business_name:200,business_phone:100,type_of_business:200,additional_context:100000,'
        'business_summary:100000,operating_schedule:20000,business_timezone:100');
create or replace trigger a_bound_texts before insert or update on public.functions
    for each row execute function public.bound_texts('name:200,purpose:10000,trigger_reason:10000');
create or replace trigger a_bound_texts before insert or update on public.appointments
    for each row execute function public.bound_texts(
        'name:200,phone_number:100,service:500,special_notes:10000');
create or replace trigger a_bound_texts before insert or update on public.sources
    for each row execute function public.bound_texts('name:500,url:5000');
