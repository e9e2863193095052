-- What builds indexes while others write (`index_builds.py`). Names are looked up in the schema `visapi`, by the
-- session's `search_path`.

-- name: wait_long
-- A concurrent build lets everybody write, also while it waits for a lock or for older transactions; nothing that an
-- operator has set for the role may end it.
select set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false)

-- name: wait_shortly
set local lock_timeout = '500ms'

-- name: index
select i.indisvalid as valid, i.indrelid::regclass::text as "table"
from pg_index i where i.indexrelid = to_regclass($1)

-- name: partitioned
select relkind = 'p' from pg_class where oid = to_regclass($1)

-- name: partitions
-- Those of `table`, each with the index that is attached to `name`.
select c.relname as partition, (
    select x.relname from pg_inherits h join pg_index i on i.indexrelid = h.inhrelid
    join pg_class x on x.oid = i.indexrelid
    where h.inhparent = to_regclass($2) and i.indrelid = c.oid
) as index
from pg_inherits p join pg_class c on c.oid = p.inhrelid
where p.inhparent = to_regclass($1)
order by c.relname
