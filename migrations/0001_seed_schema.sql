-- The seed schema: every table and type under its own name, with its own meaning.
--
-- It runs on an empty PostgreSQL, and on a Supabase project where the seed was run by hand and has
-- rows. So each statement asks first what is there, and what is there is kept. Everything names its
-- schema: what a session's search_path says does not matter.

-- Supabase keeps its users in auth.users. Elsewhere there are none, and the little that the seed
-- refers to is created; where the table exists it is not ours to touch.
do $$
begin
    if to_regclass('auth.users') is null then
        create schema if not exists auth;
        create table auth.users (
            id uuid primary key default gen_random_uuid(),
            email text unique
        );
    end if;
end $$;

-- Before all that speaks of vectors. On Supabase it may live in the schema `extensions` already;
-- nothing below supposes that it is in `public`.
create extension if not exists vector;

do $$
begin
    if to_regtype('public.voice_agent_access_type') is null then
        create type public.voice_agent_access_type as enum ('support', 'maintainer', 'owner', 'admin');
    end if;
    if to_regtype('public.source_training_status') is null then
        create type public.source_training_status as enum
            ('pending', 'training', 'done', 'failed', 'retraining', 'retraining_failed', 'unk_err');
    end if;
    if to_regtype('public.voice_agent_status_enum') is null then
        create type public.voice_agent_status_enum as enum ('active', 'inactive', 'suspended', 'deleted');
    end if;
    if to_regtype('public.function_type') is null then
        create type public.function_type as enum ('flows', 'json_api', 'form', 'function');
    end if;
    if to_regtype('public.appointment_status') is null then
        create type public.appointment_status as enum ('pending', 'missed', 'completed', 'cancelled');
    end if;
end $$;

-- customer.uuid is auth.users.id. fk_auth_users_email needs a plain unique index on
-- auth.users.email. Supabase has only a partial one (single sign-on users may share an address),
-- so there the constraint is left out. An adopted table keeps the constraints that it has: rows
-- written without one may not satisfy it.
do $$
begin
    if to_regclass('public.customer') is not null then
        return;
    end if;
    create table public.customer (
        uuid uuid primary key default gen_random_uuid(),
        email text unique not null,
        username text not null,
        phone text,
        company text,
        title text,
        plan_id int not null,
        stripe_id text,
        source_links_allowed int default 0,
        voiceagents_allowed int default 0,
        total_voiceagents int default 0,
        allowed_msg_credits int default 0,
        total_credits int default 0,
        plan_mode text,
        subscription_id text,
        isadmin boolean default false,
        trial boolean default false,
        created_at timestamptz default now(),
        constraint fk_auth_users foreign key (uuid) references auth.users (id) on delete cascade
    );
    if exists (
        select from pg_index i
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = 'auth.users'::regclass and i.indisunique and i.indisvalid
            and i.indpred is null and i.indexprs is null and i.indnkeyatts = 1 and a.attname = 'email'
    ) then
        alter table public.customer add constraint fk_auth_users_email
            foreign key (email) references auth.users (email) on delete cascade;
    end if;
end $$;

create table if not exists public.voice_agents (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    created_by uuid not null,
    last_trained_at timestamptz default null,
    summary jsonb default '{}',
    "takeOverTimeout" text default null,
    "unAvailable" boolean default false,
    private_settings jsonb default '{}',
    twilio_phone_number text default null,
    twilio_credentials jsonb default '{}',
    created_at timestamptz default now(),
    constraint fk_created_by foreign key (created_by) references public.customer (uuid) on delete cascade
);

-- The seed declares the type and uses it nowhere. Agents that exist are active: they answer today.
alter table public.voice_agents
    add column if not exists status public.voice_agent_status_enum not null default 'active';

create table if not exists public.voice_agents_access (
    id bigserial primary key,
    created_at timestamptz default now(),
    voice_agent_id uuid not null,
    user_id uuid not null,
    access public.voice_agent_access_type not null,
    status boolean default true,
    constraint fk_voice_agent foreign key (voice_agent_id)
        references public.voice_agents (id) on delete cascade,
    constraint fk_user foreign key (user_id) references public.customer (uuid) on delete cascade
);

create index if not exists idx_voice_agent_id on public.voice_agents_access (voice_agent_id);
create index if not exists idx_user_id on public.voice_agents_access (user_id);

create table if not exists public.business_details (
    id uuid not null default gen_random_uuid(),
    voice_agent_id uuid not null,
    business_name text,
    business_phone text,
    type_of_business text,
    additional_context text,
    business_summary text,
    default_appointment_length integer default 60, -- minutes
    operating_schedule jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    business_timezone text, -- an IANA name
    constraint business_details_pkey primary key (id),
    constraint business_details_voice_agent_fk foreign key (voice_agent_id)
        references public.voice_agents (id) on delete cascade,
    constraint unique_voice_agent_business unique (voice_agent_id)
);

create table if not exists public.sources (
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now(),
    voice_agent_id uuid not null,
    name text not null,
    source_type text null,
    size bigint not null,
    url text null,
    auto boolean not null default false,
    auto_sync_interval text null default 'none',
    auto_sync_last_trained timestamptz null,
    last_modified timestamptz null default now(),
    status public.source_training_status null default 'pending',
    constraint files_pkey primary key (id),
    constraint public_files_voice_agent_id_fkey foreign key (voice_agent_id)
        references public.voice_agents (id) on delete cascade
);

-- The seed's default was now() at time zone 'utc': read back into a timestamptz, it is off by the
-- session's offset wherever that is not UTC.
alter table public.sources alter column last_modified set default now();

create table if not exists public.scrapping_data (
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now(),
    data jsonb null,
    url text null,
    voice_agent_id uuid null,
    user_id uuid null,
    constraint json_objects_pkey primary key (id),
    constraint fk_scrapping_data_voice_agent foreign key (voice_agent_id)
        references public.voice_agents (id) on delete cascade
);

create table if not exists public.functions (
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now(),
    type public.function_type null,
    data jsonb null,
    created_by uuid null, -- auth.users.id
    assistant_id uuid null, -- voice_agents.id; how its rows go with the agent: see 0002
    is_active boolean null default true,
    name text null,
    purpose text null,
    trigger_reason text null,
    variables jsonb null,
    save_data boolean null default false,
    is_shownable boolean null,
    constraint functions_pkey primary key (id),
    constraint functions_created_by_fkey foreign key (created_by)
        references auth.users (id) on delete set null
);

create index if not exists idx_functions_created_by on public.functions (created_by);
-- An agent's functions are read whenever the agent is loaded, and removed with it.
create index if not exists idx_functions_assistant_id on public.functions (assistant_id);

create table if not exists public.call_logs (
    id uuid primary key default gen_random_uuid(),
    voice_agent_id uuid not null,
    call_start timestamptz not null,
    call_end timestamptz, -- null until the call ends
    caller_number text, -- E.164, as Twilio gives it
    transcript text,
    duration interval,
    status text,
    created_at timestamptz not null default now(),
    summary jsonb,
    metadata jsonb,
    constraint fk_voice_agent foreign key (voice_agent_id)
        references public.voice_agents (id) on delete cascade
);

create table if not exists public.appointments (
    id uuid primary key default gen_random_uuid(),
    voice_agent_id uuid not null,
    name text not null,
    phone_number text not null,
    service text not null,
    special_notes text default null,
    schedule_time timestamptz not null,
    status public.appointment_status not null default 'pending',
    created_at timestamptz not null default now(),
    updated_at timestamptz default null,
    constraint fk_appointments_voice_agents foreign key (voice_agent_id)
        references public.voice_agents (id) on delete cascade
);
