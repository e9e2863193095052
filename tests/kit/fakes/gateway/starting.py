"""The commits of accepted runs in memory."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.core.errors import ContentFault, UnknownFault
from visapi_gateway.runs.starting.commits import Holder, NewRun, RequestKey


class FakeRunLedger:
    """See `runs.starting.commits.Ledger`, `runs.starting.open_runs.TakenKeys`."""

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self.faults = Planned()
        self.batches: list[int] = []
        """How many runs each transaction held, in the order in which they began."""
        self.refused: set[UUID] = set()
        """Runs whose contents are refused, and with them their transaction."""
        self.loses_answer = False
        """Whether runs are committed without an answer."""

    @property
    def committed(self) -> set[UUID]:
        return set(self._tables.runs)

    async def accept(self, runs: Sequence[NewRun]) -> set[UUID]:
        self.batches.append(len(runs))
        await self.faults.enter("accept")
        if any(run.id in self.refused for run in runs):
            raise ContentFault("refused")
        inserted = {run.id for run in runs if self._insert(run)}
        if self.loses_answer:
            raise UnknownFault("connection lost during commit")
        return inserted

    async def taken_keys(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Holder]:
        self.faults.meet("taken_keys")
        used = self._tables.used_keys
        return {key: used[key] for key in keys if key in used}

    async def present(self, runs: Sequence[NewRun]) -> set[UUID]:
        self.faults.meet("present")
        return {run.id for run in runs if run.id in self._tables.runs}

    def _insert(self, run: NewRun) -> bool:
        if run.key is not None:
            place = (run.tenant, run.key)
            holder = Holder(run.id, run.body_hash or b"")
            if self._tables.used_keys.setdefault(place, holder) is not holder:
                return False
        name = (run.tenant, run.namespace, run.name)
        value = msgspec.json.encode(run.input)
        self._tables.accept(run.id, name, run.version, value, at=run.created_at, test=run.test)
        if run.audit is not None:
            self._tables.record(run.audit)
        return True
