-- name: open_secrets
select name, sealed, sealed_with, hosts from secrets where tenant = $1 and name = any($2::text[])
