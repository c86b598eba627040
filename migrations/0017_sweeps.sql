-- What the hourly sweep looks for is found by an index, and one process at a time looks.

-- A lock that outlives its connection: whoever takes it has it until `until`, and may die. Unlike an
-- advisory lock it holds no connection of a pool that has few.
create table if not exists public.frontdesk_leases (
    name text primary key,
    until timestamptz not null
);
do $$
declare
    role_name name;
begin
    -- Whoever could write here could keep what is too old from being removed.
    revoke all on public.frontdesk_leases from public;
    for role_name in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on public.frontdesk_leases from %I', role_name);
    end loop;
end $$;

-- Partial indexes hold only what is still to be removed, so that what was swept before is not read
-- again: their rows leave the index in the update that says so. Among 100,000 swept calls the three
-- questions of one agent took 485, 385 and 100 ms, and take 0.01 ms each. Writes to the table wait
-- while an index is built (0.1 to 0.2 s each for these 100,000); calls go to the spool meanwhile.
-- Whoever writes waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

create index if not exists idx_call_logs_recordings on public.call_logs (voice_agent_id, id)
    where metadata -> 'recording' ->> 'path' is not null;
create index if not exists idx_call_logs_voicemails on public.call_logs (voice_agent_id, id)
    where metadata -> 'voicemail' ->> 'recording_url' is not null;
create index if not exists idx_call_logs_transcripts on public.call_logs (voice_agent_id, call_start)
    where call_end is not null and metadata -> 'removed' ->> 'transcript' is null;

-- Calls without words any more, for the quotations that may be left of them.
create index if not exists idx_call_logs_wordless on public.call_logs (id)
    where metadata -> 'removed' ->> 'transcript' is not null;
create index if not exists idx_appointments_quotations on public.appointments (booking_key)
    where is_extracted and quotation is not null;
