-- Roles and databases of an embedded cluster, made by its superuser. `create role` and
-- `create database` take no parameters, therefore each block returns the statement to run.

-- name: role_statement
select format(
    case when exists (select 1 from pg_roles where rolname = $1)
        then 'alter role %I with login password %L'
        else 'create role %I with login password %L'
    end, $1::text, $2::text)

-- name: database_exists
select exists (select 1 from pg_database where datname = $1)

-- name: create_database_statement
select format('create database %I owner %I template %I', $1::text, $2::text, $3::text)

-- name: close_database_statement
select format('revoke connect, temporary on database %I from public', $1::text)

-- name: open_database_statement
select format('grant connect on database %I to %I', $1::text, $2::text)

-- name: drop_database_statement
select format('drop database if exists %I with (force)', $1::text)
