-- What one person may have done in a time, and how many agents one owner may have, whichever process is
-- asked and whoever writes.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';

-- What somebody has done lately of what costs money or reaches strangers: texts, invitations, callers put
-- through. In a process's memory each process would allow as much again, and each start all of it.
--   key      what, and by whom
--   paid_at  when all that they did is paid for, at so much for each (GCRA)
create table if not exists public.frontdesk_paces (
    key text primary key,
    paid_at timestamptz not null
);
-- What is long paid for is removed beside the next one.
create index if not exists idx_frontdesk_paces_paid_at on public.frontdesk_paces (paid_at);

-- By whose invitation somebody's account was made. `invited_by` says whose link they can only have had, and is
-- emptied where that was several people's; this stays: for that person their own invitations count.
alter table public.customer add column if not exists brought_by uuid;
update public.customer set brought_by = invited_by where brought_by is null and invited_by is not null;

-- As in 0027, with that one.
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
                'sign_in_links', 'sources', 'usage_calls', 'usage_days', 'usage_deltas',
                'voice_agents', 'voice_agents_access', 'webhook_deliveries')
            or c.relname ~ '^zz_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
$$;

select public.guard_table('public.frontdesk_paces'::regclass);

-- As in 0037, and a person who makes agents for themselves, by the console, the API or REST, has at most 100
-- without a plan: each agent has tables of its own. Whoever looks after the server has no such limit, in SQL or
-- as an administrator, and `voiceagents_allowed` gives an owner more.
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
    has_plan boolean;
    what text := case tg_table_name when 'sources' then 'source_links_allowed' else 'voiceagents_allowed' end;
begin
    if tg_table_name = 'sources' then
        if new.id = public.answers_source(new.voice_agent_id) then
            return new;
        end if;
        -- The agent before its customer, in the order in which whoever deletes an agent locks them.
        select a.created_by into owner from public.voice_agents a
        where a.id = new.voice_agent_id for key share;
    elsif new.status = 'deleted'
        or tg_op = 'UPDATE' and old.status <> 'deleted' and old.created_by = new.created_by then
        return new;
    else
        owner := new.created_by;
    end if;
    select c.plan_mode, c.voiceagents_allowed, c.source_links_allowed, c.isadmin into plan
    from public.customer c where c.uuid = owner for no key update;
    if not found then
        return new; -- which the foreign key refuses
    end if;
    allowed := coalesce(case tg_table_name when 'sources' then plan.source_links_allowed
        else plan.voiceagents_allowed end, 0);
    has_plan := coalesce(plan.plan_mode, '') <> '' or allowed > 0;
    if not has_plan then
        if tg_table_name = 'sources' or coalesce(plan.isadmin, false)
            or coalesce(current_setting('frontdesk.by_person', true), '') <> 'on'
                and current_setting('role') not in ('authenticated', 'anon') then
            return new;
        end if;
        allowed := 100;
        what := 'agents_of_owner';
    end if;
    if tg_table_name = 'sources' then
        select count(*) into taken from public.sources s
        join public.voice_agents a on a.id = s.voice_agent_id
        where a.created_by = owner and s.id <> public.answers_source(s.voice_agent_id);
    else
        select count(*) into taken from public.voice_agents a
        where a.created_by = owner and a.status <> 'deleted' and a.id <> new.id;
    end if;
    if taken < allowed then
        return new;
    end if;
    if not has_plan then
        raise exception 'an owner without a plan has at most % agents', allowed
            using errcode = 'PT409', constraint = what, table = tg_table_name,
                hint = 'delete an agent, or ask whoever runs this server for a plan';
    end if;
    raise exception 'the plan allows % %', allowed,
        case tg_table_name when 'sources' then 'sources' else 'agents' end
        using errcode = 'PT409', constraint = what, table = tg_table_name,
            hint = case tg_table_name when 'sources' then 'remove a source or choose a larger plan'
                else 'delete an agent or choose a larger plan' end;
end;
$$;

do $$
begin
    perform public.withhold_from_public_roles('public.own_tables()'::regprocedure);
    perform public.withhold_from_public_roles('public.plan_allows()'::regprocedure);
end $$;
