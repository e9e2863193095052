"""What a migration does to a schema that another release still uses, as PostgreSQL's catalog shows it.

A migration that expands leaves everything of before as it was: tables, columns, constraints, functions, rights.
The catalog is compared and not the text of the migration, so no spelling (`do $$ … $$`, `execute`) escapes.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from visapi_common.adapters.migrate import Migration

Thing = tuple[str, ...]
"""The kind of a part of the schema, and its name."""

_CATALOG = {
    "table": """
        select c.relname as name, c.relkind::text || ' ' || c.relrowsecurity || c.relforcerowsecurity as is
        from pg_class c where c.relnamespace = 'visapi'::regnamespace and c.relkind in ('r', 'p', 'v', 'S')
            and not c.relispartition""",
    "column": """
        select c.relname as owner, a.attname as name, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
            case when a.attnotnull then 'not null' end, a.attidentity::text, a.attgenerated::text,
            pg_get_expr(d.adbin, d.adrelid)) as is,
            a.attnotnull and d.oid is null and a.attidentity = '' as required
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
        where c.relnamespace = 'visapi'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and a.attnum > 0 and not a.attisdropped""",
    "constraint": """
        select c.relname as owner, k.conname as name, pg_get_constraintdef(k.oid) as is
        from pg_constraint k join pg_class c on c.oid = k.conrelid
        where c.relnamespace = 'visapi'::regnamespace and not c.relispartition and k.contype <> 'n'""",
    "unique index": """
        select c.relname as owner, x.relname as name, pg_get_indexdef(i.indexrelid) as is
        from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
        where c.relnamespace = 'visapi'::regnamespace and not c.relispartition and i.indisunique
            and not exists (select from pg_constraint k where k.conindid = i.indexrelid)""",
    "index": """
        select c.relname as owner, x.relname as name, pg_get_indexdef(i.indexrelid) as is
        from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
        where c.relnamespace = 'visapi'::regnamespace and not c.relispartition and not i.indisunique""",
    "trigger": """
        select c.relname as owner, t.tgname as name, pg_get_triggerdef(t.oid) as is
        from pg_trigger t join pg_class c on c.oid = t.tgrelid
        where c.relnamespace = 'visapi'::regnamespace and not c.relispartition and not t.tgisinternal""",
    "policy": """
        select c.relname as owner, p.polname as name, concat_ws(' ', p.polpermissive, p.polcmd::text,
            array(select r.rolname from pg_roles r where r.oid = any (p.polroles) order by 1),
            pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)) as is
        from pg_policy p join pg_class c on c.oid = p.polrelid
        where c.relnamespace = 'visapi'::regnamespace""",
    "function": """
        select p.oid::regprocedure::text as name, pg_get_functiondef(p.oid) as is
        from pg_proc p where p.pronamespace = 'visapi'::regnamespace and p.prokind in ('f', 'p')""",
    "right": """
        select c.relname as owner, r.rolname || ' ' || lower(g.privilege_type) as name, '' as is
        from pg_class c cross join aclexplode(c.relacl) g join pg_roles r on r.oid = g.grantee
        where c.relnamespace = 'visapi'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
        union all
        select c.relname, r.rolname || ' ' || lower(g.privilege_type) || ' (' || a.attname || ')', ''
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        cross join aclexplode(a.attacl) g join pg_roles r on r.oid = g.grantee
        where c.relnamespace = 'visapi'::regnamespace""",
    "storage": """
        select c.relname as name, c.relfilenode::text as is from pg_class c
        where c.relnamespace = 'visapi'::regnamespace and c.relkind = 'r'""",
    "rows": """
        select relname as name, n_tup_upd || ' ' || n_tup_del as is
        from pg_stat_xact_user_tables where schemaname = 'visapi'""",
}
_RESTRICTING = ("constraint", "unique index", "trigger", "policy")
"""What a table of before may not get: the release before knows nothing of it."""


class Part(msgspec.Struct, frozen=True):
    """One part of a schema; `required` of a column that an insert has to name."""

    definition: str
    required: bool = False


Schema = Mapping[Thing, Part]


async def schema_of(connection: asyncpg.Connection) -> Schema:
    """Everything that the migrations have made so far, within the transaction of the connection."""
    found: dict[Thing, Part] = {}
    for kind, query in _CATALOG.items():
        for row in await connection.fetch(query):
            name = (kind, row["owner"], row["name"]) if "owner" in row else (kind, row["name"])
            found[name] = Part(row["is"] or "", required="required" in row and row["required"])
    return found


def findings(migration: Migration, before: Schema, after: Schema) -> list[str]:
    """Each thing that the release before cannot live with, as a sentence that says how to mend it."""
    found = indexes_that_block(migration, before, after)
    if migration.contracts or migration.builds:
        return found
    return found + _restrictions(migration.name, before, after)


def indexes_that_block(migration: Migration, before: Schema, after: Schema) -> list[str]:
    """Each index of a table of before whose build the writers of the table wait for."""
    if migration.builds:
        return []
    number = migration.name.partition("_")[0]
    new = [thing for thing in sorted(after.keys() - before.keys()) if thing[0] == "index"]
    return [
        f"{migration.name}: the index {table}.{name} is built while whoever writes to {table} waits; put "
        f"`create index concurrently {name} on {table} …` into {number}_<name>.index.sql"
        for _, table, name in new
        if ("table", table) in before
    ]


def _restrictions(migration: str, before: Schema, after: Schema) -> list[str]:
    gone = [(kind, names) for kind, *names in before if (kind, *names) not in after]
    dropped = {names[0] for kind, names in gone if kind == "table"}
    found = [
        _said(migration, kind, names, "is dropped or renamed")
        for kind, names in gone
        if kind not in ("storage", "rows") and (kind == "table" or names[0] not in dropped)
    ]
    for thing, part in after.items():
        kind, *names = thing
        was = before.get(thing)
        if was is not None and was != part:
            found.append(_said(migration, kind, names, _CHANGED.get(kind, f"is changed: {part.definition}")))
        elif was is None and ("table", names[0]) in before and (kind in _RESTRICTING or part.required):
            found.append(_said(migration, kind, names, _NEW.get(kind, "restricts what may be written")))
    touched = sorted(_touched(before, after))
    if len(touched) > 1:
        found.append(
            f"{migration}: the tables {', '.join(touched)} are locked by one transaction, which can wait in a "
            "circle with a service that uses them in another order; give each table a migration of its own"
        )
    return found


def _touched(before: Schema, after: Schema) -> set[str]:
    """The tables of before that the migration alters."""
    changed = {thing for thing in before.keys() | after.keys() if before.get(thing) != after.get(thing)}
    names = {thing[1] for thing in changed if thing[0] not in ("right", "rows", "function")}
    return {name for name in names if ("table", name) in before}


_CHANGED = {
    "storage": "is written anew, which locks it for as long as that takes",
    "rows": "has rows that are deleted or changed",
    "function": "is changed, and its callers of before call it still; make another function beside it",
}
_NEW = {"column": "has to be named by each insert; give it a default, or let it be null"}


def _said(migration: str, kind: str, names: Sequence[str], what: str) -> str:
    number = migration.partition("_")[0]
    return (
        f"{migration}: the {kind} {'.'.join(names)} {what}. The release before this one runs while a migration "
        f"expands the schema; move the statement to {number}_<name>.contract.sql"
    )


@asynccontextmanager
async def undone(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose changes are rolled back at the end."""
    connection: Any = await asyncpg.connect(url, server_settings={"search_path": "visapi"})
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()
