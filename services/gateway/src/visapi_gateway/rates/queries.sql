-- Rates: what is stored of them, and what the gateways lease. The tables have no row policies: a gateway leases for the
-- keys of all tenants, and every query that is asked for a tenant names the tenant.

-- name: all_rates
-- Without those of keys that gateways no longer hold (`all_keys`).
select tenant, subject, per_s, burst, runs_per_day, runs_per_month, keys
from rates r
where r.subject not like 'key:%' or exists (
    select from api_keys k
    where k.id = substr(r.subject, 5)
        and coalesce(k.expires_at, 'infinity') > now() - interval '1 hour'
        and (k.may_return or coalesce(k.disabled_at, 'infinity') > now() - interval '1 hour')
)
order by tenant, subject

-- name: lease_rates
-- Grants tokens of many rates, in one order, so that two gateways never wait for each other in a circle. `granted` of
-- the row to insert is what is wanted, at most the burst. The number of GCRA is at most a window ahead of the clock,
-- also after the clock was put back. `rules/gcra.py` decides alike.
with clock as materialized (select clock_timestamp() as at)
insert into rate_leases as l (tenant, subject, arrival, leased_at, step_s, burst, granted)
select w.tenant, w.subject, clock.at + least(w.wanted, w.burst) * w.step_s * interval '1 second', clock.at,
    w.step_s, w.burst, least(w.wanted, w.burst)
from clock, unnest($1::text[], $2::text[], $3::int[], $4::float8[], $5::int[])
    as w (tenant, subject, wanted, step_s, burst)
order by w.tenant, w.subject
on conflict (tenant, subject) do update
set leased_at = excluded.leased_at, step_s = excluded.step_s, burst = excluded.burst,
    (granted, arrival) = (
        select g.granted, b.base + g.granted * excluded.step_s * interval '1 second'
        from (
            select least(
                greatest(l.arrival, excluded.leased_at),
                excluded.leased_at + excluded.burst * excluded.step_s * interval '1 second'
            ) as base
        ) as b
        cross join lateral (
            select greatest(0, least(excluded.granted, floor(
                excluded.burst + 1e-6 - extract(epoch from b.base - excluded.leased_at) / excluded.step_s
            )::int)) as granted
        ) as g
    )
returning l.tenant, l.subject, l.granted, (extract(epoch from l.arrival - l.leased_at) / l.step_s)::float8 as used

-- name: lease_quotas
-- Grants runs of many quotas, in one order. A period begins with its first lease, by the clock of the database, in UTC;
-- a clock that was put back begins none anew.
with clock as materialized (select clock_timestamp() at time zone 'utc' as at)
insert into quota_leases as l (tenant, subject, period, began, used, most, granted)
select w.tenant, w.subject, w.period, date_trunc(w.period, clock.at)::date, least(w.wanted, w.most), w.most,
    least(w.wanted, w.most)
from clock, unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
    as w (tenant, subject, period, wanted, most)
order by w.tenant, w.subject, w.period
on conflict (tenant, subject, period) do update
set began = greatest(l.began, excluded.began), most = excluded.most,
    (granted, used) = (
        select g.granted, b.used + g.granted
        from (select case when l.began < excluded.began then 0 else l.used end as used) as b
        cross join lateral (
            select greatest(0, least(excluded.granted, excluded.most - b.used)) as granted
        ) as g
    )
returning l.tenant, l.subject, l.period, l.granted, greatest(0, l.most - l.used) as left, l.began,
    extract(epoch from
        l.began + ('1 ' || l.period)::interval - clock_timestamp() at time zone 'utc'
    )::float8 as ends_in_s

