-- What an agent knows of a caller from before: the last calls from the same number, and the
-- appointments that are to come under it.

-- Read at each call before it is answered. The calls of a busy agent are many, of one caller few.
create index if not exists idx_call_logs_agent_caller
    on public.call_logs (voice_agent_id, caller_number, call_start desc);
