-- What other processes must know of one that goes down, and when the phone company is to be asked
-- about a call that no process has.

-- A process that takes no more calls. It still gives signs of life while those that it has last.
alter table public.frontdesk_instances
    add column if not exists draining boolean not null default false;

-- The phone company is not asked about the call again before `ask_at`. Whoever asks moves it first,
-- so that of several processes one asks. `asks` counts since the call was left, and makes the
-- pauses longer.
alter table public.call_logs add column if not exists ask_at timestamptz;
alter table public.call_logs add column if not exists asks int not null default 0;

-- Callers who are out are few; they are asked about one after the other.
create index if not exists idx_call_logs_ask
    on public.call_logs (ask_at) where call_end is null and out_until is not null;

-- Those who are out already, as if they had left now.
update public.call_logs set ask_at = now()
where call_end is null and out_until is not null and ask_at is null;
