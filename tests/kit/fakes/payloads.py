"""The artifact store in memory."""

import hashlib

from kit.fakes.faults import Planned
from visapi_common.contracts.payloads import INLINE_LIMIT, Payload, inline
from visapi_common.core.errors import PermanentFault, ProblemError


class FakePayloads:
    """See the orchestrator's `transitions.ports.Payloads`, and the gateway's `Pack` and `Unpack`. Values that stay
    inline are no calls of the store.
    """

    def __init__(self) -> None:
        self.faults = Planned()
        self.objects: dict[str, bytes] = {}

    async def pack(self, tenant: str, raw: bytes) -> Payload:
        if len(raw) <= INLINE_LIMIT:
            return inline(raw)
        await self.faults.enter("pack")
        digest = hashlib.sha256(raw).hexdigest()
        ref = f"payloads/{tenant}/{digest}.json"
        self.objects[ref] = raw
        return Payload(ref=ref, size=len(raw), sha256=digest)

    async def unpack(self, tenant: str, payload: Payload) -> bytes:
        if payload.ref is None:
            assert payload.inline is not None
            return bytes(payload.inline)  # type: ignore[arg-type]
        await self.faults.enter("unpack")
        if not payload.ref.startswith(f"payloads/{tenant}/"):
            raise PermanentFault(f"{payload.ref} is no payload of tenant {tenant}")
        if payload.ref not in self.objects:
            raise ProblemError("artifact_not_found", f"there is no object {payload.ref}", status=404)
        return self.objects[payload.ref]
