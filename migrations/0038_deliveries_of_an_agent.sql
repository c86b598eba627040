-- Whose call an owner was told of, beside the delivery: the list of one agent's deliveries reads its own
-- and nobody else's. Those of before are filled in by `frontdesk migrate` in batches, after it has built
-- the index.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

alter table public.webhook_deliveries add column if not exists voice_agent_id uuid;

-- Whoever writes a delivery: a program of before names no agent.
create or replace function public.delivery_of_agent()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    select c.voice_agent_id into new.voice_agent_id
    from public.call_logs c where c.id = new.call_log_id;
    return new;
end;
$$;
create or replace trigger delivery_of_agent before insert on public.webhook_deliveries
    for each row execute function public.delivery_of_agent();

do $$
begin
    perform public.withhold_from_public_roles('public.delivery_of_agent()'::regprocedure);
end $$;
