"""What others do to the rows of the gateway: clients and the orchestrator write them, and time passes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditRecord
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.api_keys import hash_key, parse
from visapi_common.core.ids import Ids
from visapi_common.core.keyrings import Keyring
from visapi_engine.compile.compiler import Compiled
from visapi_gateway.keys.service import KeyRow

NO_PROGRAM = "00" * 32
SHOWN = {"title": "Refund?", "text": "", "data": None, "choices": ["approve", "reject"]}


class GatewayWorld(Protocol):
    ids: Ids

    async def run(self, tenant: str, name: str = "flow", program: str = NO_PROGRAM) -> UUID:
        """An accepted run of `test/<name>` in version 1.0.0."""
        ...

    async def start_child(self, parent: UUID) -> UUID: ...

    async def advance(
        self, run: UUID, items: int = 0, *, status: str = "running", attributes: dict[str, Any] | None = None
    ) -> None:
        """A transition with so many history items."""
        ...

    async def change(self, run: UUID, *types: str, status: str = "running") -> None:
        """A transition with history items of these types."""
        ...

    async def fault(self, run: UUID, state: bytes | None, program: Compiled) -> None:
        """A run of this program ends with a fault; with a state it can be retried."""
        ...

    async def hold(self, run: UUID) -> UUID:
        """A task of the run becomes uncertain; the id of its dead letter."""
        ...

    async def set_aside(self, tenant: str, body: bytes) -> UUID:
        """A message of a producer is set aside; the id of its dead letter."""
        ...

    async def ask(
        self, run: UUID, holders: Sequence[str], keys: Sequence[bytes], *, expires_s: float | None = None
    ) -> UUID:
        """A question to people, which may expire in so many seconds."""
        ...

    async def is_cancelled(self, root: UUID) -> bool:
        """Whether the descendants of a run, present and coming, are cancelled."""
        ...

    async def begin(self, run: UUID, key: str, limit: int) -> None:
        """The run takes a slot of the key, or waits for one."""
        ...

    async def told(self, run: UUID) -> list[str]:
        """The kinds of the rows in the run's inbox, sorted."""
        ...

    async def retry(self, run: UUID) -> None:
        """A request to retry an ended run, which the orchestrator has not consumed."""
        ...

    async def announce(self, owner: str, *functions: FunctionSpec) -> None: ...
    async def put_audit(self, records: Sequence[AuditRecord]) -> None: ...
    async def deploy(self, tenant: str, version: str) -> Compiled:
        """A version of the workflow `test/flow`."""
        ...

    async def put_key(self, tenant: str, pepper: bytes) -> str:
        """A key of the tenant that may do everything."""
        ...

    async def last_use(self, key: str) -> datetime | None: ...

    def now(self) -> datetime: ...
    async def passes(self, seconds: float) -> None:
        """PostgreSQL's clock cannot be set, so there the times of questions move back."""
        ...


def history(first: int, count: int) -> bytes:
    """Items as a transition stores them."""
    numbers = range(first, first + count)
    return msgspec.json.encode([{"seq": seq, "type": "task.created"} for seq in numbers])


def lifecycle(first: int, *types: str) -> bytes:
    """Items of these types as a transition stores them."""
    items = [
        {"seq": seq, "type": kind, "time": "2026-01-01T00:00:00Z"} for seq, kind in enumerate(types, first)
    ]
    return msgspec.json.encode(items)


def key_row(token: str, tenant: str, pepper: bytes) -> KeyRow:
    """A key that may do everything."""
    return KeyRow(
        id=parse(token).id,
        tenant=tenant,
        kind="live",
        name="test",
        hash=hash_key(pepper, token),
        scopes=["*"],
        created_by="test",
        not_before=None,
        expires_at=None,
        pepper=Keyring.of(pepper).keys[0].id,
    )
