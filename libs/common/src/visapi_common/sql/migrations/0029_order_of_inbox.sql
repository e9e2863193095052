-- The order in which a run's inbox was written. Rows of one transaction have one `created_at`, and every
-- command has a row of its own, so a key cannot tell which of two came first.
alter table inbox add column seq bigint generated always as identity;
