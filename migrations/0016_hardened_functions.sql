-- Functions that run with their owner's rights, held against roles that may create objects in public.
--
-- PostgreSQL prefers a function or an operator whose argument types match exactly over one of its own
-- that needs a cast, in whichever schema of the search path it is. With public on the path of a
-- definer function, `public.format(text, name)` or an operator `public.- (int, float8)` of another
-- role runs with the rights of the function's owner. So public is not on the path of a definer
-- function: the path is pg_catalog, where only a superuser can create, and then pg_temp, where
-- PostgreSQL looks for no function and no operator. Everything of ours is named with its schema, and
-- pgvector's operator with the schema that the extension is in.

-- As in 0002, with two more columns left out: what a function row does (`data`, which may hold
-- addresses and keys) and what it asks callers for (`variables`) are nobody's business who may only
-- connect. A listener that needs them reads the row.
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
    if tg_table_name = 'functions' then
        changed := changed - 'data' - 'variables';
    end if;
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

-- As in 0002, and:
-- - only `zz_` with a uuid behind it is a table of ours. Any other name is refused: nobody else's
--   tables are touched, and no name can be SQL;
-- - the body of the search function is a quoted literal, whatever is in it;
-- - a relation or a search function of that name which another role owns is refused. Its owner could
--   put a view or other code in its place, which the search function would run.
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
end;
$create$;

-- By the exact arguments: a second function of the same name, of whoever, does not keep an agent from
-- being deleted. The same for what is no table.
create or replace function public.drop_embeddings_table(table_id text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    vector_schema name;
begin
    if table_id is null or table_id !~ '^zz_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
        raise exception 'an embeddings table is named zz_ and the id of its agent'
            using errcode = 'invalid_parameter_value';
    end if;
    select n.nspname into strict vector_schema
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'vector';
    if exists (
        select from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relname = table_id and c.relkind = 'r'
    ) then
        execute format('drop table public.%I', table_id);
    end if;
    execute format('drop function if exists public.%I(%I.vector, int, jsonb)',
        table_id || '_search', vector_schema);
end;
$$;

create or replace function public.create_voice_agent_tables()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform public.create_embeddings_table('zz_' || new.id::text);
    return new;
end;
$$;

create or replace function public.drop_voice_agent_tables()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform public.drop_embeddings_table('zz_' || old.id::text);
    delete from public.functions where assistant_id = old.id;
    return old;
end;
$$;

create or replace function public.recording_is_left()
returns trigger
language plpgsql
-- Whoever may delete a call has no rights here.
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into public.left_recordings (path)
    select distinct recording->>'path'
    from (
        select old.metadata->'recording' as recording
        union all
        select jsonb_path_query(old.metadata, '$.recording.parts[*]')
    ) r
    where starts_with(recording->>'path', old.voice_agent_id::text || '/')
        and length(recording->>'path') < 500
    on conflict do nothing;
    return null;
end;
$$;

-- The search functions of agents that were deleted with their tables, before there was a trigger:
-- what they search is gone. Those whose table is there are made anew by `frontdesk migrate`.
do $$
declare
    target regprocedure;
begin
    for target in
        select p.oid::regprocedure
        from pg_proc p join pg_roles r on r.oid = p.proowner
        where p.pronamespace = 'public'::regnamespace and p.prosecdef
            and (r.rolsuper or r.rolname = current_user)
            and p.proname ~ '^zz_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_search$'
            and to_regclass(format('public.%I', left(p.proname::text, 39))) is null
    loop
        execute format('drop function %s', target);
    end loop;
end $$;
