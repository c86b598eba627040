-- A caller who has left the agent for a dial or a recording is out until a callback says what came
-- of it, at most until `out_until`. While that lies ahead the call needs no process. It stays when
-- the row is completed by a guess (a status callback says only that the call is over), so that
-- the callback which knows may still come; what that says, or the caller's return, clears it.
alter table public.call_logs add column if not exists out_until timestamptz;

-- Calls that are out are few, and those that stayed too long fewer.
create index if not exists idx_call_logs_out
    on public.call_logs (out_until) where call_end is null and out_until is not null;
