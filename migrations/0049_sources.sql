-- What an owner has the agent learn: pages, sites, files and texts, read and embedded in the background.
-- `sources` keeps its names and meanings; what the work needs beside them stands here.
set local lock_timeout = '5s';

-- The work on a source, a row each.
--   revision   counts how often it was asked for: what is done of an earlier one is not the end of it
--   state      pending until it is done or given up
--   is_forced  whether everything is fetched and read again, also what has not changed
--   stage      what is done at the moment, for who waits: fetching, reading, learning
--   done, total  how far that is: pages, then passages; total is null while nobody knows
--   reason     why it failed, and what to do, in an owner's words; names no address
create table if not exists public.source_trainings (
    source_id uuid primary key references public.sources (id) on delete cascade,
    revision int not null default 1,
    state text not null default 'pending' check (state in ('pending', 'done', 'failed')),
    is_forced boolean not null default false,
    queued_at timestamptz not null default now(),
    run_after timestamptz not null default now(),
    attempts int not null default 0,
    leased_by uuid,
    leased_until timestamptz,
    stage text,
    done int not null default 0,
    total int,
    pages int,
    passages int,
    is_cut_off boolean not null default false,
    reason text,
    ended_at timestamptz
);
create index if not exists idx_source_trainings_due
    on public.source_trainings (run_after) where state = 'pending';

-- The bytes of what was uploaded or typed.
create table if not exists public.source_files (
    source_id uuid primary key references public.sources (id) on delete cascade,
    file_name text not null default '',
    content_type text,
    content bytea not null check (octet_length(content) <= 26214400)
);

-- The pages of a site, as far as they are known. `revision` is that of the work that fetched them last:
-- what goes on after a crash fetches none twice.
create table if not exists public.source_pages (
    source_id uuid not null references public.sources (id) on delete cascade,
    url text not null,
    place int not null,
    depth int not null default 0,
    revision int not null default 0,
    etag text,
    why text,
    primary key (source_id, url)
);

-- Embeddings that are made and not yet among the agent's passages: all of a source's passages change at
-- once, and what is embedded is not embedded again after a crash.
create table if not exists public.source_vectors (
    source_id uuid not null references public.sources (id) on delete cascade,
    hash text not null,
    model text not null,
    embedding real[] not null,
    primary key (source_id, hash, model)
);

-- As in 0047, with these.
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
                'frontdesk_instances', 'frontdesk_leases', 'frontdesk_paces', 'frontdesk_sessions', 'functions',
                'installation_keys', 'left_recordings', 'number_wirings', 'scrapping_data',
                'sign_in_links', 'source_files', 'source_pages', 'source_trainings', 'source_vectors',
                'sources', 'usage_calls', 'usage_days', 'usage_deltas',
                'voice_agents', 'voice_agents_access', 'webhook_deliveries')
            or c.relname ~ '^zz_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
$$;

do $$
declare
    target regclass;
begin
    foreach target in array array['public.source_files', 'public.source_pages',
        'public.source_trainings', 'public.source_vectors']::regclass[] loop
        perform public.guard_table(target);
    end loop;
end $$;

-- Has a source read: for the first time, or again.
create or replace function public.source_train(p_source uuid, p_forced boolean)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    insert into public.source_trainings as t (source_id, is_forced) values (p_source, p_forced)
    on conflict (source_id) do update set revision = t.revision + 1, state = 'pending',
        is_forced = p_forced, queued_at = now(), run_after = now(), attempts = 0, leased_by = null,
        leased_until = null, stage = null, done = 0, total = null, reason = null, ended_at = null;
    -- Whoever looks sees that it waits.
    update public.sources s set status = (case when s.auto_sync_last_trained is null then 'pending'
        else 'retraining' end)::public.source_training_status
    where s.id = p_source and s.status not in ('pending', 'retraining');
$$;

-- Whoever writes a source that is pending has it read: the console, the API, REST or SQL.
create or replace function public.train_new_source()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.status = 'pending' and new.id <> public.answers_source(new.voice_agent_id) then
        perform public.source_train(new.id, false);
    end if;
    return null;
end;
$$;
create or replace trigger y_train_new_source after insert on public.sources
    for each row execute function public.train_new_source();

-- How often a source is read again: a word of ours, or an ISO 8601 duration of an hour at least. Null: not by
-- itself.
create or replace function public.source_interval(p_words text)
returns interval
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set intervalstyle = 'postgres'
as $$
declare
    pause interval;
begin
    pause := case p_words when 'daily' then interval '1 day' when 'weekly' then interval '7 days'
        when 'monthly' then interval '1 month' end;
    if pause is null and p_words ~ '^P[0-9TYMWDHS.]{2,30}$' then
        pause := p_words::interval;
    end if;
    return case when pause >= interval '1 hour' then pause end;
exception when others then
    return null;
end;
$$;

-- Has up to `p_most` sources read again whose time has come; how many. Those that wait longest come first.
create or replace function public.sources_due(p_most int)
returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    due uuid;
    asked int := 0;
begin
    for due in
        select s.id from public.sources s
        join public.source_trainings t on t.source_id = s.id
        where s.auto and s.auto_sync_interval <> 'none' and t.state <> 'pending'
            and t.ended_at + public.source_interval(s.auto_sync_interval) <= now()
        order by t.ended_at limit p_most
        for update of t skip locked
    loop
        perform public.source_train(due, false);
        asked := asked + 1;
    end loop;
    return asked;
end;
$$;

-- With a source go its passages and the pages that were fetched for it, whoever removes it.
create or replace function public.forget_source()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if to_regclass(format('public.%I', 'zz_' || old.voice_agent_id)) is not null then
        execute format('delete from public.%I p where p.metadata @> $1', 'zz_' || old.voice_agent_id)
            using jsonb_build_object('source_id', old.id);
    end if;
    delete from public.scrapping_data s
    where s.data ->> 'source_id' = old.id::text and s.data ->> 'kind' = 'page'
        and s.voice_agent_id = old.voice_agent_id;
    return null;
end;
$$;
create or replace trigger y_forget_source after delete on public.sources
    for each row execute function public.forget_source();

do $$
declare
    target regprocedure;
begin
    foreach target in array array[
        'public.source_train(uuid, boolean)',
        'public.train_new_source()',
        'public.source_interval(text)',
        'public.sources_due(int)',
        'public.forget_source()'
    ]::regprocedure[] loop
        perform public.withhold_from_public_roles(target);
    end loop;
end $$;
