"""`sql/schema.sql` is the schema that the migrations make; a database that other migrations made is refused.

After a change, `VISAPI_TEST_FREEZE=1 .venv/bin/pytest tests/contract/test_schema.py` writes the file anew.
"""

import os
import re
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

import asyncpg
import pytest

from kit.ledger_rows import lose, overwrite, plant
from kit.servers import Database
from visapi_common.adapters.migrate import BASELINE, apply_migrations
from visapi_common.core.errors import PermanentFault

SCHEMA = Path(str(resources.files("visapi_common"))) / "sql" / "schema.sql"
QUALIFIER = re.compile(r"(?<!')\bvisapi\.(?=\w)")
HEAD = """-- What the migrations and `roles.sql` make, for the reader: generated, nobody applies this file. Partitions by day are
-- left out. `VISAPI_TEST_FREEZE=1 .venv/bin/pytest tests/contract/test_schema.py` writes the file anew.
"""

TABLES = """
select c.oid, c.relname as name, c.reloptions as options, pg_get_partkeydef(c.oid) as partitioned,
    array(
        select format('%I %s%s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
            case when a.attstorage = 'e' and t.typstorage <> 'e' then ' storage external' end,
            case when l.collname is not null and l.collname <> 'default' then format(' collate %I', l.collname) end,
            case when a.attidentity = 'a' then ' generated always as identity'
                when d.oid is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid) end,
            case when a.attnotnull then ' not null' end)
        from pg_attribute a
        join pg_type t on t.oid = a.atttypid
        left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
        left join pg_collation l on l.oid = a.attcollation
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum
    ) as columns,
    array(
        select pg_get_constraintdef(k.oid) from pg_constraint k
        where k.conrelid = c.oid and k.contype <> 'n' order by k.contype <> 'p', k.conname
    ) as constraints,
    array(
        select pg_get_indexdef(i.indexrelid) from pg_index i
        where i.indrelid = c.oid and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
        order by i.indexrelid::regclass::text
    ) || array(
        select pg_get_triggerdef(t.oid) from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal order by 1
    ) || array(
        select format('alter table %I enable row level security', c.relname) where c.relrowsecurity
    ) || array(
        select format('alter table %I force row level security', c.relname) where c.relforcerowsecurity
    ) || array(
        select format('create policy %I on %I%s%s to %s using (%s)%s', p.polname, c.relname,
            case when not p.polpermissive then ' as restrictive' end,
            case p.polcmd when 'r' then ' for select' when 'a' then ' for insert' when 'w' then ' for update'
                when 'd' then ' for delete' end,
            (select string_agg(r.rolname, ', ') from pg_roles r where r.oid = any (p.polroles)),
            pg_get_expr(p.polqual, c.oid), ' with check (' || pg_get_expr(p.polwithcheck, c.oid) || ')')
        from pg_policy p where p.polrelid = c.oid order by p.polname
    ) || array(
        select format('grant %s on %I to %s', string_agg(lower(g.privilege_type), ', ' order by g.privilege_type),
            c.relname, r.rolname)
        from aclexplode(c.relacl) g join pg_roles r on r.oid = g.grantee
        where g.grantee <> c.relowner group by r.rolname order by r.rolname
    ) || array(
        select format('grant %s (%s) on %I to %s', lower(g.privilege_type),
            string_agg(a.attname, ', ' order by a.attnum), c.relname, r.rolname)
        from pg_attribute a cross join aclexplode(a.attacl) g join pg_roles r on r.oid = g.grantee
        where a.attrelid = c.oid group by r.rolname, g.privilege_type order by r.rolname, g.privilege_type
    ) as rest
from pg_class c
where c.relnamespace = 'visapi'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
order by c.relname
"""
PARTITIONS = """
select format('create table %I partition of %s %s%s', c.relname, i.inhparent::regclass,
    pg_get_expr(c.relpartbound, c.oid), ' partition by ' || pg_get_partkeydef(c.oid))
from pg_class c join pg_inherits i on i.inhrelid = c.oid
where c.relnamespace = 'visapi'::regnamespace and c.relkind in ('r', 'p') and c.relname !~ '_[0-9]{8}$'
order by c.relname
"""
FUNCTIONS = """
select pg_get_functiondef(p.oid) as source, array(
    select format('grant execute on function %s to %s', p.oid::regprocedure, coalesce(r.rolname, 'public'))
    from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g left join pg_roles r on r.oid = g.grantee
    where g.grantee <> p.proowner order by r.rolname
) as rest
from pg_proc p where p.pronamespace = 'visapi'::regnamespace order by p.proname
"""


@pytest.fixture
async def owner(postgres_db: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_db.owner, server_settings={"search_path": "visapi"})
    yield connection
    await connection.close()


async def test_the_readers_schema_is_what_the_migrations_make(owner: asyncpg.Connection):
    made = await rendered(owner)
    if os.environ.get("VISAPI_TEST_FREEZE"):
        SCHEMA.write_text(made, encoding="utf-8")
    assert SCHEMA.read_text(encoding="utf-8") == made


async def test_an_older_database_is_refused_with_the_way_out(
    owner: asyncpg.Connection, postgres_db: Database
):
    await lose(owner, "migrations")
    await plant(owner, "migrations", name="0012_audit.sql", sha256="another")
    with pytest.raises(PermanentFault, match=r"0012_audit\.sql.*--data-dir"):
        await apply_migrations(postgres_db.owner)


async def test_a_database_of_another_baseline_is_refused_with_the_way_out(
    owner: asyncpg.Connection, postgres_db: Database
):
    await overwrite(owner, "migrations", {"name": BASELINE}, sha256="another")
    with pytest.raises(PermanentFault, match=r"0001_baseline\.sql was changed.*--data-dir"):
        await apply_migrations(postgres_db.owner)


async def rendered(connection: asyncpg.Connection) -> str:
    parts = [HEAD]
    for table in await connection.fetch(TABLES):
        lines = ",\n".join(f"    {line}" for line in (*table["columns"], *table["constraints"]))
        by = f" partition by {table['partitioned']}" if table["partitioned"] else ""
        options = f" with ({', '.join(table['options'])})" if table["options"] else ""
        parts.append(statements(f"create table {table['name']} (\n{lines}\n){by}{options}", *table["rest"]))
    parts.append(statements(*(row[0] for row in await connection.fetch(PARTITIONS))))
    for function in await connection.fetch(FUNCTIONS):
        parts.append(statements(function["source"].strip(), *function["rest"]))
    return "\n".join(parts)


def statements(*texts: str) -> str:
    return "".join(QUALIFIER.sub("", text) + ";\n" for text in texts)
