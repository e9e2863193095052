-- Effects of class once that a worker began under a claim, and that were given up without an answer: the timeout
-- of their task came first. A later attempt at such an effect is uncertain. The rows go with their run.
create table started_effects (
    run uuid not null,
    effect_key text not null,
    given_up_at timestamptz not null default now(),
    primary key (run, effect_key)
);
