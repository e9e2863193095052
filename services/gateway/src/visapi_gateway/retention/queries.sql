-- Retention policies: how long ended runs are kept, by namespace.

-- name: policy
select namespace, c.days, p.updated_at, p.updated_by
from retention_policies p join retention_classes c on c.name = p.class
where p.tenant = $1 and p.namespace = $2

-- name: lock_policy
-- Also where there is no row yet.
select pg_advisory_xact_lock(hashtextextended('visapi.retention/' || $1::text || '/' || $2::text, 0))

-- name: policies
select namespace, c.days, p.updated_at, p.updated_by
from retention_policies p join retention_classes c on c.name = p.class
where p.tenant = $1 and ($2::text is null or p.namespace > $2)
order by p.namespace limit $3

-- name: default_days
select days from retention_classes where name = 'standard'

-- name: make_class
select make_retention_class($1)

-- name: make_table
select make_retention_table($1, $2)

-- name: set_policy
insert into retention_policies (tenant, namespace, class, updated_by) values ($1, $2, $3, $4)
on conflict (tenant, namespace) do update
set class = excluded.class, updated_by = excluded.updated_by, updated_at = now()
returning updated_at, xmax = 0 as fresh

-- name: reset_policy
delete from retention_policies where tenant = $1 and namespace = $2 returning namespace
