"""Named SQL blocks read from `.sql` files, so that no SQL stands in Python.

A block starts with a line `-- name: claim_due_timers` and ends at the next such line. Comments stay in the
text, so that `pg_stat_statements` shows where a statement comes from.
"""

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

_MARK = "-- name:"

Queries = Mapping[str, str]


def load_queries(package: str, file: str) -> Queries:
    """Read the blocks of `file`, a path inside `package` such as `sql/runs.sql`.

    Raises `FileNotFoundError`, or `ValueError` for a file whose blocks are unnamed or named twice.
    """
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return MappingProxyType(parse_queries(text, where=f"{package}/{file}"))


def parse_queries(text: str, *, where: str) -> dict[str, str]:
    """Split SQL text into its named blocks. `where` is the file named in error messages."""
    head, *blocks = f"\n{text}".split(f"\n{_MARK}")
    if any(line and not line.startswith("--") for line in (part.strip() for part in head.splitlines())):
        raise ValueError(f"{where}: statements before the first '{_MARK}' line; give them a name")
    queries: dict[str, str] = {}
    for block in blocks:
        name, _, body = block.partition("\n")
        name = name.strip()
        statement = body.strip().removesuffix(";")
        if not name or not statement:
            raise ValueError(f"{where}: block '{name}' lacks a name or a statement")
        if name in queries:
            raise ValueError(f"{where}: block '{name}' is named twice; rename one of them")
        queries[name] = f"-- {name}\n{statement}"
    return queries
