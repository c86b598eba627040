-- What the console looks for and counts, kept beside the calls: their words, and what each day had.
--
-- Both are written in the transaction that writes the call, by triggers that can never make it fail,
-- and wait for nobody: a call's own rows are locked already, and nothing here is a row that calls
-- share. What is there already is caught up with by `frontdesk migrate`, in batches (call_backfill).

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
set local statement_timeout = 0;

-- The words of a call that has some, without their positions: what is found is ordered by time.
create table if not exists public.call_words (
    call_log_id uuid primary key references public.call_logs (id) on delete cascade,
    voice_agent_id uuid not null,
    call_start timestamptz not null,
    words tsvector not null
);
-- The index of the words themselves is built by `frontdesk migrate` when the calls of before are in:
-- with it there each of them takes three times as long.
create index if not exists idx_call_words_agent_page
    on public.call_words (voice_agent_id, call_start desc, call_log_id desc);

-- Small letters for the capitals of Latin, Greek, Cyrillic and Armenian, whatever the database's locale
-- is: a server's own database has `C`, in which only ASCII has small letters.
create or replace function public.words_small(p_text text)
returns text
language plpgsql
immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    capitals constant text :=
        'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶ'
        'ŸŹŻŽΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤ'
        'ѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜ'
        'ԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐ'
        'ṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾ';
    small constant text :=
        'àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷ'
        'ÿźżžάέήίόύώαβγδεζηθικλμνξοπρστυφχψωϊϋѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡѣѥ'
        'ѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝ'
        'ԟԡԣԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑ'
        'ṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿ';
    capital text;
begin
    -- Those that are there, one by one: translate() compares each letter with all of these.
    for capital in select distinct m[1] from regexp_matches(p_text, '[' || capitals || ']', 'g') as m loop
        p_text := replace(p_text, capital, translate(capital, capitals, small));
    end loop;
    return p_text;
end;
$$;

-- Text with blanks for ASCII's punctuation, as it is read for words and looked for. PostgreSQL's parser
-- reads `a_a_a…`, `a-1.a-1…` and `<!--<!--…` in the square of their length: 100,000 characters of them,
-- which a caller may spell out, took it 95, 41 and 16 seconds.
create or replace function public.words_only(p_text text)
returns text
language sql
immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case when plain ~ '[^\x01-\x7f]' then public.words_small(plain) else plain end
    from translate(p_text, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)) as plain
$$;

-- What finds calls with all of these words in call_words; with none of them it finds nothing. The last
-- word may be the beginning of one. Immutable: it is made once for a statement, and the planner knows how
-- many calls it finds, if the statement is planned with its arguments (not prepared).
create or replace function public.words_query(p_text text)
returns tsquery
language sql
immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case when numnode(q) = 0 then q else (q::text || ':*')::tsquery end
    from plainto_tsquery('pg_catalog.simple'::regconfig, public.words_only(left(p_text, 500))) as q
$$;

