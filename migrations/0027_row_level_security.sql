-- Who reads and writes through Supabase's REST interface sees what is theirs and nothing else, and what
-- a customer's plan allows holds whoever writes.
--
-- Row level security guards those who come as `authenticated`; `anon` gets nothing. The server owns the
-- tables and is not subject to it (it is never forced): its own guard is in the program.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

-- The tables that are ours: others in `public` are left alone.
create or replace function public.own_tables()
returns setof regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select c.oid::regclass from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and pg_has_role(c.relowner, 'USAGE')
        and (c.relname in ('_sqlx_migrations', 'agent_versions', 'aftercall_jobs', 'api_tokens',
                'appointments', 'audit_log', 'business_details', 'calendar_feeds', 'call_backfills', 'call_commands',
                'call_events', 'call_logs', 'call_tasks', 'call_words', 'customer',
                'frontdesk_instances', 'frontdesk_leases', 'frontdesk_sessions', 'functions',
                'installation_keys', 'left_recordings', 'number_wirings', 'scrapping_data',
                'sign_in_links', 'sources', 'usage_calls', 'usage_days', 'usage_deltas',
                'voice_agents', 'voice_agents_access', 'webhook_deliveries')
            or c.relname ~ '^zz_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
$$;

-- Lets roles that were granted the table by name see its rows: a server that runs as another role than
-- the owner, say. Not the public ones, nor a role that a policy names already.
create or replace function public.keep_granted(target regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    granted record;
begin
    for granted in
        select distinct r.oid, r.rolname, left('kept for ' || r.rolname, 63) as policy
        from pg_class c cross join aclexplode(c.relacl) as a join pg_roles r on r.oid = a.grantee
        where c.oid = target and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
            and a.grantee <> c.relowner and not r.rolsuper and not r.rolbypassrls
            and not exists (select from pg_roles m
                where m.rolname in ('anon', 'authenticated') and pg_has_role(m.oid, r.oid, 'MEMBER'))
            and not exists (select from pg_policy p
                where p.polrelid = target and r.oid = any (p.polroles))
    loop
        execute format('create policy %I on %s to %I using (true) with check (true)',
            granted.policy, target, granted.rolname);
    end loop;
end;
$$;

-- Shuts a table to everybody but its owner, superusers, and roles that were granted it by name. What
-- `authenticated` may do is granted afterwards.
create or replace function public.guard_table(target regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    role_name name;
begin
    if not (select c.relrowsecurity from pg_class c where c.oid = target) then
        execute format('alter table %s enable row level security', target);
    end if;
    execute format('revoke all on %s from public', target);
    for role_name in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on %s from %I', target, role_name);
    end loop;
    perform public.keep_granted(target);
end;
$$;

-- As in 0016, and the table is guarded.
create or replace function public.create_embeddings_table(table_id text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $create$
declare
    search_name text := table_id || '_search';
    index_name text := table_id || '_embedding_idx';
    vector_schema name;
    old_index name;
begin
    if table_id is null or table_id !~ '^zz_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
        raise exception 'an embeddings table is named zz_ and the id of its agent'
            using errcode = 'invalid_parameter_value';
    end if;
    if exists (
        select from pg_class c join pg_roles r on r.oid = c.relowner
        where c.relnamespace = 'public'::regnamespace and c.relname = table_id
            and (c.relkind <> 'r' or not (r.rolsuper or r.rolname = current_user))
    ) or exists (
        select from pg_proc p join pg_roles r on r.oid = p.proowner
        where p.pronamespace = 'public'::regnamespace and p.proname = search_name
            and not (r.rolsuper or r.rolname = current_user)
    ) then
        raise exception 'public."%" or its search function belongs to another role than %',
            table_id, current_user using errcode = 'insufficient_privilege';
    end if;
    select n.nspname into strict vector_schema
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'vector';
    -- Loads the extension's library: until then its hnsw settings are unknown names, which only a
    -- superuser may write into a function.
    execute format('select ''[0]''::%I.vector', vector_schema);

    if to_regclass(format('public.%I', table_id)) is null then
        execute format('
            create table public.%I (
                id bigserial primary key,
                content text,
                metadata jsonb,
                embedding %I.vector(1536),
                created_at timestamptz default now()
            )', table_id, vector_schema);
    end if;

    execute format('
        create or replace function public.%I (
            query_embedding %I.vector(1536),
            match_count int default null,
            filter jsonb default ''{}''
        )
        returns table (id bigint, content text, metadata jsonb, similarity float)
        language plpgsql
        security definer
        set search_path = pg_catalog, pg_temp
        set hnsw.ef_search = 200
        set hnsw.iterative_scan = strict_order
        set plan_cache_mode = force_custom_plan
        as %L',
        search_name, vector_schema, format('
        begin
            if match_count is null then
                return query
                select p.id, p.content, p.metadata,
                    1 - (p.embedding operator(%2$I.<=>) query_embedding)
                from public.%1$I p
                where p.embedding is not null
                    and (filter = ''{}'' or coalesce(p.metadata, ''{}'') @> filter)
                order by (p.embedding operator(%2$I.<=>) query_embedding) + 0;
            else
                return query
                select p.id, p.content, p.metadata,
                    1 - (p.embedding operator(%2$I.<=>) query_embedding)
                from public.%1$I p
                where p.embedding is not null
                    and (filter = ''{}'' or coalesce(p.metadata, ''{}'') @> filter)
                order by p.embedding operator(%2$I.<=>) query_embedding
                limit match_count;
            end if;
        end;', table_id, vector_schema));
    perform public.withhold_from_public_roles(format(
        'public.%I(%I.vector, int, jsonb)', search_name, vector_schema)::regprocedure);

    if exists (
        select from pg_class c join pg_am m on m.oid = c.relam
        where c.oid = to_regclass(format('public.%I', index_name)) and m.amname = 'ivfflat'
    ) then
        execute format('alter index public.%I rename to %I', index_name, table_id || '_old_idx');
    end if;
    execute format(
        'create index if not exists %I on public.%I using hnsw (embedding %I.vector_cosine_ops)',
        index_name, table_id, vector_schema);
    for old_index in
        select c.relname
        from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_am m on m.oid = c.relam
        where i.indrelid = to_regclass(format('public.%I', table_id)) and m.amname = 'ivfflat'
    loop
        execute format('drop index public.%I', old_index);
    end loop;
    -- Last: whoever searches waits for it, and not for the building of an index.
    perform public.guard_table(format('public.%I', table_id)::regclass);
end;
$create$;

do $$
declare
    target text;
begin
    foreach target in array array['own_tables()', 'keep_granted(regclass)', 'guard_table(regclass)'] loop
        perform public.withhold_from_public_roles(('public.' || target)::regprocedure);
    end loop;
end $$;

-- Helpers of the policies, in a schema that the REST interface does not show. They are definer
-- functions, so that reading who has access needs no access; where the one who asks is an
-- administrator they say so themselves, because a policy of its own for that would be OR-ed to the
-- others and keep their index from being used.
create schema if not exists frontdesk;
revoke all on schema frontdesk from public;

-- Who asks: the subject of the token, as Supabase's auth.uid() reads it. Read here, because that
-- function belongs to another role, whose code would run with our rights.
create or replace function frontdesk.me()
returns uuid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
$$;

create or replace function frontdesk.is_admin()
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    select exists (select from public.customer c where c.uuid = (select frontdesk.me()) and c.isadmin)
$$;

-- The agents at which I am at least this. Whoever made an agent is its owner.
create or replace function frontdesk.my_agents(at_least public.voice_agent_access_type)
returns uuid[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(id), '{}') from (
        select a.id from public.voice_agents a
        where a.created_by = (select frontdesk.me()) and at_least <= 'owner'
        union
        select x.voice_agent_id from public.voice_agents_access x
        where x.user_id = (select frontdesk.me()) and x.status and x.access >= at_least
        union
        select a.id from public.voice_agents a where (select frontdesk.is_admin())
    ) as mine
$$;

-- The customers that I am: myself, and as an administrator all.
create or replace function frontdesk.my_customers()
returns uuid[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(uuid), '{}') from (
        select c.uuid from public.customer c where c.uuid = (select frontdesk.me())
        union
        select c.uuid from public.customer c where (select frontdesk.is_admin())
    ) as mine
$$;

-- Guards every table of ours, and lays the policies and grants of `authenticated`, where there is that
-- role. `frontdesk migrate` runs it again where the role came later. Policies that an owner laid
-- besides stay, and add to these. Tables without a policy are the server's alone.
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
            ('functions', 'assistant_id', 'maintainer', 'maintainer', 'maintainer', 'maintainer',
                'id, type, data, assistant_id, is_active, name, purpose, trigger_reason, variables, '
                'save_data, is_shownable, created_by',
                'type, data, is_active, name, purpose, trigger_reason, variables, save_data, '
                'is_shownable'),
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
            perform public.lay_policy(target, 'insert', null, format(mine, rule.inserts)
                || case rule.name when 'functions' then
                    ' and (created_by is null or created_by = (select frontdesk.me()))' else '' end);
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
        twilio_phone_number, twilio_credentials) on public.voice_agents to authenticated;
    grant update (name, summary, "takeOverTimeout", "unAvailable", twilio_phone_number)
        on public.voice_agents to authenticated;
    grant delete on public.voice_agents to authenticated;
    -- One who has just made an agent reads it back in the same statement, when it is in no list yet.
    perform public.lay_policy('public.voice_agents', 'select',
        'id = any ((select frontdesk.my_agents(''support''))::uuid[]) '
        'or created_by = (select frontdesk.me())', null);
    perform public.lay_policy('public.voice_agents', 'insert', null,
        'created_by = any ((select frontdesk.my_customers())::uuid[])');
    perform public.lay_policy('public.voice_agents', 'update',
        'id = any ((select frontdesk.my_agents(''maintainer''))::uuid[])',
        'id = any ((select frontdesk.my_agents(''maintainer''))::uuid[])');
    perform public.lay_policy('public.voice_agents', 'delete',
        'id = any ((select frontdesk.my_agents(''owner''))::uuid[])', null);

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

-- A policy of ours for a command, in place of the one that was there.
create or replace function public.lay_policy(
    target regclass, command text, seen_if text, written_if text
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('drop policy if exists %I on %s', 'frontdesk_' || command, target);
    execute format('create policy %I on %s for %s to authenticated %s %s', 'frontdesk_' || command,
        target, command, 'using (' || seen_if || ')', 'with check (' || written_if || ')');
end;
$$;

-- What a plan allows. Where there is neither a plan nor a number above zero there is no limit: whoever
-- runs it for themselves has none. Of two who add at once the second waits for the customer's row and
-- counts the first's. PT409: the REST interface answers 409 for it, and so does ours.
create or replace function public.plan_allows()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    owner uuid;
    plan record;
    allowed int;
    taken bigint;
    what text := case tg_table_name when 'sources' then 'source_links_allowed' else 'voiceagents_allowed' end;
begin
    if tg_table_name = 'sources' then
        -- The agent before its customer, in the order in which whoever deletes an agent locks them.
        select a.created_by into owner from public.voice_agents a
        where a.id = new.voice_agent_id for key share;
    elsif new.status = 'deleted'
        or tg_op = 'UPDATE' and old.status <> 'deleted' and old.created_by = new.created_by then
        return new;
    else
        owner := new.created_by;
    end if;
    select c.plan_mode, c.voiceagents_allowed, c.source_links_allowed into plan
    from public.customer c where c.uuid = owner for no key update;
    if not found then
        return new; -- which the foreign key refuses
    end if;
    allowed := coalesce(case tg_table_name when 'sources' then plan.source_links_allowed
        else plan.voiceagents_allowed end, 0);
    if coalesce(plan.plan_mode, '') = '' and allowed <= 0 then
        return new;
    end if;
    if tg_table_name = 'sources' then
        select count(*) into taken from public.sources s
        join public.voice_agents a on a.id = s.voice_agent_id where a.created_by = owner;
    else
        select count(*) into taken from public.voice_agents a
        where a.created_by = owner and a.status <> 'deleted' and a.id <> new.id;
    end if;
    if taken < allowed then
        return new;
    end if;
    raise exception 'the plan allows % %', allowed,
        case tg_table_name when 'sources' then 'sources' else 'agents' end
        using errcode = 'PT409', constraint = what, table = tg_table_name,
            hint = case tg_table_name when 'sources' then 'remove a source or choose a larger plan'
                else 'delete an agent or choose a larger plan' end;
end;
$$;

-- After the row's other triggers, which may still change it: they run in the order of their names.
create or replace trigger z_plan_allows before insert or update of created_by, status
    on public.voice_agents for each row execute function public.plan_allows();
create or replace trigger z_plan_allows before insert on public.sources
    for each row execute function public.plan_allows();

-- How many agents each customer has, kept in total_voiceagents.
create or replace function public.plan_total()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    owners uuid[] := array[case when tg_op <> 'DELETE' then new.created_by end,
        case when tg_op <> 'INSERT' then old.created_by end];
begin
    -- Locked first and counted then: so that what others have just done is counted.
    perform from public.customer c where c.uuid = any (owners) order by c.uuid for no key update;
    update public.customer c set total_voiceagents = n.total
    from (select o.uuid, (select count(*) from public.voice_agents a
            where a.created_by = o.uuid and a.status <> 'deleted') as total
        from unnest(owners) as o (uuid)) as n
    where c.uuid = n.uuid and c.total_voiceagents is distinct from n.total;
    return null;
end;
$$;

create or replace trigger plan_total_new after insert or delete on public.voice_agents
    for each row execute function public.plan_total();
create or replace trigger plan_total_changed after update of created_by, status on public.voice_agents
    for each row when (old.created_by is distinct from new.created_by
        or old.status is distinct from new.status)
    execute function public.plan_total();

update public.customer c set total_voiceagents = n.total
from (select o.uuid, (select count(*) from public.voice_agents a
        where a.created_by = o.uuid and a.status <> 'deleted') as total
    from public.customer o) as n
where c.uuid = n.uuid and c.total_voiceagents is distinct from n.total;

-- An agent always has an owner: one with that access, or who made it. Whoever made it and is its last
-- owner by name stays that, too.
create or replace function public.last_owner_stays()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    creator uuid;
begin
    if old.access < 'owner' or old.status is not true then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    if tg_op = 'UPDATE' then
        if new.access >= 'owner' and new.status and new.user_id = old.user_id
            and new.voice_agent_id = old.voice_agent_id then
            return new;
        end if;
    end if;
    -- Of two who go at once the second sees that the first is gone. Calls do not wait for this lock.
    select a.created_by into creator from public.voice_agents a
    where a.id = old.voice_agent_id for no key update;
    -- With the agent, or with the person, everything goes.
    if creator is null or not exists (select from public.customer c where c.uuid = old.user_id)
        or creator <> old.user_id
        or exists (select from public.voice_agents_access x
            where x.voice_agent_id = old.voice_agent_id and x.id <> old.id
                and x.access >= 'owner' and x.status) then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    raise exception 'the last owner of an agent cannot be removed'
        using errcode = 'PT409', constraint = 'last_owner', table = 'voice_agents_access',
            hint = 'make somebody else an owner first';
end;
$$;

create or replace trigger last_owner_stays before update or delete on public.voice_agents_access
    for each row execute function public.last_owner_stays();

do $$
declare
    target text;
begin
    foreach target in array array['public.lay_policies()', 'public.lay_policy(regclass, text, text, text)',
        'public.plan_allows()', 'public.plan_total()', 'public.last_owner_stays()', 'frontdesk.me()',
        'frontdesk.is_admin()', 'frontdesk.my_customers()',
        'frontdesk.my_agents(public.voice_agent_access_type)'] loop
        perform public.withhold_from_public_roles(target::regprocedure);
    end loop;
    perform public.lay_policies();
end $$;
