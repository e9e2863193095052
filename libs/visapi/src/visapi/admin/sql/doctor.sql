-- What `visapi admin doctor` asks PostgreSQL.

-- name: server
select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
    pg_is_in_recovery() as standby, clock_timestamp() as now,
    (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as tls,
    current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('synchronous_standby_names') as synchronous_standbys,
    (select count(*) from pg_stat_replication) as standbys,
    current_setting('max_connections')::int as connections_max,
    (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections

-- name: roles
select wanted.name, r.rolname is not null as there, coalesce(r.rolcanlogin, false) as may_login,
    coalesce(r.rolsuper or r.rolbypassrls, false) as sees_all,
    r.rolname is not null and has_database_privilege(r.rolname, current_database(), 'connect') as may_connect
from unnest($1::text[]) as wanted (name)
left join pg_roles r on r.rolname = wanted.name

-- name: rights
select has_table_privilege('visapi_gateway', 'visapi.runs', 'insert')
    and has_table_privilege('visapi_orchestrator', 'visapi.runs', 'update')
    and has_table_privilege('visapi_notifier', 'visapi.deliveries', 'insert')
    and not has_table_privilege('visapi_gateway', 'visapi.tasks', 'delete')
