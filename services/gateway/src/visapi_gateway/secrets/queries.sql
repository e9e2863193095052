-- Secrets: written, named, removed; the gateway has no right to read what is sealed.

-- name: add_secret
insert into secrets (tenant, name, sealed, hosts, updated_by, sealed_with) values ($1, $2, $3, $4, $5, $6)
on conflict do nothing returning name, hosts, updated_at, updated_by

-- name: replace_secret
-- Not `on conflict do update`: that would need the right to read what is sealed.
update secrets set sealed = $3, hosts = $4, updated_by = $5, sealed_with = $6, updated_at = now()
where tenant = $1 and name = $2
returning name, hosts, updated_at, updated_by

-- name: lock_secret
-- Also where there is no row yet.
select pg_advisory_xact_lock(hashtextextended('visapi.secret/' || $1::text || '/' || $2::text, 0))

-- name: one_secret
select name, hosts, updated_at, updated_by from secrets where tenant = $1 and name = $2

-- name: list_secrets
select name, hosts, updated_at, updated_by from secrets
where tenant = $1 and ($2::text is null or name > $2)
order by name limit $3

-- name: remove_secret
delete from secrets where tenant = $1 and name = $2
