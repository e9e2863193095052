-- name: write
subscribed as (
    insert into subscriptions (run, path, n, tenant, shape, key)
    select s.run, s.path, s.n, s.tenant, s.shape, s.key
    from {subscriptions} as s
    join done d on d.id = s.run
    on conflict (run, path, n) do update set shape = excluded.shape, key = excluded.key
),
unsubscribed as (
    delete from subscriptions s using {removed_subscriptions} as g, done d
    where s.run = g.run and s.path = g.path and d.id = g.run
)
