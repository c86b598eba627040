-- Whoever has an account joins an agent by saying so: until then their row is an invitation, and gives
-- nothing.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

alter table public.voice_agents_access add column if not exists invited_at timestamptz;

-- Not even somebody who writes the table directly switches it on for them.
alter table public.voice_agents_access drop constraint if exists an_invitation_gives_nothing;
alter table public.voice_agents_access add constraint an_invitation_gives_nothing
    check (invited_at is null or not coalesce(status, false));

-- Nor does whoever writes it through Supabase's REST interface make somebody join.
create or replace function public.joining_is_their_own()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if frontdesk.me() is not null then
        new.invited_at := now();
        new.status := false;
    end if;
    return new;
end;
$$;

create or replace trigger joining_is_their_own before insert on public.voice_agents_access
    for each row execute function public.joining_is_their_own();

do $$
begin
    perform public.withhold_from_public_roles('public.joining_is_their_own()'::regprocedure);
end $$;
