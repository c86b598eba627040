-- The words in which appointments of before were agreed. In a transaction of its own, so that nobody
-- who books waits for it; from the few appointments to their calls, of which there are many.
set local statement_timeout = 0;

-- Rows of before, as far as the calls still know the words.
with known as (
    select a.id, format(' Agent: "%s" Caller: "%s"', x.e ->> 'agent', x.e ->> 'caller') as words
    from public.appointments a
    join public.call_logs l on l.id = public.extracting_call(a.booking_key)
    cross join lateral (
        select l.metadata -> 'extracted_appointments'
            -> (split_part(a.booking_key, ':', 3)::int - 1) as e
    ) x
    where a.is_extracted and a.quotation is null
)
update public.appointments a set quotation = known.words
from known
where a.id = known.id and strpos(a.special_notes, known.words) > 0;

-- Calls whose words are gone already.
update public.appointments a
set special_notes = public.appointment_unquoted(a.special_notes, a.quotation), quotation = null
from public.call_logs l
where a.is_extracted and l.id = public.extracting_call(a.booking_key)
    and l.metadata -> 'removed' ->> 'transcript' is not null
    and (a.quotation is not null
        or a.special_notes <> public.appointment_unquoted(a.special_notes, a.quotation));
