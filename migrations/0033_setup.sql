-- How far the set-up of an agent has come, as the console's screens go: null where it is finished or
-- was done another way.
alter table public.voice_agents add column if not exists setup_step text;
