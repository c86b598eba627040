-- Who invited a person whose account an invitation made: they were given its one-time link. Null for
-- accounts from before, and where others were given one too.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';

alter table public.customer add column if not exists invited_by uuid;
