"""What a run has stored in the artifact store, as the results of its tasks and its output say."""

import msgspec

from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.runs import ArtifactRef
from visapi_common.core.named_rows import BigInt
from visapi_engine.machine.commands import DropTask
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.step import Step

_REF_MAX = 1024
"""The largest JSON of a reference; no other output is looked at."""
BYTES_MAX = 1 << 40
"""Of one result: a worker may say anything."""
_ARTIFACT = b'{"id":"'
_read = Reader(ArtifactRef)


class StoredBytes(Row, frozen=True):
    """Bytes that the tasks which ended in this transition have stored."""

    bytes: BigInt


def stored_bytes(step: Step) -> list[StoredBytes]:
    """At most one row. A result counts once, however often it is delivered: with the transition that drops
    its task.
    """
    if not step.messages.results:
        return []
    outputs = {result.path: result.output for result in reversed(step.messages.results)}
    dropped = (command.path for command in step.answer.commands if isinstance(command, DropTask))
    total = sum(_bytes_of(output) for path in dropped if (output := outputs.get(path)) is not None)
    return [StoredBytes(step.snapshot.run, total)] if total else []


def _bytes_of(output: Payload) -> int:
    """The size of an output that lies in the store, or of the artifact that it is a reference to."""
    if output.inline is msgspec.UNSET:
        return min(max(0, output.size or 0), BYTES_MAX)
    raw = bytes(output.inline)
    if len(raw) > _REF_MAX or not raw.startswith(_ARTIFACT):
        return 0
    ref = _read(raw)
    return 0 if isinstance(ref, Unreadable) else min(max(0, ref.size), BYTES_MAX)
