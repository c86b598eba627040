-- What the people of a business have to do because of calls, and their answers to questions that
-- nothing written down was about.
set local lock_timeout = '5s';
-- A managed server's limit on statements is for queries, not for building an index.
set local statement_timeout = 0;

-- One row for each thing to do. `ordinal` tells those of one call and kind apart. `text` has words of
-- callers and goes when their transcript goes; `question_key` too: the question of a gap in the
-- spelling in which questions are compared. `done_at` and `done_by` say who ticked it; they share the
-- list. `urgency`: 3 now, 2 today, 1 soon, 0 when there is time.
create table if not exists public.call_tasks (
    id bigint generated always as identity primary key,
    voice_agent_id uuid not null references public.voice_agents (id) on delete cascade,
    call_log_id uuid not null references public.call_logs (id) on delete cascade,
    kind text not null check (kind in ('urgent', 'message', 'voicemail', 'missed',
        'transfer_unanswered', 'claim', 'booking_check', 'gap', 'call_failed', 'function_failed')),
    ordinal int not null,
    text text not null default '',
    question_key text,
    urgency int not null check (urgency between 0 and 3),
    -- E.164; null where it was withheld.
    caller_number text,
    -- When the call ended.
    at timestamptz not null,
    done_at timestamptz,
    -- customer.uuid. What somebody did stays done when they are gone.
    done_by uuid,
    note text check (length(note) <= 2000),
    unique (call_log_id, kind, ordinal)
);
create index if not exists idx_call_tasks_open
    on public.call_tasks (voice_agent_id, at) where done_at is null;
create index if not exists idx_call_tasks_done
    on public.call_tasks (voice_agent_id, done_at) where done_at is not null;
alter table public.call_tasks enable row level security;

-- Has a call's tasks be these. Open ones are updated, and removed where they are no longer true. What
-- somebody has ticked stays as it is and does not come back: neither in the same words, nor in others
-- where a call has only one of the kind. A task may depend on what became of an appointment that was
-- agreed on: `only_if` is {"appointment": place, "outcome": …} or {"none_written": true}.
-- Those of the kinds `p_kept` stay as they are.
create or replace function public.call_tasks_put(
    p_call uuid, p_tasks jsonb, p_outcomes text[], p_kept text[]
)
returns void
language plpgsql
set search_path = public, pg_temp
as $$
declare
    ended record;
begin
    -- Nobody has to do anything because of a test call.
    select l.voice_agent_id, coalesce(l.call_end, now()) as at into ended
    from call_logs l where l.id = p_call and coalesce(l.call_sid, '') not like 'FT%';
    if not found then
        return;
    end if;
    with told as (
        select n.* from jsonb_to_recordset(p_tasks) as n (kind text, ordinal int, text text,
            urgency int, caller text, question_key text, only_if jsonb)
        where (n.only_if is null
                or n.only_if ->> 'outcome' = p_outcomes[(n.only_if ->> 'appointment')::int]
                or n.only_if -> 'none_written' is not null
                    and not ('written' = any (p_outcomes)))
            and n.kind <> all (p_kept)
    ), ticked as (
        select d.kind, d.ordinal, d.text from call_tasks d
        where d.call_log_id = p_call and d.done_at is not null
    ), wanted as (
        select t.*, row_number() over (partition by t.kind order by t.ordinal) as place
        from told t
        where not exists (select from ticked d where d.kind = t.kind and (d.text = t.text
            or t.kind in ('urgent', 'voicemail', 'missed', 'call_failed')))
    ), free as (
        select k.kind, o.ordinal,
            row_number() over (partition by k.kind order by o.ordinal) as place
        from (select distinct kind from wanted) k
        cross join generate_series(1, 200) as o (ordinal)
        where not exists (
            select from ticked d where d.kind = k.kind and d.ordinal = o.ordinal)
    ), placed as (
        select w.kind, f.ordinal, w.text, w.urgency, w.caller, w.question_key
        from wanted w join free f on f.kind = w.kind and f.place = w.place
    ), untrue as (
        delete from call_tasks t
        where t.call_log_id = p_call and t.done_at is null
            and t.kind <> all (p_kept)
            and not exists (
                select from placed p where p.kind = t.kind and p.ordinal = t.ordinal)
    )
    insert into call_tasks as t (voice_agent_id, call_log_id, kind, ordinal, text, urgency,
        caller_number, question_key, at)
    select ended.voice_agent_id, p_call, p.kind, p.ordinal, p.text, p.urgency, p.caller,
        p.question_key, ended.at
    from placed p
    on conflict (call_log_id, kind, ordinal) do update set
        text = excluded.text, urgency = excluded.urgency, caller_number = excluded.caller_number,
        question_key = excluded.question_key, at = excluded.at
    where t.done_at is null;
