-- The seed's functions and triggers, with their faults mended, and the index that finds an agent
-- by its number.

-- A function is everybody's to call when it is created: by PostgreSQL's default, and on Supabase by
-- default privileges for anon and authenticated as well, whom a revoke from public does not touch.
-- What must not be called from outside goes through here. service_role is Supabase's trusted
-- backend and keeps what it had.
create or replace function public.withhold_from_public_roles(target regprocedure)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    role_name name;
begin
    execute format('revoke execute on function %s from public', target);
    for role_name in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke execute on function %s from %I', target, role_name);
    end loop;
    if exists (select from pg_roles where rolname = 'service_role') then
        execute format('grant execute on function %s to service_role', target);
    end if;
end;
$$;

-- Tells every listener of realtime_changes what changed: {operation, table, data}.
-- Two columns never leave: any role that can connect can listen. pg_notify raises from 8000 bytes
-- on and takes the caller's insert or update with it, so a row that is too large is sent as its
-- ids, and the listener reads it. A function row names its agent as assistant_id; the short form
-- says voice_agent_id for every table.
create or replace function public.notify_realtime_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    changed jsonb;
    payload text;
begin
    if tg_op = 'DELETE' then
        changed := to_jsonb(old);
    else
        changed := to_jsonb(new);
    end if;
    changed := changed - 'twilio_credentials' - 'private_settings';
    payload := json_build_object('operation', tg_op, 'table', tg_table_name, 'data', changed)::text;
    if octet_length(payload) > 7999 then
        payload := json_build_object(
            'operation', tg_op,
            'table', tg_table_name,
            'data', jsonb_strip_nulls(jsonb_build_object(
                'id', changed -> 'id',
                'voice_agent_id', coalesce(changed -> 'voice_agent_id', changed -> 'assistant_id')
            )),
            'truncated', true
        )::text;
    end if;
    perform pg_notify('realtime_changes', payload);
    return null;
end;
$$;

create or replace trigger realtime_voice_agents_trigger
    after insert or update or delete on public.voice_agents
    for each row execute function public.notify_realtime_change();

create or replace trigger realtime_business_details_trigger
    after insert or update or delete on public.business_details
    for each row execute function public.notify_realtime_change();

-- Own: a changed function changes what the agent can do as much as a changed agent does.
create or replace trigger realtime_functions_trigger
    after insert or update or delete on public.functions
    for each row execute function public.notify_realtime_change();

create or replace function public.update_last_modified()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.last_modified := now();
    return new;
end;
$$;

create or replace trigger files_update_last_modified
    before update on public.sources
    for each row execute function public.update_last_modified();

create or replace function public.update_appointment_timestamp()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.updated_at := now();
    return new;
end;
$$;

create or replace trigger update_appointment_updated_at
    before update on public.appointments
    for each row execute function public.update_appointment_timestamp();

-- An embeddings table with its index and its <table>_search, made or brought up to date: it may be
-- called again on a table of the seed's, and replaces what is old in it without touching a row.
--
-- Index: hnsw. The seed's ivfflat is built on an empty table, so its centroids mean nothing
-- (recall@5 measured at 0.046). It is moved out of the way, the new one is built while searches go
-- on, and only then is it dropped: an ivfflat left beside it would be the planner's cheaper choice.
--
-- Search: without a match_count it returns every passage, and an hnsw scan ends after ef_search
-- rows, so that case reads the table (the + 0 keeps the index out of it). With one, ef_search = 200
-- finds 0.98 of what an exact search finds where the default 40 finds 0.95, and the iterative scan
-- goes on past 200 where a filter or a large match_count asks for more. A passage without metadata
-- matches the empty filter.
create or replace function public.create_embeddings_table(table_id text)
returns void
language plpgsql
security definer
as $create$
declare
    search_name text := table_id || '_search';
    index_name text := table_id || '_embedding_idx';
    vector_schema name;
    old_index name;
