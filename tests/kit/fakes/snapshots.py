"""Runs as the ledger knows them, for tests that need some."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.contracts.runs import RunStatus
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot


def pending(**changes: Any) -> RunSnapshot:
    """A run that nobody has advanced yet."""
    known = RunSnapshot(
        run=uuid4(),
        tenant="default",
        workflow=WorkflowRef("test", "flow", "1.0.0"),
        program="00" * 32,
        status=RunStatus.PENDING,
        revision=0,
        seq=0,
        state=None,
        trace=None,
        priority=5,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        input=NULL,
    )
    return msgspec.structs.replace(known, **changes)
