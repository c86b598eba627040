-- What a Supabase project has before anything is run in it, as far as the schema can tell.

create schema auth;
create table auth.users (
    id uuid primary key default gen_random_uuid(),
    email varchar(255),
    is_sso_user boolean not null default false
);
-- Not a constraint, and partial: no foreign key can refer to it.
create unique index users_email_partial_key on auth.users (email) where (is_sso_user = false);

create schema extensions;
create extension vector with schema extensions;

-- The project's owner is no superuser, owns `public`, may create schemas, and may refer to
-- auth.users.
do $$ begin
    execute format('grant create on database %I to frontdesk_owner', current_database());
end $$;
grant usage on schema auth, extensions to frontdesk_owner;
grant select, insert, delete, references on auth.users to frontdesk_owner;
alter schema public owner to frontdesk_owner;
grant usage on schema public, extensions to anon, authenticated, service_role;

-- Whatever the owner creates is callable and readable through the REST API.
alter default privileges for role frontdesk_owner in schema public
    grant all on functions to anon, authenticated, service_role;
alter default privileges for role frontdesk_owner in schema public
    grant all on tables to anon, authenticated, service_role;
