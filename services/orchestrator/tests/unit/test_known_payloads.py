"""What the orchestrator knows of the artifact store: neither too much nor for too long."""

import asyncio
import hashlib

import pytest

from visapi_common.contracts.payloads import INLINE_LIMIT, Payload, inline
from visapi_common.core.errors import PermanentFault, TransientFault
from visapi_orchestrator.transitions.known_payloads import AT_ONCE, BELIEVED_S, KnownPayloads
from visapi_orchestrator.transitions.rules.known_values import ByteCache

LARGE = b'"%b"' % (b"x" * INLINE_LIMIT)


class Store:
    """A store in memory that counts."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.put = self.got = self.under_way = self.most = 0

    async def pack(self, tenant: str, raw: bytes) -> Payload:
        if len(raw) <= INLINE_LIMIT:
            return inline(raw)
        self.put += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        digest = hashlib.sha256(raw).hexdigest()
        ref = f"payloads/{tenant}/{digest}.json"
        self.objects[ref] = raw
        return Payload(ref=ref, size=len(raw), sha256=digest)

    async def unpack(self, tenant: str, payload: Payload) -> bytes:
        self.got += 1
        if payload.ref is None or f"/{tenant}/" not in payload.ref:
            raise PermanentFault("not a payload of this tenant")
        return self.objects[payload.ref]


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


async def test_a_value_is_put_once_and_again_when_it_may_have_expired():
    store, clock = Store(), Clock()
    known = KnownPayloads(store, clock)
    first = await known.pack("t", LARGE)
    assert await known.pack("t", LARGE) == first
    assert store.put == 1
    clock.now = BELIEVED_S + 1
    await known.pack("t", LARGE)
    assert store.put == 2


async def test_what_was_put_or_read_is_not_fetched_again():
    store = Store()
    known = KnownPayloads(store, Clock())
    payload = await known.pack("t", LARGE)
    assert await known.unpack("t", payload) == LARGE
    assert store.got == 0
    cold = KnownPayloads(store, Clock())
    assert [await cold.unpack("t", payload) for _ in range(3)] == [LARGE] * 3
    assert store.got == 1


async def test_what_one_tenant_has_is_known_to_no_other():
    store = Store()
    known = KnownPayloads(store, Clock())
    payload = await known.pack("t", LARGE)
    with pytest.raises(PermanentFault):
        await known.unpack("other", payload)
    assert (await known.pack("other", LARGE)).ref != payload.ref


async def test_a_value_that_could_not_be_put_is_not_believed_to_be_there():
    class Away(Store):
        away = True

        async def pack(self, tenant: str, raw: bytes) -> Payload:
            if self.away:
                raise TransientFault("away")
            return await super().pack(tenant, raw)

    store = Away()
    known = KnownPayloads(store, Clock())
    with pytest.raises(TransientFault):
        await known.pack("t", LARGE)
    store.away = False
    assert (await known.pack("t", LARGE)).ref in store.objects


async def test_a_bounded_number_travels_at_once():
    store = Store()
    known = KnownPayloads(store, Clock())
    await asyncio.gather(*(known.pack("t", LARGE + b" " * n) for n in range(50)))
    assert (store.put, store.most) == (50, AT_ONCE)


def test_blobs_are_kept_up_to_so_many_bytes_the_longest_unused_going_first():
    blobs = ByteCache(10)
    for name in "abc":
        blobs.put(("t", name), b"1234")
    assert [blobs.get(("t", name)) for name in "abc"] == [None, b"1234", b"1234"]
    blobs.get(("t", "b"))
    blobs.put(("t", "d"), b"1234")
    assert [blobs.get(("t", name)) for name in "bcd"] == [b"1234", None, b"1234"]
    blobs.put(("t", "huge"), b"x" * 11)
    assert blobs.get(("t", "huge")) is None
    blobs.put(("t", "again"), b"1234567890")
    assert blobs.get(("t", "again")) == b"1234567890"
