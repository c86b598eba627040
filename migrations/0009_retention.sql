-- What outlives its row and has to be removed all the same.

-- Recordings whose calls were deleted, with their agent for instance. The file is removed from the
-- object store first, and its row here then. Whoever could write here could have any recording
-- deleted.
create table if not exists public.left_recordings (
    path text primary key,
    left_at timestamptz not null default now()
);
do $$
declare
    role_name name;
begin
    revoke all on public.left_recordings from public;
    for role_name in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on public.left_recordings from %I', role_name);
    end loop;
end $$;

-- Only this program's own recordings: they lie in their agent's folder. A row that others wrote must
-- be deletable whatever it holds.
create or replace function public.recording_is_left()
returns trigger
language plpgsql
-- Whoever may delete a call has no rights here.
security definer
as $$
begin
    insert into left_recordings (path)
    select distinct recording->>'path'
    from (
        select old.metadata->'recording' as recording
        union all
        select jsonb_path_query(old.metadata, '$.recording.parts[*]')
    ) r
    where starts_with(recording->>'path', old.voice_agent_id || '/')
        and length(recording->>'path') < 500
    on conflict do nothing;
    return null;
end;
$$;

do $$
declare
    vector_schema name;
begin
    select n.nspname into strict vector_schema
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'vector';
    execute format('alter function public.recording_is_left() set search_path = %s',
        case vector_schema when 'public' then 'public, pg_temp'
            else format('%I, public, pg_temp', vector_schema) end);
    perform public.withhold_from_public_roles('public.recording_is_left()');
end $$;

drop trigger if exists recording_is_left on public.call_logs;
create trigger recording_is_left
    after delete on public.call_logs
    for each row
    when (old.call_sid is not null)
    execute function public.recording_is_left();
