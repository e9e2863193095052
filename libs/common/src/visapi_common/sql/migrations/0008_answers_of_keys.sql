-- Where the result of the request is found that an Idempotency-Key stands for, beside runs. Null: from before.
alter table idempotency add column answer text;
