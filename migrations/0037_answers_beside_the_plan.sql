-- A plan counts the sources that an owner adds. The row that an agent's answers belong to is none of
-- them: it is made with the first answer, and of each agent there is one.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

-- As in 0027, without the source of answers. The trigger runs also where `on conflict` updates then.
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
        join public.voice_agents a on a.id = s.voice_agent_id
        where a.created_by = owner and s.id <> public.answers_source(s.voice_agent_id);
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

do $$
begin
    perform public.withhold_from_public_roles('public.plan_allows()'::regprocedure);
end $$;
