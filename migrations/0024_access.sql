-- Who may use the console and the API, and what they did there. Nothing here is for PostgREST: row
-- level security without a policy keeps everybody out who is not the server.

-- One row per sign-in. Only the SHA-256 of what the cookie holds is kept, so that nobody who reads
-- the table can use a session. It ends after `idle_seconds` without a request, at `expires_at` in any
-- case, and at once when `ended_at` is set.
create table if not exists public.frontdesk_sessions (
    id uuid primary key default gen_random_uuid(),
    token_hash bytea not null unique,
    user_id uuid not null references public.customer (uuid) on delete cascade,
    created_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    idle_seconds int not null,
    -- What the browser says it is. A stranger wrote it.
    user_agent text,
    -- Supabase's session behind it (auth.sessions.id): ended there, it is ended here.
    supabase_session_id uuid,
    ended_at timestamptz
);
create index if not exists idx_frontdesk_sessions_user
    on public.frontdesk_sessions (user_id, last_seen_at desc) where ended_at is null;

-- One-time sign-in links. Looking at one does not use it up: a mail scanner looks at all of them.
create table if not exists public.sign_in_links (
    token_hash bytea primary key,
    user_id uuid not null references public.customer (uuid) on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
);

-- Keys for owners' programs. Shown once, kept as their SHA-256. `scope` is what they may do beside
-- what their person may: `read` changes nothing.
create table if not exists public.api_tokens (
    id uuid primary key default gen_random_uuid(),
    token_hash bytea not null unique,
    user_id uuid not null references public.customer (uuid) on delete cascade,
    name text not null,
    scope text not null check (scope in ('read', 'write')),
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);
create index if not exists idx_api_tokens_user on public.api_tokens (user_id, created_at desc);

-- Who did what: writes, listening, exports, sign-ins and refusals. It has no foreign keys, because
-- what somebody did stays true when the person or the agent is gone.
create table if not exists public.audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor uuid,
    actor_kind text not null check (actor_kind in ('session', 'token', 'supabase', 'link', 'system', 'nobody')),
    voice_agent_id uuid,
    action text not null,
    -- Kind and id of what it was done to, such as `call 0196…`. No name, no number, no words.
    object text,
    -- What changed, without secrets.
    change jsonb,
    ip text,
    request text
);
create index if not exists idx_audit_log_agent on public.audit_log (voice_agent_id, id desc);
create index if not exists idx_audit_log_actor on public.audit_log (actor, id desc);

-- Nobody rewrites what was done, the server included.
create or replace function public.audit_log_is_append_only()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'audit_log is append-only';
end;
$$;
drop trigger if exists audit_log_is_append_only on public.audit_log;
create trigger audit_log_is_append_only
    before update or delete or truncate on public.audit_log
    for each statement execute function public.audit_log_is_append_only();

-- Keys that an installation makes for itself, by what they are for (`test-calls`).
create table if not exists public.installation_keys (
    name text primary key,
    key bytea not null,
    created_at timestamptz not null default now()
);

-- Addresses at which calendars read an agent's appointments. Whoever has one reads them, so it is
-- kept as its SHA-256 and can be revoked.
create table if not exists public.calendar_feeds (
    id uuid primary key default gen_random_uuid(),
    token_hash bytea not null unique,
    voice_agent_id uuid not null references public.voice_agents (id) on delete cascade,
    created_by uuid,
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    last_read_at timestamptz
);
create index if not exists idx_calendar_feeds_agent
    on public.calendar_feeds (voice_agent_id) where revoked_at is null;

-- What an agent was before and after each change that the console or the API made: its settings, its
-- business, its functions. Secrets are masked in both.
create table if not exists public.agent_versions (
    voice_agent_id uuid not null references public.voice_agents (id) on delete cascade,
    n int not null,
    at timestamptz not null default now(),
    changed_by uuid,
    -- Which part: `agent`, `business` or `function <id>`.
    part text not null,
    before jsonb,
    after jsonb,
    primary key (voice_agent_id, n)
);

-- What Twilio did with a number before the console connected it, so that it can be put back.
create table if not exists public.number_wirings (
    id bigint generated always as identity primary key,
    number_sid text not null,
    account_sid text not null,
    voice_agent_id uuid references public.voice_agents (id) on delete set null,
    before jsonb not null,
    connected_at timestamptz not null default now(),
    connected_by uuid,
    restored_at timestamptz
);
create index if not exists idx_number_wirings_number
    on public.number_wirings (number_sid, id desc);

do $$
declare
    target text;
begin
    foreach target in array array['frontdesk_sessions', 'sign_in_links', 'api_tokens', 'audit_log',
        'installation_keys', 'calendar_feeds', 'agent_versions', 'number_wirings'] loop
        execute format('alter table public.%I enable row level security', target);
    end loop;
    perform public.withhold_from_public_roles('public.audit_log_is_append_only()'::regprocedure);
end $$;
