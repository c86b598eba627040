-- Who invited somebody whose account an invitation made, for accounts from before 0043: whoever is the only
-- one to have invited them to that agent, or to have made a one-time link for them, as the audit log has it
-- (0024; nothing of it is ever removed). Where that is several people, or nobody who is known, it stays null.

-- Whoever answers calls waits behind this, which waits behind whoever reads.
set local lock_timeout = '5s';
-- A managed server's limit on statements is for queries, not for reading the whole log.
set local statement_timeout = 0;

update public.customer c set invited_by = first.actor
from (
    select l.voice_agent_id, l.object, (array_agg(l.actor))[1] as actor
    from public.audit_log l
    where l.action in ('access.invite', 'access.link') and l.object is not null
    group by l.voice_agent_id, l.object
    having count(distinct l.actor) = 1 and bool_and(l.actor is not null)
) as first
where c.invited_to = first.voice_agent_id and c.invited_by is null
    and first.object = 'person ' || c.uuid::text;
