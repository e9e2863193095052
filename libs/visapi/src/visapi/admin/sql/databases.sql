-- Roles and databases. `create role` and `create database` take no parameters, therefore the blocks named `…_statement`
-- return the statement to run.

-- name: self
select rolname as name, rolsuper as superuser, rolsuper or rolcreaterole as creates_roles
from pg_roles where rolname = current_user

-- name: role
select rolcanlogin as may_login, rolsuper as superuser, rolbypassrls as bypasses_policies
from pg_roles where rolname = $1

-- name: role_statement
select format(
    case when exists (select 1 from pg_roles where rolname = $1)
        then 'alter role %I with login password %L'
        else 'create role %I with login password %L'
    end, $1::text, $2::text)

-- name: join_statement
-- Creating a database for a role needs the right to become that role, which the creator of the role does not have at
-- first since PostgreSQL 16.
select format(
    case when current_setting('server_version_num')::int >= 160000
        then 'grant %I to current_user with set true'
        else 'grant %I to current_user'
    end, $1::text)
where not pg_has_role(current_user, $1::text,
    case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end)

-- name: database_exists
select exists (select 1 from pg_database where datname = $1)

-- name: create_database_statement
select format('create database %I owner %I template %I', $1::text, $2::text, $3::text)

-- name: owns_database
select pg_has_role(current_user, datdba, 'usage') from pg_database where datname = $1

-- name: may_connect
select has_database_privilege($2::text, $1::text, 'connect')

-- name: close_database_statement
select format('revoke connect, temporary on database %I from public', $1::text)

-- name: open_database_statement
select format('grant connect on database %I to %I', $1::text, $2::text)
