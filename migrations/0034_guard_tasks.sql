-- The tables that came after row level security was laid are guarded like the others.
set local lock_timeout = '5s';
select public.lay_policies();
