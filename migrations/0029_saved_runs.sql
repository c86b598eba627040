-- What functions saved of a call is found when the call is removed.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

create index if not exists idx_scrapping_data_call
    on public.scrapping_data ((data ->> 'call_log_id')) where data ->> 'kind' = 'function';