end;
$$;

-- As in 0007, and the tasks are called for too. They do not wait for the summary, which may be away
-- for days: what the row says is enough for most of them. Nobody is told of a test call.
create or replace function public.aftercall_enqueue()
returns trigger
language plpgsql
set search_path = public, pg_temp
as $$
declare
    first_at timestamptz := now()
        + case when new.out_until is null then interval '0' else interval '10 seconds' end;
begin
    insert into aftercall_jobs as j (call_log_id, kind, run_after)
    select new.id, k.kind, first_at + k.later
    from (values ('summary', interval '0'), ('tasks', interval '0'),
        ('webhook', interval '60 seconds')) as k (kind, later)
    where k.kind = 'summary' or new.call_sid not like 'FT%'
    on conflict (call_log_id, kind) do update set
        state = 'pending', revision = j.revision + 1, queued_at = now(),
        run_after = excluded.run_after, attempts = 0, last_error = null, done_at = null;
    return null;
end;
$$;

-- Writes the tasks that the row of a call says by itself, and settles the job. Where the summary is
-- there already, its tasks say more. Outcomes as those of aftercall_store_summary. The row of the call
-- is locked before its jobs, in the order in which a completion locks them.
create or replace function public.aftercall_store_tasks(
    p_job bigint, p_worker uuid, p_claim int, p_revision int, p_tasks jsonb
)
returns text
language plpgsql
set search_path = public, pg_temp
as $$
declare
    ended record;
    job record;
begin
    select l.id into ended
    from call_logs l join aftercall_jobs j on j.call_log_id = l.id
    where j.id = p_job for update of l;
    select j.revision, j.leased_by, j.claims into job
    from aftercall_jobs j where j.id = p_job for update;
    if not found or job.leased_by is distinct from p_worker or job.claims <> p_claim then
        return 'lost';
    end if;
    if job.revision <> p_revision then
        update aftercall_jobs set leased_by = null, leased_until = null where id = p_job;
        return 'outdated';
    end if;
    if not exists (select from aftercall_jobs s where s.call_log_id = ended.id
        and s.kind = 'summary' and s.state = 'done' and s.result = 'stored') then
        -- A summary of what the row said before it was put right may have found these.
        perform call_tasks_put(ended.id, p_tasks, '{}', '{urgent,claim,booking_check}');
    end if;
    update aftercall_jobs set state = 'done', result = 'stored', done_at = now(),
        last_error = null, leased_by = null, leased_until = null
    where id = p_job;
    return 'stored';
end;
$$;

-- As in 0007, and with the call's tasks. A program of before gives none and leaves them as they are.
drop function if exists public.aftercall_store_summary(bigint, uuid, int, int, jsonb, jsonb, jsonb);
create or replace function public.aftercall_store_summary(
    p_job bigint, p_worker uuid, p_claim int, p_revision int, p_summary jsonb, p_metadata jsonb,
    p_appointments jsonb, p_tasks jsonb default null
)
returns text
language plpgsql
set search_path = public, pg_temp
as $$
declare
    ended record;
    job record;
    entry record;
    had_some boolean;
    outcome text;
    outcomes text[] := '{}';
    told jsonb := '[]';
