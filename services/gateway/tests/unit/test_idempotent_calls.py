"""A request with an `Idempotency-Key` that another replica carries out at the same time."""

from types import SimpleNamespace
from typing import Any

import pytest

from kit.fakes.clocks import FakeClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring
from visapi_gateway.kernel.api.idempotent_calls import REPLAYED, IdempotentCalls
from visapi_gateway.kernel.idempotency.hashes import RequestHashes
from visapi_gateway.kernel.idempotency.rules import Claim

HASHES = RequestHashes(Keyring.of(bytes(32)), FakeClock())


class Ledger:
    """What is held under the key, once a handler has run."""

    def __init__(self, held: str | None) -> None:
        self.held = held
        self.done = False

    async def answer(self, claim: Claim) -> str | None:
        return self.held if self.done and claim.key == "k" else None

    async def refuse(self, _: Any) -> Any:
        self.done = True
        raise ProblemError("run_not_faulted", "the run is not faulted", status=409)


def asked(ledger: Ledger) -> tuple[Any, Any]:
    async def hashed(_: Any) -> bytes:
        return b"h"

    async def replay(_: Any, answer: str) -> str:
        return f"replayed {answer}"

    call = SimpleNamespace(
        idempotency_key="k",
        principal=SimpleNamespace(tenant="t"),
        context=SimpleNamespace(extra=[]),
    )
    return SimpleNamespace(handler=ledger.refuse, replay=replay, hash_of=hashed), call


async def test_what_another_replica_did_meanwhile_under_the_key_is_the_answer():
    ledger = Ledger("run-1")
    route, call = asked(ledger)
    assert await IdempotentCalls(ledger.answer, HASHES)(route, call) == "replayed run-1"
    assert call.context.extra == [REPLAYED]


async def test_a_problem_stays_one_where_nobody_holds_the_key():
    ledger = Ledger(None)
    route, call = asked(ledger)
    with pytest.raises(ProblemError) as refused:
        await IdempotentCalls(ledger.answer, HASHES)(route, call)
    assert (refused.value.code, call.context.extra) == ("run_not_faulted", [])