-- The words of a transcript and a summary, bounded, and none rather than an error. In front of each
-- line stand its time and who speaks, which nobody looks for. `simple`: callers speak any language.
create or replace function public.call_words_of(p_transcript text, p_summary jsonb)
returns tsvector
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return strip(to_tsvector('pg_catalog.simple'::regconfig, public.words_only(concat_ws(' ',
        regexp_replace(left(p_transcript, 100000), '^\[[0-9:]{4,12}\] (Agent|Caller):', '', 'gn'),
        left(case jsonb_typeof(p_summary)
            when 'string' then p_summary #>> '{}'
            when 'object' then (
                select string_agg(said #>> '{}', ' ')
                from unnest(array['$.title', '$.summary', '$.text', '$.caller_name',
                    '$.action_items[*]', '$.unanswered_questions[*]', '$.data_collected[*].value'
                    ]::jsonpath[]) as path,
                    jsonb_path_query(p_summary, path) as said
                where jsonb_typeof(said) in ('string', 'number'))
            end, 20000)))));
exception when others then
    raise warning 'the words of a call cannot be read: SQLSTATE %', sqlstate;
    return '';
end;
$$;

-- A call without words has no row, so that what retention removes is gone here too.
create or replace function public.call_words_keep()
returns trigger
language plpgsql
-- Whoever may write a call has no rights here.
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    found_words tsvector;
begin
    found_words := public.call_words_of(new.transcript, new.summary);
    if found_words = '' then
        delete from public.call_words where call_log_id = new.id;
    else
        insert into public.call_words (call_log_id, voice_agent_id, call_start, words)
        values (new.id, new.voice_agent_id, new.call_start, found_words)
        on conflict (call_log_id) do update set voice_agent_id = excluded.voice_agent_id,
            call_start = excluded.call_start, words = excluded.words;
    end if;
    return null;
exception when others then
    raise warning 'the words of a call are not kept: SQLSTATE %', sqlstate;
    return null;
end;
$$;

create or replace trigger call_words_new after insert on public.call_logs
    for each row when (new.transcript is not null or new.summary is not null)
    execute function public.call_words_keep();
create or replace trigger call_words_changed after update of transcript, summary on public.call_logs
    for each row when (old.transcript is distinct from new.transcript
        or old.summary is distinct from new.summary)
    execute function public.call_words_keep();

-- How each call that is over was counted. It says on which day, whatever the business's time zone is
-- later, and stays when the call is deleted: the day had it. No number and no word of a caller.
create table if not exists public.usage_calls (
    call_log_id uuid primary key,
    voice_agent_id uuid not null,
    day date not null,
    -- answered, put_through, voicemail, no_answer, failed, or other: a status that others wrote.
    outcome text not null,
    seconds bigint not null,
    turns bigint not null,
    -- How many turns had their first audio how late, in the steps of usage_steps(); null: none.
    first_audio bigint[],
    input_tokens bigint not null,
    output_tokens bigint not null
);
create index if not exists idx_usage_calls_agent on public.usage_calls (voice_agent_id, day);

-- What was counted and is not in usage_days yet. Calls only add rows here: of many that end at once
-- none waits for another. `sign` is -1 where what was counted before is taken back.
create table if not exists public.usage_deltas (
    id bigint generated always as identity primary key,
    sign int not null,
    voice_agent_id uuid not null,
    day date not null,
    outcome text not null,
    seconds bigint not null,
    turns bigint not null,
    first_audio bigint[],
    input_tokens bigint not null,
    output_tokens bigint not null
);
create index if not exists idx_usage_deltas_agent on public.usage_deltas (voice_agent_id);

-- What each day had, in the business's time zone: usage_deltas summed up (usage_fold).
create table if not exists public.usage_days (
    voice_agent_id uuid not null references public.voice_agents (id) on delete cascade,
    day date not null,
    calls bigint not null,
    answered bigint not null,
    put_through bigint not null,
    voicemail bigint not null,
    no_answer bigint not null,
    failed bigint not null,
    seconds bigint not null,
    turns bigint not null,
    first_audio bigint[],
    input_tokens bigint not null,
    output_tokens bigint not null,
    primary key (voice_agent_id, day)
);

-- Where the steps of `first_audio` end, in milliseconds: the first is what is below 100, the last
-- what is 10,000 or more.
create or replace function public.usage_steps()
returns int[]
language sql
immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select array[100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1200, 1400, 1600, 1800, 2000,
        2500, 3000, 4000, 5000, 7500, 10000]
$$;

-- The sum of the arrays that an array has, or null where it has none.
create or replace function public.usage_sum(p_arrays bigint[])
returns bigint[]
language sql
immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select array_agg(total order by place) from (
        select (n - 1) % array_length(p_arrays, 2) as place, sum(value)::bigint as total
        from unnest(p_arrays) with ordinality as u (value, n)
        group by place) as sums
$$;

-- The middle of such a distribution, in milliseconds, taken as even within a step; null: no turn.
create or replace function public.usage_median(p_first_audio bigint[])
returns int
language sql
immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select (low + (coalesce(high, low) - low) * (half - before) / value)::int
    from (
        select value, sum(value) over () / 2.0 as half,
            sum(value) over (order by n) - value as before,
            coalesce((public.usage_steps())[n - 1], 0) as low, (public.usage_steps())[n] as high
        from unnest(p_first_audio) with ordinality as u (value, n)
    ) as steps
    where value > 0 and half > 0 and before + value >= half
    order by before limit 1
$$;

-- The time zone that an agent's days are in: its business's if PostgreSQL knows it, else UTC.
create or replace function public.usage_zone(p_agent uuid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    zone text;
begin
    select b.business_timezone into zone from public.business_details b where b.voice_agent_id = p_agent;
    perform now() at time zone zone;
    return coalesce(zone, 'UTC');
exception when others then
    return 'UTC';
end;
$$;

-- How a call counts; all null where it does not: it is not over, or is a test, or has no real time.
-- What is odd in its metadata counts as nothing.
create or replace function public.usage_of(p_call public.call_logs, p_zone text)
returns public.usage_calls
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    counted public.usage_calls;
    turns jsonb;
    most constant numeric := 1e12;
begin
    if p_call.call_end is null or starts_with(p_call.call_sid, 'FT')
        or not isfinite(p_call.call_start) or not isfinite(p_call.call_end) then
        return null;
    end if;
    turns := case jsonb_typeof(p_call.metadata -> 'turns') when 'array' then p_call.metadata -> 'turns'
        else '[]' end;
    counted.call_log_id := p_call.id;
    counted.voice_agent_id := p_call.voice_agent_id;
    counted.day := (p_call.call_start at time zone p_zone)::date;
    counted.outcome := case p_call.status when 'completed' then 'answered'
        when 'transferred' then 'put_through' when 'voicemail' then 'voicemail'
        when 'no-answer' then 'no_answer' when 'failed' then 'failed' else 'other' end;
    counted.seconds := round(least(greatest(extract(epoch from
        coalesce(p_call.duration, p_call.call_end - p_call.call_start)), 0), most));
    counted.turns := jsonb_array_length(turns);
    select array_agg(coalesce(n, 0) order by step) into counted.first_audio
    from (
        select width_bucket(least(ms::numeric, most)::int8, public.usage_steps()::int8[]) as step,
            count(*) as n
        from jsonb_path_query(turns, '$[*].latency_ms.first_audio') as ms
        where jsonb_typeof(ms) = 'number'
        group by step
    ) as known right join generate_series(0, array_length(public.usage_steps(), 1)) as step using (step)
    having count(n) > 0;
    counted.input_tokens := case when jsonb_typeof(p_call.metadata #> '{usage,input_tokens}') = 'number'
        then least(greatest((p_call.metadata #>> '{usage,input_tokens}')::numeric, 0), most) else 0 end;
    counted.output_tokens := case when jsonb_typeof(p_call.metadata #> '{usage,output_tokens}') = 'number'
        then least(greatest((p_call.metadata #>> '{usage,output_tokens}')::numeric, 0), most) else 0 end;
    return counted;
exception when others then
    raise warning 'a call cannot be counted: SQLSTATE %', sqlstate;
    return null;
end;
$$;

-- Counts a call when it is over. Completed again with another outcome, what was counted is taken back
-- first: usage_calls has it, so that each call counts once.
create or replace function public.usage_count()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    fresh public.usage_calls;
    known public.usage_calls;
begin
    fresh := public.usage_of(new, public.usage_zone(new.voice_agent_id));
    loop
        select u.* into known from public.usage_calls u where u.call_log_id = new.id for update;
        exit when known.call_log_id is not null or fresh.call_log_id is null;
        insert into public.usage_calls select fresh.* on conflict do nothing;
        exit when found;
        -- A batch of call_backfill was first. Now its row is there.
    end loop;
    if known is not distinct from fresh then
        return null;
    end if;
    if known.call_log_id is not null and fresh.call_log_id is null then
        delete from public.usage_calls where call_log_id = new.id;
    elsif known.call_log_id is not null then
        update public.usage_calls set voice_agent_id = fresh.voice_agent_id, day = fresh.day,
            outcome = fresh.outcome, seconds = fresh.seconds, turns = fresh.turns,
            first_audio = fresh.first_audio, input_tokens = fresh.input_tokens,
            output_tokens = fresh.output_tokens
        where call_log_id = new.id;
    end if;
    insert into public.usage_deltas (sign, voice_agent_id, day, outcome, seconds, turns, first_audio,
        input_tokens, output_tokens)
    select s.sign, c.voice_agent_id, c.day, c.outcome, s.sign * c.seconds, s.sign * c.turns,
        case when c.first_audio is not null then array(
            select s.sign * u.v from unnest(c.first_audio) with ordinality u (v, n) order by u.n) end,
        s.sign * c.input_tokens, s.sign * c.output_tokens
    from (values (-1, known), (1, fresh)) as s (sign, counted)
    cross join lateral (select (s.counted).*) as c
    where c.call_log_id is not null;
    return null;
exception when others then
    raise warning 'a call is not counted: SQLSTATE %', sqlstate;
    return null;
end;
$$;

create or replace trigger usage_new after insert on public.call_logs
    for each row when (new.call_end is not null)
    execute function public.usage_count();
-- Every completion writes these columns, and little else does.
create or replace trigger usage_changed after update of call_end, status, duration on public.call_logs
    for each row when (coalesce(old.call_end, new.call_end) is not null
        and (old.call_end is distinct from new.call_end or old.status is distinct from new.status
            or old.duration is distinct from new.duration
            or old.metadata is distinct from new.metadata))
    execute function public.usage_count();

-- Sums up to p_limit rows of usage_deltas into usage_days, one caller at a time, and gives how many
-- rows those were.
create or replace function public.usage_fold(p_limit int)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    done bigint;
begin
    -- usage_rebuild's lock.
    if not pg_try_advisory_xact_lock(hashtextextended('frontdesk usage', 0)) then
        return 0;
    end if;
    with taken as (
        delete from public.usage_deltas where id in (
            select d.id from public.usage_deltas d order by d.id limit p_limit)
        returning *
    ), summed as (
        insert into public.usage_days as d (voice_agent_id, day, calls, answered, put_through,
            voicemail, no_answer, failed, seconds, turns, first_audio, input_tokens, output_tokens)
        select t.voice_agent_id, t.day, sum(t.sign),
            coalesce(sum(t.sign) filter (where t.outcome = 'answered'), 0),
            coalesce(sum(t.sign) filter (where t.outcome = 'put_through'), 0),
            coalesce(sum(t.sign) filter (where t.outcome = 'voicemail'), 0),
            coalesce(sum(t.sign) filter (where t.outcome = 'no_answer'), 0),
            coalesce(sum(t.sign) filter (where t.outcome = 'failed'), 0),
            sum(t.seconds), sum(t.turns),
            public.usage_sum(array_agg(t.first_audio) filter (where t.first_audio is not null)),
            sum(t.input_tokens), sum(t.output_tokens)
        from taken t join public.voice_agents a on a.id = t.voice_agent_id
        group by t.voice_agent_id, t.day
        on conflict (voice_agent_id, day) do update set
            calls = d.calls + excluded.calls, answered = d.answered + excluded.answered,
            put_through = d.put_through + excluded.put_through,
            voicemail = d.voicemail + excluded.voicemail,
            no_answer = d.no_answer + excluded.no_answer, failed = d.failed + excluded.failed,
            seconds = d.seconds + excluded.seconds, turns = d.turns + excluded.turns,
            first_audio = case when d.first_audio is null then excluded.first_audio
                when excluded.first_audio is null then d.first_audio
                else public.usage_sum(array[d.first_audio, excluded.first_audio]) end,
            input_tokens = d.input_tokens + excluded.input_tokens,
            output_tokens = d.output_tokens + excluded.output_tokens
    )
    select count(*) into done from taken;
    return done;
end;
$$;

-- What agents' days had, exactly: with what is not summed up yet.
create or replace function public.usage_by_day(p_agents uuid[], p_from date, p_to date)
returns setof public.usage_days
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select voice_agent_id, day, sum(calls)::bigint, sum(answered)::bigint, sum(put_through)::bigint,
        sum(voicemail)::bigint, sum(no_answer)::bigint, sum(failed)::bigint, sum(seconds)::bigint,
        sum(turns)::bigint,
        public.usage_sum(array_agg(first_audio) filter (where first_audio is not null)),
        sum(input_tokens)::bigint, sum(output_tokens)::bigint
    from (
        select * from public.usage_days
        where voice_agent_id = any (p_agents) and day between p_from and p_to
        union all
        select voice_agent_id, day, sign, case outcome when 'answered' then sign else 0 end,
            case outcome when 'put_through' then sign else 0 end,
            case outcome when 'voicemail' then sign else 0 end,
            case outcome when 'no_answer' then sign else 0 end,
            case outcome when 'failed' then sign else 0 end,
            seconds, turns, first_audio, input_tokens, output_tokens
        from public.usage_deltas
        where voice_agent_id = any (p_agents) and day between p_from and p_to
    ) as parts
    group by voice_agent_id, day
    having sum(calls) <> 0
    order by day, voice_agent_id
$$;

-- Counts all calls of an agent anew, also after its business's time zone changed; calls that were
-- deleted stay counted as they were. Gives how many days there are. New calls go on meanwhile; calls
-- that are over cannot be changed as long as it runs, so that none is counted by what it was.
create or replace function public.usage_rebuild(p_agent uuid)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    zone text := public.usage_zone(p_agent);
    days bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('frontdesk usage', 0));
    insert into public.usage_calls as u
    select c.* from (
        select l from public.call_logs l
        where l.voice_agent_id = p_agent and l.call_end is not null for share
    ) as calls (call), public.usage_of(calls.call, zone) as c
    where c.call_log_id is not null
    on conflict (call_log_id) do update set voice_agent_id = excluded.voice_agent_id,
        day = excluded.day, outcome = excluded.outcome, seconds = excluded.seconds,
        turns = excluded.turns, first_audio = excluded.first_audio,
        input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens
    where (u.voice_agent_id, u.day, u.outcome, u.seconds, u.turns, u.first_audio, u.input_tokens,
        u.output_tokens) is distinct from (excluded.voice_agent_id, excluded.day, excluded.outcome,
        excluded.seconds, excluded.turns, excluded.first_audio, excluded.input_tokens,
        excluded.output_tokens);
    delete from public.usage_days where voice_agent_id = p_agent;
    -- In one statement: a call that ends just now is in both of these tables or in neither.
    with known as (
        delete from public.usage_deltas where voice_agent_id = p_agent
    ), summed as (
        insert into public.usage_days
        select voice_agent_id, day, count(*), count(*) filter (where outcome = 'answered'),
            count(*) filter (where outcome = 'put_through'),
            count(*) filter (where outcome = 'voicemail'),
            count(*) filter (where outcome = 'no_answer'),
            count(*) filter (where outcome = 'failed'), sum(seconds), sum(turns),
            public.usage_sum(array_agg(first_audio) filter (where first_audio is not null)),
            sum(input_tokens), sum(output_tokens)
        from public.usage_calls where voice_agent_id = p_agent
        group by voice_agent_id, day
        returning 1
    )
    select count(*) into days from summed;
    return days;
end;
$$;

-- What was counted goes with the agent. No foreign key: each call that ends would lock the agent's
-- row for it.
create or replace function public.usage_drop()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from public.usage_calls where voice_agent_id = old.id;
    delete from public.usage_deltas where voice_agent_id = old.id;
    return null;
end;
$$;

create or replace trigger usage_drop after delete on public.voice_agents
    for each row execute function public.usage_drop();

-- Agents whose calls of before are still to be caught up with: those behind (before_start, before_id),
-- newest first. An agent that is done has no row.
create table if not exists public.call_backfills (
    voice_agent_id uuid primary key references public.voice_agents (id) on delete cascade,
    before_start timestamptz not null default 'infinity',
    before_id uuid not null default 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    batches bigint not null default 0
);
insert into public.call_backfills (voice_agent_id) select id from public.voice_agents
on conflict do nothing;

-- Catches up with up to p_limit calls of the agent that waits longest, and gives how many those were;
-- null: nothing is left, or others are at what is. What a trigger wrote since is left alone. The calls
-- are locked against being changed, so that what retention removes this moment does not come back.
create or replace function public.call_backfill(p_limit int)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    place record;
    zone text;
    done bigint;
    last_start timestamptz;
    last_id uuid;
begin
    select * into place from public.call_backfills
    order by batches, voice_agent_id limit 1 for update skip locked;
    if not found then
        return null;
    end if;
    zone := public.usage_zone(place.voice_agent_id);
    with batch as materialized (
        select l as call, l.id, l.call_start from public.call_logs l
        where l.voice_agent_id = place.voice_agent_id
            and (l.call_start, l.id) < (place.before_start, place.before_id)
        order by l.call_start desc, l.id desc limit p_limit for share
    ), spoken as (
        insert into public.call_words (call_log_id, voice_agent_id, call_start, words)
        select b.id, place.voice_agent_id, b.call_start, w.words
        from batch b, public.call_words_of((b.call).transcript, (b.call).summary) as w (words)
        where w.words <> ''
        on conflict do nothing
    ), counted as (
        insert into public.usage_calls
        select c.* from batch b, public.usage_of(b.call, zone) as c where c.call_log_id is not null
        on conflict do nothing
        returning *
    ), told as (
        insert into public.usage_deltas (sign, voice_agent_id, day, outcome, seconds, turns,
            first_audio, input_tokens, output_tokens)
        select 1, voice_agent_id, day, outcome, seconds, turns, first_audio, input_tokens,
            output_tokens
        from counted
    )
    select count(*), (array_agg(call_start order by call_start, id))[1],
        (array_agg(id order by call_start, id))[1]
    into done, last_start, last_id from batch;
    if done < p_limit then
        delete from public.call_backfills where voice_agent_id = place.voice_agent_id;
    else
        update public.call_backfills set before_start = last_start, before_id = last_id,
            batches = batches + 1
        where voice_agent_id = place.voice_agent_id;
    end if;
    perform public.usage_fold(2 * p_limit);
    return done;
end;
$$;

do $$
declare
    target text;
    role_name name;
begin
    foreach target in array array['call_words', 'usage_calls', 'usage_deltas', 'usage_days',
        'call_backfills'] loop
        execute format('alter table public.%I enable row level security', target);
        for role_name in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
            execute format('revoke all on public.%I from %I', target, role_name);
        end loop;
    end loop;
    foreach target in array array['words_small(text)', 'words_only(text)', 'words_query(text)', 'call_words_of(text, jsonb)', 'call_words_keep()', 'usage_steps()',
        'usage_sum(bigint[])', 'usage_median(bigint[])', 'usage_zone(uuid)',
        'usage_of(public.call_logs, text)', 'usage_count()', 'usage_fold(int)',
        'usage_by_day(uuid[], date, date)', 'usage_rebuild(uuid)', 'usage_drop()',
        'call_backfill(int)'] loop
        perform public.withhold_from_public_roles(('public.' || target)::regprocedure);
    end loop;
end $$;
