-- The first row is the current version; a second row is the version that overlaps the current one.

-- name: named_account
select a.name, a.kind, v.version, v.id, v.settings, v.sealed, v.sealed_with
from accounts a
join account_versions v on v.tenant = a.tenant and v.name = a.name
    and (v.version = a.version or (v.version = a.overlap_version and a.overlap_until > now()))
where a.tenant = $1 and a.name = $2
order by v.version = a.version desc

-- name: default_account
select a.name, a.kind, v.version, v.id, v.settings, v.sealed, v.sealed_with
from accounts a
join account_versions v on v.tenant = a.tenant and v.name = a.name
    and (v.version = a.version or (v.version = a.overlap_version and a.overlap_until > now()))
where a.tenant = $1 and a.kind = $2 and a.is_default
order by v.version = a.version desc
