-- What outlives its row and has to be removed all the same.

-- Recordings whose calls were deleted, with their agent for instance. The file is removed from the
-- object store first, and its row here then.
create table if not exists public.left_recordings (
    path text primary key,
    left_at timestamptz not null default now()
);

create or replace function public.recording_is_left()
returns trigger
language plpgsql
set search_path = public, pg_temp
as $$
begin
    insert into left_recordings (path)
    select distinct recording->>'path'
    from (
        select old.metadata->'recording' as recording
        union all
        select jsonb_path_query(old.metadata, '$.recording.parts[*]')
    ) r
    where recording->>'path' is not null
    on conflict do nothing;
    return null;
end;
$$;

drop trigger if exists recording_is_left on public.call_logs;
create trigger recording_is_left
    after delete on public.call_logs
    for each row
    execute function public.recording_is_left();
