-- Which runs receive an event.

-- name: hold_listeners
-- Of some tenants those whose schedules keep their listeners until this transaction ends. A deployment that
-- replaces a listener excludes it (gateway, schedules/queries.sql); this transaction waits for no deployment.
select t.tenant from unnest($1::text[]) as t (tenant)
where pg_try_advisory_xact_lock_shared(hashtextextended('visapi.listeners/' || t.tenant, 0))

-- name: wait_for_listeners
-- As above, after the deployments that were first: the queue of a lock is fair, so that a tenant that deploys without end delays this
-- transaction by the deployments under way, and not for ever.
select
    set_config('lock_timeout', '1s', true),
    (
        select count(pg_advisory_xact_lock_shared(hashtextextended('visapi.listeners/' || t.tenant, 0)))
        from unnest($1::text[]) as t (tenant)
    )

-- name: shapes
-- The distinct shapes of some tenants: one probe of subscriptions_by_key per shape (a loose index scan),
-- however many subscriptions there are. And, as `run`, the listeners of their schedules that have not subscribed yet; those
-- that have are among the shapes, as both are read in one snapshot.
with recursive shapes as (
    (
        select t.tenant, s.shape
        from unnest($1::text[]) as t (tenant)
        cross join lateral (
            select shape from subscriptions where tenant = t.tenant order by shape limit 1
        ) as s
    )
    union all
    select h.tenant, n.shape
    from shapes h
    cross join lateral (
        select shape from subscriptions where tenant = h.tenant and shape > h.shape order by shape limit 1
    ) as n
)
select tenant, shape, null::uuid as run from shapes
union all
select l.tenant, null, l.run
from schedule_listeners l join runs r on r.id = l.run
where l.tenant = any($1::text[]) and r.revision = 0

-- name: tell_listeners
-- $1 to $4: an event's tenant, inbox key, body and time of arrival; $5 and $6: the run of a lifecycle event, which
-- never receives it, and that run's parent, which does not either. $7 to $9: an event's place, and a shape and key of it. $10: listeners that had not
-- subscribed. $11: whether an event is of a test run or a test key, and reaches test runs only.
-- One row per run and event; a run reads them in the order in which the events came.
-- Quiet runs listen for schedules. Of those only the listener of the highest version receives events, so an event
-- starts a workflow once. A listener that had not subscribed receives every event of its tenant; it consumes
-- those that its schedule names.
-- Since a tenant is disabled its events reach runs that wait for them, and start no workflow.
with events as materialized (
    select * from unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[], $5::uuid[], $6::uuid[], $11::boolean[])
        with ordinality as e (tenant, inbox_key, body, came_at, about, parent, test, place)
), meant as (
    select p.place, s.run
    from unnest($7::bigint[], $8::text[], $9::bytea[]) as p (place, shape, key)
    join events e on e.place = p.place
    join subscriptions s on s.tenant = e.tenant and s.shape = p.shape and s.key = p.key
    union
    select e.place, r.id
    from runs r join events e on e.tenant = r.tenant
    where r.id = any($10::uuid[])
), heard as (
    select m.run, e.tenant, e.inbox_key, e.body, e.place
    from meant m
    join events e on e.place = m.place
    join runs r on r.id = m.run
    where m.run is distinct from e.about and m.run is distinct from e.parent and (r.test or not e.test)
        and (
            not r.quiet
            or (
                exists (
                    select from schedule_listeners l
                    where l.tenant = r.tenant and l.namespace = r.namespace and l.name = r.name and l.run = r.id
                )
                and not exists (
                    select from tenants off
                    where off.id = r.tenant and off.disabled_at <= coalesce(e.came_at, 'infinity')
                )
            )
        )
)
insert into inbox (run, key, tenant, kind, body, created_at, sweep_at)
select run, inbox_key, tenant, 'event', body, now() + place * interval '1 microsecond', now() + interval '2 seconds'
from heard
order by run, place
on conflict do nothing
returning run
