-- Accounts: written, shown without credentials, removed; the gateway has no right to read what is sealed.

-- name: lock_accounts
-- Changes of a tenant's accounts wait for one another, so that at most one account of a kind is the default.
select pg_advisory_xact_lock(hashtextextended('visapi.accounts/' || $1::text, 0))

-- name: leave_default
update accounts set is_default = false where tenant = $1 and kind = $2 and name <> $3 and is_default

-- name: put_account
-- Nothing is returned for an account of another kind.
insert into accounts (tenant, name, kind, is_default, created_by, updated_by) values ($1, $2, $3, $4, $5, $5)
on conflict (tenant, name) do update
set is_default = excluded.is_default, version = accounts.latest + 1, latest = accounts.latest + 1,
    overlap_version = null, overlap_until = null, updated_at = now(), updated_by = excluded.updated_by
where accounts.kind = excluded.kind
returning version

-- name: add_version
insert into account_versions (tenant, name, version, id, settings, shown, sealed, sealed_with, created_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: forget_versions
-- All but the newest versions, the current one and the version that overlaps the current one.
delete from account_versions v using accounts a
where v.tenant = $1 and v.name = $2 and a.tenant = $1 and a.name = $2
    and v.version <= a.latest - $3 and v.version <> a.version and v.version is distinct from a.overlap_version

-- name: rotate_account
update accounts a
set version = a.latest + 1, latest = a.latest + 1,
    overlap_version = case when $4::integer > 0 then before.version end,
    overlap_until = case when $4 > 0 then now() + make_interval(secs => $4) end,
    updated_at = now(), updated_by = $5
from (select version from accounts where tenant = $1 and name = $2 and kind = $3) as before
where a.tenant = $1 and a.name = $2 and a.kind = $3
returning a.version as now, before.version as before

-- name: version_settings
select settings from account_versions where tenant = $1 and name = $2 and version = $3

-- name: confirm_account
update accounts set overlap_version = null, overlap_until = null, updated_at = now(), updated_by = $3
where tenant = $1 and name = $2
returning version

-- name: roll_back
-- $3: the version to use; null is the one before the current one.
update accounts a
set version = v.version, overlap_version = null, overlap_until = null, updated_at = now(), updated_by = $4
from (
    select v.version from account_versions v join accounts a on a.tenant = v.tenant and a.name = v.name
    where v.tenant = $1 and v.name = $2
        and case when $3::integer is null then v.version < a.version else v.version = $3 end
    order by v.version desc limit 1
) as v
where a.tenant = $1 and a.name = $2
returning a.version

-- name: list_accounts
-- $2: the account of this name alone; $3: the accounts after this name.
select a.name, a.kind, a.is_default, a.version, a.overlap_version, a.overlap_until, a.created_at, a.created_by,
    a.updated_at, a.updated_by, v.settings, v.shown, a.overlap_until > now() as overlaps
from accounts a
join account_versions v on v.tenant = a.tenant and v.name = a.name and v.version = a.version
where a.tenant = $1 and ($2::text is null or a.name = $2) and ($3::text is null or a.name > $3)
order by a.name limit $4

-- name: list_versions
select v.version, v.settings, v.shown, v.created_at, v.created_by, v.version = a.version as is_current,
    v.version = a.overlap_version and a.overlap_until > now() as overlaps
from account_versions v join accounts a on a.tenant = v.tenant and a.name = v.name
where v.tenant = $1 and v.name = $2
order by v.version desc

-- name: remove_account
-- The versions are deleted with their account.
delete from accounts where tenant = $1 and name = $2 returning name
