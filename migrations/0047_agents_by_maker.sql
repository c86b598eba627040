-- Whose agents are whose is asked with each page and once a second for each live page: by the maker, without
-- reading everybody's.

-- Whoever answers calls waits behind this, which waits behind whoever reads. The table has a row for each
-- agent, so that the index is there at once.
set local lock_timeout = '5s';

create index if not exists idx_voice_agents_created_by on public.voice_agents (created_by);
