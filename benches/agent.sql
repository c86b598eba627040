-- The agent that scripts/bench calls, in a database that has been migrated. Whatever is asked, some
-- passages are similar enough.
insert into auth.users (id, email)
values ('b0000000-0000-4000-8000-000000000001', 'bench@example.com');

insert into public.customer (uuid, email, username, company, plan_id)
values ('b0000000-0000-4000-8000-000000000001', 'bench@example.com', 'Bench', 'Bench', 1);

insert into public.voice_agents (id, name, created_by, twilio_phone_number, private_settings)
values (
    'b0000000-0000-4000-8000-000000000002', 'Bench',
    'b0000000-0000-4000-8000-000000000001', '+15559870002',
    '{"greeting": "Hello, how can I help you today?", "language": "en",
      "limits": {"concurrent_calls": 10000}, "knowledge": {"min_similarity": 0}}'
);
