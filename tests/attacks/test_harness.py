"""The measure itself: a bystander who is harmed is seen to be harmed, one who is not passes."""

import asyncio
import os
import signal

import pytest

from attacks.bystander import Bystander
from attacks.harness import SERVICES, AttackStack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

_PAUSE_S = 2.0


async def test_a_bystander_whom_nobody_harms_passes_with_every_kind_of_work(
    stack: AttackStack, bystander: Bystander
) -> None:
    async with bystander.at_work("set", "hook", "mail", "pdf", attack="no attack"):
        await asyncio.sleep(1)
    assert set(stack.restarts().values()) == {0}
    for service in SERVICES:
        assert await stack.metric(service, "process_resident_memory_bytes") > 0


async def test_a_bystander_who_waits_for_a_stopped_gateway_is_seen_to_wait(
    stack: AttackStack, bystander: Bystander
) -> None:
    async def attack() -> None:
        async with bystander.at_work(attack="a gateway that does not run", p99_ms=_PAUSE_S * 500):
            await _paused(stack.pid("gateway"))

    with pytest.raises(AssertionError, match="the bystander waited"):
        await attack()


async def _paused(process: int) -> None:
    os.kill(process, signal.SIGSTOP)
    try:
        await asyncio.sleep(_PAUSE_S)
    finally:
        os.kill(process, signal.SIGCONT)
