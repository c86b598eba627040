-- What a function collected is listed for its owner, the newest first; and what there is to do because of
-- a caller, on the page of that caller.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

create index if not exists idx_scrapping_data_function
    on public.scrapping_data ((data ->> 'function_id'), created_at desc, id desc)
    where data ->> 'kind' = 'function';

create index if not exists idx_call_tasks_caller
    on public.call_tasks (voice_agent_id, caller_number, at desc) where caller_number is not null;