begin
    select l.id, l.voice_agent_id into ended
    from call_logs l join aftercall_jobs j on j.call_log_id = l.id
    where j.id = p_job for update of l;
    select j.revision, j.leased_by, j.claims into job
    from aftercall_jobs j where j.id = p_job for update;
    if not found or job.leased_by is distinct from p_worker or job.claims <> p_claim then
        return 'lost';
    end if;
    if job.revision <> p_revision then
        update aftercall_jobs set leased_by = null, leased_until = null where id = p_job;
        return 'outdated';
    end if;
    -- What an earlier revision wrote stays as it is: the owner may have changed it since.
    select exists (select from appointments a where a.voice_agent_id = ended.voice_agent_id
        and starts_with(a.booking_key, ended.id || ':extracted:')) into had_some;
    for entry in
        select e.value as wanted, e.ordinality::int as number
        from jsonb_array_elements(p_appointments) with ordinality e
    loop
        outcome := entry.wanted ->> 'why';
        if outcome is null and had_some then
            outcome := 'known';
        elsif outcome is null then
            outcome := appointment_extract(ended.id, entry.number, ended.voice_agent_id,
                timestamptz 'epoch'
                    + (entry.wanted ->> 'start_us')::bigint * interval '1 microsecond',
                (entry.wanted ->> 'minutes')::int, entry.wanted ->> 'name',
                entry.wanted ->> 'phone', entry.wanted ->> 'service', entry.wanted ->> 'notes');
        end if;
        outcomes := outcomes || outcome;
        told := told || jsonb_build_array(entry.wanted -> 'told'
            || jsonb_build_object('written', outcome = 'written', 'why', nullif(outcome, 'written')));
    end loop;
    update call_logs l set summary = p_summary,
        metadata = case when jsonb_typeof(l.metadata) = 'object' then l.metadata else '{}' end
            || p_metadata || jsonb_build_object('extracted_appointments', told)
    where l.id = ended.id;
    if p_tasks is not null then
        perform call_tasks_put(ended.id, p_tasks, outcomes,
            case when had_some then array['booking_check'] else '{}' end);
    end if;
    update aftercall_jobs set state = 'done', result = 'stored', done_at = now(),
        last_error = null, leased_by = null, leased_until = null
    where id = p_job;
    -- The owner was waiting for this, or was told without it and is told anew.
    update aftercall_jobs w set run_after = now()
    where w.call_log_id = ended.id and w.kind = 'webhook' and w.state = 'pending'
        and w.attempts = 0;
    update aftercall_jobs w set state = 'pending', revision = w.revision + 1, queued_at = now(),
        run_after = now(), attempts = 0, last_error = null, done_at = null
    where w.call_log_id = ended.id and w.kind = 'webhook'
        and (w.state = 'pending' and w.attempts > 0
            or w.state = 'done' and w.result = 'sent without a summary');
    return 'stored';
end;
$$;

-- Calls in which something was asked that nothing written down was about.
create index if not exists idx_call_logs_gaps on public.call_logs (voice_agent_id, call_start)
    where jsonb_typeof(metadata -> 'gaps') = 'array' and metadata -> 'gaps' <> '[]';

-- The source that an agent's answers belong to. Each agent has one, so its id follows from the agent's.
create or replace function public.answers_source(p_agent uuid)
returns uuid
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select md5(p_agent || ':answers')::uuid
$$;

-- Keeps an answer as a passage of the agent's: a new one, or the one to the same question, or with
-- `p_id` that one. A passage whose text is new has no hash until it was embedded; until then it is
-- found by what it was embedded with before, or not at all. Gives its id and what became of it:
--   kept       the passage says it
--   gone       there is no such agent or no such answer
--   duplicate  with `p_id`: another answer is to that question
-- Whoever changes an agent's answers waits for the row of their source.
create or replace function public.answer_keep(
    p_agent uuid, p_id bigint, p_key text, p_question text, p_answer text, p_by uuid,
    out answer_id bigint, out outcome text
)
language plpgsql
set search_path = public, pg_temp
as $$
declare
    passages text := 'zz_' || p_agent;
    source text := answers_source(p_agent);
    said text := p_question || E'\n' || p_answer;
    known bigint;
    place int;
