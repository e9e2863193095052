"""Answers the gateway whether a provider takes the credentials of an account. Nothing is sent.

Every question has connections of its own, a turn of its tenant and a time limit, so that a provider that
hangs delays neither mails nor the questions of other tenants.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import msgspec

from visapi_common.adapters.on_behalf import TENANT
from visapi_common.contracts.account_kinds import Kind
from visapi_common.contracts.accounts import AccountTried, NotTried, TriedVersion, TryAccount, TryOutcome
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.formats import NEWEST
from visapi_common.core.clocks import MonotonicClock
from visapi_common.core.errors import Fault, ProblemError
from visapi_common.core.keyrings import Keyring, MissingKeyError
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_notifier.accounts.rules import (
    CredentialsRefused,
    OpenedVersion,
    Probe,
    SealedAccount,
    SealedVersion,
    secrets_of,
)
from visapi_notifier.accounts.service import AccountRows, open_version
from visapi_notifier.accounts.turns import Turns
from visapi_notifier.outbound.rules.masking import Mask

PROBE_S = 10.0
"""Of one version; both versions of a rotation are tried at the same time."""
LEAVE_S = 2.5
"""Seconds in which a probe leaves after its limit, so that a provider may accept late."""
RETRY_S = 2.0
KEY_MISSING = (
    "the operator's key of these credentials is missing; ask the operator to put it back, or rotate the"
    " credentials"
)
DETAIL_MAX = 500
_BYTES_MAX = 64 * 1024
_read = Reader(TryAccount, bytes_max=_BYTES_MAX, newest=NEWEST.messages)
_encode = msgspec.json.Encoder().encode


class VerifyRequest(Protocol):
    """A request of the gateway."""

    @property
    def data(self) -> bytes: ...
    def respond(self, body: bytes) -> None: ...


class Verifier:
    """`probes` by the kind of account. `rows` are read anew for each question: what was just stored is
    tried.
    """

    def __init__(
        self,
        rows: AccountRows,
        keys: Keyring | None,
        probes: Mapping[str, Probe],
        clock: MonotonicClock,
        metrics: Metrics,
        *,
        limit_s: float = PROBE_S,
    ) -> None:
        self._limit_s = limit_s
        self._rows = rows
        self._keys = keys
        self._probes = probes
        self._clock = clock
        self._metrics = metrics
        self._turns = Turns()
        self._running: set[asyncio.Task[None]] = set()
        self._log = get_logger("accounts")

    def receive(self, asked: VerifyRequest) -> None:
        """Called in the read loop. A question that cannot be read is not answered."""
        wanted = _read(asked.data)
        if isinstance(wanted, Unreadable):
            self._metrics.messages_unreadable.labels("other").inc()
            self._log.error("question_unreadable", detail=wanted.reason)
            return
        full = self._turns.take(wanted.tenant, self._clock.monotonic())
        if full is not None:
            asked.respond(_encode(_not_tried(full.why, full.wait_s)))
            return
        task = asyncio.create_task(self._answer(wanted, asked))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """End what runs, and answer that the accounts were not tried."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _answer(self, wanted: TryAccount, asked: VerifyRequest) -> None:
        """Answers whatever happens."""
        TENANT.set(wanted.tenant)
        answer = _not_tried("failed", RETRY_S)
        try:
            answer = AccountTried(await self._tried(wanted))
        except Exception as error:  # noqa: BLE001 (the rows and probes may fail in any way; the gateway waits)
            self._log.error(
                "account_not_tried", tenant=wanted.tenant, error=type(error).__name__, detail=str(error)
            )
        finally:
            self._turns.give_back(wanted.tenant)
            asked.respond(_encode(answer))

    async def _tried(self, wanted: TryAccount) -> list[TriedVersion]:
        account = await self._rows(wanted.tenant, "smtp", wanted.account)
        if account is None:
            return []
        tries = (self._try(wanted.tenant, account, version) for version in account.versions)
        return list(await asyncio.gather(*tries))

    async def _try(self, tenant: str, account: SealedAccount, version: SealedVersion) -> TriedVersion:
        began, mask = self._clock.monotonic(), Mask()
        outcome, detail = await self._outcome(tenant, account, version, mask)
        took_ms = round((self._clock.monotonic() - began) * 1000)
        state = "current" if version is account.versions[0] else "overlapping"
        self._log.info(
            "account_tried", tenant=tenant, account=account.name, version=version.number, outcome=outcome
        )
        return TriedVersion(version.number, state, outcome, mask.cut(detail, DETAIL_MAX), took_ms)

    async def _outcome(
        self, tenant: str, account: SealedAccount, version: SealedVersion, mask: Mask
    ) -> tuple[TryOutcome, str]:
        kind: Kind = account.kind  # pyright: ignore[reportAssignmentType] (the gateway stored it)
        probe = self._probes.get(kind)
        if probe is None or self._keys is None:
            return "failed", "this notifier tries no accounts of the kind; the operator can mend that"
        try:
            opened = open_version(self._keys, tenant, kind, account.name, version)
        except MissingKeyError as fault:
            self._metrics.operator_faults.labels("accounts", fault.sort).inc()
            self._log.error("key_missing", tenant=tenant, account=account.name, detail=str(fault))
            return "unopened", KEY_MISSING
        except Fault as fault:
            return "unopened", str(fault)
        mask.add(secrets_of(kind, opened))
        return await _asked(probe, opened, self._limit_s)


def _not_tried(why: NotTried, wait_s: float) -> AccountTried:
    return AccountTried([], retry_after_s=wait_s, not_tried=why)


async def _asked(probe: Probe, opened: OpenedVersion, limit_s: float) -> tuple[TryOutcome, str]:
    try:
        async with asyncio.timeout(limit_s + LEAVE_S):
            return "accepted", await probe(opened, limit_s)
    except CredentialsRefused as refused:
        return "refused", str(refused)
    except (Fault, ProblemError) as failed:
        return "failed", str(failed)
    except TimeoutError:
        return "failed", f"the provider said nothing within {limit_s:.0f} seconds"