begin
    select n.nspname into strict vector_schema
    from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace
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
        create or replace function public.%1$I (
            query_embedding %3$I.vector(1536),
            match_count int default null,
            filter jsonb default ''{}''
        )
        returns table (id bigint, content text, metadata jsonb, similarity float)
        language plpgsql
        security definer
        set search_path = %4$s
        set hnsw.ef_search = 200
        set hnsw.iterative_scan = strict_order
        as $search$
        begin
            if match_count is null then
                return query
                select p.id, p.content, p.metadata, 1 - (p.embedding <=> query_embedding)
                from public.%2$I p
                where coalesce(p.metadata, ''{}'') @> filter
                order by (p.embedding <=> query_embedding) + 0;
            else
                return query
                select p.id, p.content, p.metadata, 1 - (p.embedding <=> query_embedding)
                from public.%2$I p
                where coalesce(p.metadata, ''{}'') @> filter
                order by p.embedding <=> query_embedding
                limit match_count;
            end if;
        end;
        $search$',
        search_name, table_id, vector_schema,
        case vector_schema when 'public' then 'public, pg_temp'
            else format('%I, public, pg_temp', vector_schema) end);
    perform public.withhold_from_public_roles(format(
        'public.%I(%I.vector, int, jsonb)', search_name, vector_schema)::regprocedure);

    if exists (
        select from pg_catalog.pg_class c join pg_catalog.pg_am m on m.oid = c.relam
        where c.oid = to_regclass(format('public.%I', index_name)) and m.amname = 'ivfflat'
    ) then
        execute format('alter index public.%I rename to %I', index_name, table_id || '_old_idx');
    end if;
    execute format(
        'create index if not exists %I on public.%I using hnsw (embedding %I.vector_cosine_ops)',
        index_name, table_id, vector_schema);
    for old_index in
        select c.relname
        from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        join pg_catalog.pg_am m on m.oid = c.relam
        where i.indrelid = to_regclass(format('public.%I', table_id)) and m.amname = 'ivfflat'
    loop
        execute format('drop index public.%I', old_index);
    end loop;
end;
$create$;

create or replace function public.drop_embeddings_table(table_id text)
returns void
language plpgsql
security definer
as $$
begin
    execute format('drop table if exists public.%I', table_id);
    execute format('drop function if exists public.%I', table_id || '_search');
end;
$$;

create or replace function public.create_voice_agent_tables()
returns trigger
language plpgsql
security definer
as $$
begin
    perform public.create_embeddings_table('zz_' || new.id);
    return new;
end;
$$;

create or replace trigger voice_agent_table_create
    after insert on public.voice_agents
    for each row execute function public.create_voice_agent_tables();

-- Own: what an agent leaves behind goes with it. The seed ties functions to their agent by nothing;
-- a foreign key would refuse an adopted database whose rows already have no agent, or an owner's
-- program that writes the rows first, so it is done here.
create or replace function public.drop_voice_agent_tables()
returns trigger
language plpgsql
security definer
as $$
begin
    perform public.drop_embeddings_table('zz_' || old.id);
    delete from public.functions where assistant_id = old.id;
    return old;
end;
$$;

create or replace trigger voice_agent_table_drop
    after delete on public.voice_agents
    for each row execute function public.drop_voice_agent_tables();

-- A definer function runs with its owner's rights, so what its names mean is fixed, and nobody from
-- outside may call it. The path names the schema that the extension is really in (an empty path
-- breaks <=>), and pg_temp last, or a caller's temporary objects would come first. The search
-- functions of agents that were deleted before there was a trigger are withheld too.
do $$
declare
    vector_schema name;
    target regprocedure;
begin
    select n.nspname into strict vector_schema
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'vector';
    for target in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.prosecdef
            and (p.proname in ('create_embeddings_table', 'drop_embeddings_table',
                    'create_voice_agent_tables', 'drop_voice_agent_tables')
                or p.proname like 'zz\_%\_search')
    loop
        execute format('alter function %s set search_path = %s', target,
            case vector_schema when 'public' then 'public, pg_temp'
                else format('%I, public, pg_temp', vector_schema) end);
        perform public.withhold_from_public_roles(target);
    end loop;
end $$;

-- A number as it is compared: its digits, and the plus if it starts with one. Numbers are stored as
-- their owners wrote them ('+1 989 564 4594'); the index finds them by what is dialled. Anybody may
-- call it: whoever writes an agent must, for the index.
create or replace function public.normalised_number(number text)
returns text
language sql
immutable strict parallel safe
as $$
    select case when ltrim(number) like '+%' then '+' else '' end
        || regexp_replace(number, '[^0-9]', '', 'g')
$$;

create index if not exists idx_voice_agents_normalised_number
    on public.voice_agents (public.normalised_number(twilio_phone_number));