begin
    if not exists (select from voice_agents a where a.id = p_agent) then
        outcome := 'gone';
        return;
    end if;
    if to_regclass(format('public.%I', passages)) is null then
        perform create_embeddings_table(passages);
    end if;
    insert into sources as s (id, voice_agent_id, name, source_type, size)
    values (source::uuid, p_agent, 'Answers', 'qa', 0)
    on conflict (id) do update set status = s.status;
    execute format('select min(p.id) from public.%I p where p.metadata @> $1', passages)
        into known using jsonb_build_object('source_id', source, 'key', p_key);
    if p_id is not null and known <> p_id then
        outcome := 'duplicate';
        return;
    end if;
    answer_id := coalesce(p_id, known);
    if answer_id is null then
        execute format('select coalesce(max((p.metadata ->> ''position'')::int), 0) + 1
            from public.%I p where p.metadata @> $1', passages)
            into place using jsonb_build_object('source_id', source);
        execute format('insert into public.%I as p (content, metadata) values ($1, $2)
            returning p.id', passages)
            into answer_id using said, jsonb_build_object('source_id', source, 'position', place);
    end if;
    execute format('update public.%I p set content = $2,
            metadata = (case when p.content = $2 then p.metadata
                else p.metadata - array[''hash'', ''model''] end) || $3
        where p.id = $1 and p.metadata @> $4 returning ''kept''', passages)
        into outcome
        using answer_id, said, jsonb_build_object('title', p_question, 'key', p_key, 'by', p_by,
            'at_us', (extract(epoch from now()) * 1000000)::bigint),
            jsonb_build_object('source_id', source);
    outcome := coalesce(outcome, 'gone');
    perform answers_settle(p_agent);
end;
$$;

-- Removes an answer; whether it was there.
create or replace function public.answer_forget(p_agent uuid, p_id bigint)
returns boolean
language plpgsql
set search_path = public, pg_temp
as $$
declare
    source uuid := answers_source(p_agent);
    removed int;
begin
    perform from sources s where s.id = source for update;
    if not found then
        return false;
    end if;
    execute format('delete from public.%I p where p.id = $1 and p.metadata @> $2',
        'zz_' || p_agent) using p_id, jsonb_build_object('source_id', source);
    get diagnostics removed = row_count;
    perform answers_settle(p_agent);
    return removed > 0;
end;
$$;

-- Has the source of an agent's answers say what there is of them.
create or replace function public.answers_settle(p_agent uuid)
returns void
language plpgsql
set search_path = public, pg_temp
as $$
declare
    source uuid := answers_source(p_agent);
    answers int;
    bytes bigint;
    waiting int;
begin
    execute format('select count(*), coalesce(sum(octet_length(p.content)), 0),
            count(*) filter (where p.embedding is null or p.metadata ->> ''hash'' is null)
        from public.%I p where p.metadata @> $1', 'zz_' || p_agent)
        into answers, bytes, waiting using jsonb_build_object('source_id', source);
    if answers = 0 then
        delete from sources s where s.id = source;
    else
        update sources s set size = bytes, status = case when waiting = 0 then 'done'
            else 'pending' end::public.source_training_status
        where s.id = source;
    end if;
end;
$$;

-- Every process remembers which agents have passages. No more is told than whose source it is: an
-- address may hold a secret.
create or replace function public.notify_source_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    changed jsonb;
begin
    if tg_op = 'DELETE' then
        changed := to_jsonb(old);
    else
        changed := to_jsonb(new);
    end if;
    perform pg_notify('realtime_changes', json_build_object('operation', tg_op,
        'table', tg_table_name, 'data', jsonb_build_object('id', changed -> 'id',
            'voice_agent_id', changed -> 'voice_agent_id'))::text);
    return null;
end;
$$;
create or replace trigger realtime_sources_trigger
    after insert or update or delete on public.sources
    for each row execute function public.notify_source_change();

do $$
declare
    target regprocedure;
begin
    foreach target in array array[
        'public.call_tasks_put(uuid, jsonb, text[], text[])',
        'public.aftercall_enqueue()',
        'public.aftercall_store_tasks(bigint, uuid, int, int, jsonb)',
        'public.aftercall_store_summary(bigint, uuid, int, int, jsonb, jsonb, jsonb, jsonb)',
        'public.answers_source(uuid)',
        'public.answer_keep(uuid, bigint, text, text, text, uuid)',
        'public.answer_forget(uuid, bigint)',
        'public.answers_settle(uuid)',
        'public.notify_source_change()'
    ]::regprocedure[] loop
        perform public.withhold_from_public_roles(target);
    end loop;
end $$;
