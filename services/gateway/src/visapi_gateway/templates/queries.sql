-- Templates and their versions. A version is added and never changed.

-- name: add_template
insert into templates (tenant, name, kind) values ($1, $2, $3) on conflict do nothing

-- name: template_kind
select kind from templates where tenant = $1 and name = $2

-- name: lock_template
select kind, latest, retired_at is not null as retired from templates where tenant = $1 and name = $2 for update

-- name: add_version
insert into template_versions (tenant, name, version, sha256, size, default_locale, locales, description, created_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: set_latest
update templates set latest = $3, retired_at = null where tenant = $1 and name = $2

-- name: retire
update templates set retired_at = now() where tenant = $1 and name = $2

-- name: newest
select v.name, t.kind, v.version, encode(v.sha256, 'hex') as sha256, v.size, v.default_locale, v.locales, v.description,
    v.created_at, v.created_by
from templates t join template_versions v on v.tenant = t.tenant and v.name = t.name and v.version = t.latest
where t.tenant = $1 and t.name = $2 and t.retired_at is null

-- name: one_version
select v.name, t.kind, v.version, encode(v.sha256, 'hex') as sha256, v.size, v.default_locale, v.locales, v.description,
    v.created_at, v.created_by
from template_versions v join templates t on t.tenant = v.tenant and t.name = v.name
where v.tenant = $1 and v.name = $2 and v.version = $3

-- name: list_templates
select v.name, t.kind, v.version, encode(v.sha256, 'hex') as sha256, v.size, v.default_locale, v.locales, v.description,
    v.created_at, v.created_by
from templates t join template_versions v on v.tenant = t.tenant and v.name = t.name and v.version = t.latest
where t.tenant = $1 and t.retired_at is null and ($2::text is null or t.name > $2)
order by t.name limit $3

-- name: list_versions
select v.name, t.kind, v.version, encode(v.sha256, 'hex') as sha256, v.size, v.default_locale, v.locales, v.description,
    v.created_at, v.created_by
from template_versions v join templates t on t.tenant = v.tenant and t.name = v.name
where v.tenant = $1 and v.name = $2 and ($3::integer is null or v.version < $3)
order by v.version desc limit $4
