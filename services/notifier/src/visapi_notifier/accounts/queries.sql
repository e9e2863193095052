-- name: open_secrets
select name, sealed, hosts from secrets where tenant = $1 and name = any($2::text[])
