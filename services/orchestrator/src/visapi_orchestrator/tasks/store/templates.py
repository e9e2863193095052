"""Versions of templates, as tasks name them."""

from collections.abc import Mapping, Sequence

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts import subjects
from visapi_common.contracts.templates import ResolvedTemplate, ResolveTemplate

_SQL = load_queries("visapi_orchestrator.tasks.store", "templates.sql")


class PostgresTemplates:
    """See `tasks.templates.TemplateRows`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def resolve(self, wanted: Sequence[ResolveTemplate]) -> Mapping[int, ResolvedTemplate]:
        with pg_faults():
            rows = await self._pool.fetch(
                _SQL["resolve_templates"],
                [one.run for one in wanted],
                [one.path for one in wanted],
                [one.attempt for one in wanted],
                [one.name for one in wanted],
                [one.version for one in wanted],
                list(subjects.BUILTIN_FAMILIES),
            )
        return {
            row["number"] - 1: ResolvedTemplate(row["latest"], row["version"], row["sha256"]) for row in rows
        }
