-- 10,000 clustered vectors, and questions near their centres: 200 centres, each coordinate within
-- half a unit, and noise of half that. `passages` names a table of an agent that does not exist;
-- the questions are a temporary table, `asked`, of the session that reads this.
select create_embeddings_table(:'passages');
drop index :"index";
select setseed(0.7);

create temp table centres as
select n, (select array_agg(random() - 0.5) from generate_series(1, 1536) where n is not null) as centre
from generate_series(0, 199) n;

insert into :"passages" (content, embedding)
select 'Passage ' || passages.n, (
    select array_agg((value + 0.5 * (random() - 0.5))::real)
    from unnest(c.centre) value where passages.n is not null
)::vector
from generate_series(0, 9999) passages (n) join centres c on c.n = passages.n % 200;

create temp table asked as
select asked.n, (
    select array_agg((value + 0.5 * (random() - 0.5))::real)
    from unnest(c.centre) value where asked.n is not null
)::vector as e
from generate_series(0, :questions - 1) asked (n) join centres c on c.n = asked.n % 200;

-- Built afterwards, which is faster.
set maintenance_work_mem = '256MB';
select create_embeddings_table(:'passages');
analyze :"passages";
