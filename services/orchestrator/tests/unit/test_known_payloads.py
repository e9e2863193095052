"""What the orchestrator knows of the artifact store: neither too much nor for too long."""

import asyncio

import pytest

from kit.fakes.clocks import FakeClock
from kit.fakes.payloads import FakePayloads
from visapi_common.contracts.payloads import INLINE_LIMIT
from visapi_common.core.errors import PermanentFault, TransientFault
from visapi_orchestrator.transitions.known_payloads import AT_ONCE, BELIEVED_S, KnownPayloads
from visapi_orchestrator.transitions.rules.known_values import ByteCache

LARGE = b'"%b"' % (b"x" * INLINE_LIMIT)


async def test_a_value_is_put_once_and_again_when_it_may_have_expired():
    store, clock = FakePayloads(), FakeClock()
    known = KnownPayloads(store, clock)
    first = await known.pack("t", LARGE)
    assert await known.pack("t", LARGE) == first
    assert store.faults.entered["pack"] == 1
    clock.now_s += BELIEVED_S + 1
    await known.pack("t", LARGE)
    assert store.faults.entered["pack"] == 2


async def test_what_was_put_or_read_is_not_fetched_again():
    store = FakePayloads()
    known = KnownPayloads(store, FakeClock())
    payload = await known.pack("t", LARGE)
    assert await known.unpack("t", payload) == LARGE
    assert store.faults.entered["unpack"] == 0
    cold = KnownPayloads(store, FakeClock())
    assert [await cold.unpack("t", payload) for _ in range(3)] == [LARGE] * 3
    assert store.faults.entered["unpack"] == 1


async def test_what_one_tenant_has_is_known_to_no_other():
    store = FakePayloads()
    known = KnownPayloads(store, FakeClock())
    payload = await known.pack("t", LARGE)
    with pytest.raises(PermanentFault):
        await known.unpack("other", payload)
    assert (await known.pack("other", LARGE)).ref != payload.ref


async def test_a_value_that_could_not_be_put_is_not_believed_to_be_there():
    store = FakePayloads()
    known = KnownPayloads(store, FakeClock())
    store.faults.plan("pack", TransientFault("away"))
    with pytest.raises(TransientFault):
        await known.pack("t", LARGE)
    assert (await known.pack("t", LARGE)).ref in store.objects


async def test_a_bounded_number_travels_at_once():
    store = FakePayloads()
    known = KnownPayloads(store, FakeClock())
    store.faults.hold("pack")
    packing = [asyncio.ensure_future(known.pack("t", LARGE + b" " * n)) for n in range(50)]
    for _ in range(100):
        await asyncio.sleep(0)
    assert store.faults.entered["pack"] == AT_ONCE
    store.faults.let_go("pack")
    await asyncio.gather(*packing)
    assert store.faults.entered["pack"] == 50


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