-- name: return_quotas
-- Runs that were leased and did not start, where their period goes on. The rows are locked in the order of
-- `lease_quotas`.
with r as materialized (
    select * from unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::bigint[])
        as r (tenant, subject, period, began, runs)
),
held as materialized (
    select o.tenant from quota_leases o join r using (tenant, subject, period)
    order by o.tenant, o.subject, o.period for update of o
)
update quota_leases l
set used = greatest(0, l.used - r.runs)
from r
where (select count(*) from held) > 0
    and l.tenant = r.tenant and l.subject = r.subject and l.period = r.period and l.began = r.began

-- name: sweep_rate_leases
-- A rate that nobody used for a day has all of its tokens, with a row or without.
delete from rate_leases where ctid = any (array(
    select ctid from rate_leases where arrival < now() - interval '1 day' limit $1 for update skip locked
))

-- name: sweep_quota_leases
-- Periods that ended long ago.
delete from quota_leases where ctid = any (array(
    select ctid from quota_leases where began < (now() at time zone 'utc')::date - 62 limit $1 for update skip locked
))

-- name: sweep_rates
-- Rates of keys that were deleted.
delete from rates r where r.ctid = any (array(
    select o.ctid from rates o
    where o.subject like 'key:%' and not exists (select from api_keys k where k.id = substr(o.subject, 5))
    limit $1 for update skip locked
))

-- name: sweep_names
-- Ids of deleted keys that still stand under a name.
update rates r
set keys = array(
    select k.id from unnest(r.keys) with ordinality as k (id, n)
    where exists (select from api_keys a where a.id = k.id) order by k.n
)
where r.ctid = any (array(
    select o.ctid from rates o
    where o.subject like 'name:%' and exists (
        select from unnest(o.keys) as k (id) where not exists (select from api_keys a where a.id = k.id)
    )
    limit $1 for update skip locked
))

-- name: one_rate
select subject, per_s, burst, runs_per_day, runs_per_month, keys, updated_at, updated_by
from rates where tenant = $1 and subject = $2

-- name: lock_rate
-- Also where there is no row yet.
select pg_advisory_xact_lock(hashtextextended('visapi.rate/' || $1::text || '/' || $2::text, 0))

-- name: locked_rate
-- The row's own lock is for a rotation of a key, which adds the successor to the keys of the rate.
select subject, per_s, burst, runs_per_day, runs_per_month, keys, updated_at, updated_by
from rates where tenant = $1 and subject = $2 for no key update

-- name: list_rates
select subject, per_s, burst, runs_per_day, runs_per_month, keys, updated_at, updated_by
from rates where tenant = $1 and ($2::text is null or subject > $2) order by subject limit $3

-- name: put_rate
insert into rates (tenant, subject, per_s, burst, runs_per_day, runs_per_month, keys, updated_by)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (tenant, subject) do update
set per_s = excluded.per_s, burst = excluded.burst, runs_per_day = excluded.runs_per_day,
    runs_per_month = excluded.runs_per_month, keys = excluded.keys, updated_by = excluded.updated_by,
    updated_at = now()
returning updated_at, xmax = 0 as fresh

-- name: remove_rate
delete from rates where tenant = $1 and subject = $2 returning subject

-- name: privileges
-- What those of the keys may do that the tenant has.
select id, kind, scopes from api_keys where tenant = $1 and id = any ($2::text[])

-- name: crowded_key
-- A key that stands under more names than $2.
select k.id from rates r cross join unnest(r.keys) as k (id)
where r.tenant = $1 and r.subject like 'name:%'
group by k.id having count(*) > $2 limit 1

-- name: inherit_own
-- A successor ($3) of a key ($2) has the rates of the key.
insert into rates (tenant, subject, per_s, burst, runs_per_day, runs_per_month, updated_by)
select tenant, 'key:' || $3, per_s, burst, runs_per_day, runs_per_month, updated_by
from rates where tenant = $1 and subject = 'key:' || $2
on conflict do nothing

-- name: inherit_names
update rates set keys = array_append(keys, $3::text)
where tenant = $1 and subject like 'name:%' and $2::text = any (keys)
