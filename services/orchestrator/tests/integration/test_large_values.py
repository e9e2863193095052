"""Runs that carry large values: small rows, one object in the store, and a fault for those that lose it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from kit.ledger_rows import overwrite
from kit.orchestration import TENANT, Stack, completed, eventually, faulted, output_of
from kit.seaweed import Seaweed
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.problems import standard_error
from visapi_common.core.errors import ProblemError, TransientFault, UnknownFault
from visapi_orchestrator.transitions.ports import Payloads
from visapi_orchestrator.transitions.rules.ledger_answers import WriteResult
from visapi_orchestrator.transitions.rules.write_set import WriteSet
from visapi_orchestrator.transitions.store.ledger import PostgresLedger

MIB = 1024 * 1024
CARRY = """
do:
  - load: {set: {loaded: true}, export: {as: '${ {scan: ($workflow.input.text * 1024), n: 1} }'}}
  - a: {call: acme.a}
  - b: {call: acme.b}
  - c: {call: acme.c}
  - show: {set: {scan: '${ $context.scan }'}}
  - last: {set: {size: '${ .scan | length }', end: '${ .scan[-3:] }'}}
"""


def text(mark: str) -> str:
    return "x" * 1023 + mark


class Watched:
    """The store, with what was put into it; away while it is told to be."""

    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads
        self.put: list[str] = []
        self.got = 0
        self.away = False

    async def pack(self, tenant: str, raw: bytes) -> Payload:
        if self.away:
            raise TransientFault("the artifact store is away")
        self.put.append(hashlib.sha256(raw).hexdigest())
        return await self._payloads.pack(tenant, raw)

    async def unpack(self, tenant: str, payload: Payload) -> bytes:
        if self.away:
            raise TransientFault("the artifact store is away")
        self.got += 1
        return await self._payloads.unpack(tenant, payload)


class Watching:
    """Makes one for each orchestrator."""

    def __init__(self) -> None:
        self.made: list[Watched] = []

    def __call__(self, payloads: Payloads) -> Watched:
        self.made.append(Watched(payloads))
        return self.made[-1]

    @property
    def last(self) -> Watched:
        return self.made[-1]


async def waits_for(stack: Stack, run: UUID, path: str) -> Mapping[str, Any]:
    """The run's row, once it waits for the task."""

    async def there() -> Mapping[str, Any] | None:
        found = await stack.gateway.pool.fetchval("select path from tasks where run = $1", run)
        return await stack.gateway.live(run) if found == path else None

    return await eventually(there)


def blob_of(stack: Stack, value: Any) -> Path:
    digest = hashlib.sha256(msgspec.json.encode(value)).hexdigest()
    return stack.folder / "payloads" / TENANT / f"{digest}.json"


async def status(stack: Stack, run: UUID, wanted: str) -> Mapping[str, Any]:
    async def there() -> Mapping[str, Any] | None:
        row = await stack.gateway.done(run)
        return row if row is not None and row["status"] == wanted else None

    return await eventually(there)


async def test_a_large_context_keeps_rows_small_is_stored_once_and_survives_a_cold_start(stack: Stack):
    await stack.gateway.deploy("carry", CARRY)
    watching = Watching()
    async with stack.orchestrator(around_payloads=watching, lifecycle_events="all"):
        run = await stack.gateway.start("carry", {"text": text("A")})
        await waits_for(stack, run, "/do/1/a")
        await stack.worker("acme.a")
        row = await waits_for(stack, run, "/do/2/b")
        assert len(row["state"]) < 2048
        assert len(watching.last.put) == 1
        assert blob_of(stack, text("A") * 1024).stat().st_size == MIB + 2
    async with stack.orchestrator(around_payloads=watching):
        await stack.worker("acme.b")
        row = await waits_for(stack, run, "/do/3/c")
        assert len(row["state"]) < 2048
        assert (watching.last.got, len(watching.last.put)) == (1, 1)
        await stack.worker("acme.c")
        assert output_of(await stack.gateway.ended(run)) == {"size": MIB, "end": "xxA"}
        assert (watching.last.got, len(set(watching.last.put))) == (1, 1)
    sizes = await stack.gateway.pool.fetch("select length(items) as n from history where run = $1", run)
    assert max(row["n"] for row in sizes) < 4096
    history = b"".join(
        row["items"]
        for row in await stack.gateway.pool.fetch(
            "select items from history where run = $1 order by first_seq", run
        )
    )
    assert blob_of(stack, text("A") * 1024).stem.encode() in history


async def test_a_value_that_is_gone_faults_its_run_and_no_other(stack: Stack):
    await stack.gateway.deploy("carry", CARRY)
    async with stack.orchestrator():
        runs = [await stack.gateway.start("carry", {"text": text(mark)}) for mark in "ABC"]
        for run in runs:
            await waits_for(stack, run, "/do/1/a")
    blob_of(stack, text("B") * 1024).unlink()
    async with stack.orchestrator():
        await stack.worker("acme.a", "acme.b", "acme.c")
        lost = await status(stack, runs[1], "faulted")
        assert msgspec.json.decode(lost["error"])["title"] == "Unreadable state"
        for run in (runs[0], runs[2]):
            await status(stack, run, "completed")
        for table in ("inbox", "tasks", "timers"):
            assert await stack.gateway.count(table, runs[1]) == 0


async def test_a_store_that_is_away_delays_a_run_and_loses_nothing(stack: Stack):
    await stack.gateway.deploy("carry", CARRY)
    watching = Watching()
    async with stack.orchestrator(around_payloads=watching):
        watching.last.away = True
        run = await stack.gateway.start("carry", {"text": text("A")})
        small = await stack.gateway.start("carry", {"text": "x"})
        await stack.worker("acme.a", "acme.b", "acme.c")
        assert await stack.gateway.status(run) == "pending"
        watching.last.away = False
        for started in (run, small):
            await status(stack, started, "completed")


class LosesAnswers:
    """A ledger that commits, then loses the answer."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def write(self, rows: WriteSet) -> WriteResult:
        await self._ledger.write(rows)
        raise UnknownFault("the answer to COMMIT was lost")


async def test_a_commit_whose_answer_was_lost_is_recognized_by_what_was_written(stack: Stack):
    await stack.gateway.deploy("carry", CARRY)
    async with stack.orchestrator(around_ledger=LosesAnswers):
        worker = await stack.worker("acme.a", "acme.b", "acme.c")
        run = await stack.gateway.start("carry", {"text": text("A")})
        await status(stack, run, "completed")
    assert [task.attempt for task in worker.seen] == [1, 1, 1]


RETRIED = """
do:
  - load: {set: {loaded: true}, export: {as: '${ {scan: ($workflow.input.text * 1024)} }'}}
  - weak: {call: acme.weak}
  - last: {set: {size: '${ $context.scan | length }'}}
"""


async def test_a_faulted_run_with_a_large_value_is_taken_up_again_when_the_value_is_there(stack: Stack):
    down = True
    await stack.gateway.deploy("retried", RETRIED)
    async with stack.orchestrator():
        await stack.worker(
            "acme.weak",
            answer=lambda task: (
                faulted(task, standard_error("runtime", 500, title="Down")) if down else completed(task)
            ),
        )
        run = await stack.gateway.start("retried", {"text": text("A")})
        stored = (await status(stack, run, "faulted"))["resume"]
        assert len(stored) < 2048
    blob = blob_of(stack, text("A") * 1024)
    aside = blob.rename(blob.with_suffix(".aside"))
    down = False
    async with stack.orchestrator():
        await stack.gateway.tell(run, "retry", key="retry:1")

        async def refused() -> Mapping[str, Any] | None:
            row = await stack.gateway.done(run)
            found = row is not None and msgspec.json.decode(row["error"])["title"] == "Unreadable state"
            return row if found else None

        assert (await eventually(refused))["resume"] == stored
        aside.rename(blob)
        await stack.gateway.tell(run, "retry", key="retry:2")
        assert output_of(await status(stack, run, "completed")) == {"size": MIB}


class Narrow(Watched):
    """A store that takes less than ours."""

    async def pack(self, tenant: str, raw: bytes) -> Payload:
        if len(raw) > MIB:
            raise ProblemError("payload_too_large", "that is too large", status=413)
        return await super().pack(tenant, raw)


async def test_a_value_larger_than_any_may_be_faults_its_run_and_no_other(stack: Stack):
    await stack.gateway.deploy("carry", CARRY)
    await stack.gateway.deploy("out", "do: [{a: {set: {scan: '${ .text * 1024 }'}}}]")
    async with stack.orchestrator(around_payloads=Narrow):
        await stack.worker("acme.a", "acme.b", "acme.c")
        refused = [await stack.gateway.start(name, {"text": text("A")}) for name in ("carry", "out")]
        fine = await stack.gateway.start("carry", {"text": "x"})
        for run in refused:
            error = msgspec.json.decode((await status(stack, run, "faulted"))["error"])
            assert (error["title"], error["detail"]) == ("Not storable", "that is too large")
        await status(stack, fine, "completed")


async def test_a_state_as_an_earlier_release_wrote_it_is_read(stack: Stack):
    await stack.gateway.deploy("carry", CARRY)
    async with stack.orchestrator():
        run = await stack.gateway.start("carry", {"text": text("A")})
        row = await waits_for(stack, run, "/do/1/a")
    state = msgspec.json.decode(msgspec.json.decode(row["state"], type=dict[str, msgspec.Raw])["of"])
    state["context"]["scan"] = text("B") * 1024
    await overwrite(stack.gateway.pool, "runs", {"id": run}, state=msgspec.json.encode(state))
    async with stack.orchestrator():
        await stack.worker("acme.a", "acme.b", "acme.c")
        assert output_of(await status(stack, run, "completed")) == {"size": MIB, "end": "xxB"}


async def test_runs_outlast_an_outage_of_a_real_bucket(stack: Stack, seaweed: Seaweed):
    """What was accepted waits, says why, and is done once when the bucket is back."""
    await stack.gateway.deploy("carry", CARRY)
    await stack.gateway.deploy("small", "do: [{s: {set: {a: 1}}}]")
    key, secret = seaweed.key
    bucket: dict[str, Any] = {
        "artifacts_url": seaweed.url,
        "s3_endpoint": seaweed.endpoint,
        "s3_access_key_id": key,
        "s3_secret_access_key": secret,
    }
    async with stack.orchestrator(**bucket):
        worker = await stack.worker("acme.a", "acme.b", "acme.c")
        first = await stack.gateway.start("carry", {"text": text("A")})
        assert output_of(await stack.gateway.ended(first)) == {"size": MIB, "end": "xxA"}
        seaweed.kill()
        try:
            waiting = [await stack.gateway.start("carry", {"text": text(mark)}) for mark in "BC"]
            small = await stack.gateway.start("small")
            assert (await stack.gateway.ended(small))["status"] == "completed"
            assert [await stack.gateway.status(run) for run in waiting] == ["pending", "pending"]
        finally:
            seaweed.start()
        for run, mark in zip(waiting, "BC", strict=True):
            ended = await stack.gateway.ended(run, within_s=60)
            assert output_of(ended) == {"size": MIB, "end": f"xx{mark}"}
    done = [(str(task.run), task.path) for task in worker.seen]
    assert len(done) == len(set(done)) == 9


async def test_a_bucket_that_refuses_faults_no_run(stack: Stack, seaweed: Seaweed):
    await stack.gateway.deploy("carry", CARRY)
    key, secret = seaweed.readers_key
    bucket: dict[str, Any] = {"artifacts_url": seaweed.url, "s3_endpoint": seaweed.endpoint}
    refused = {**bucket, "s3_access_key_id": key, "s3_secret_access_key": secret}
    async with stack.orchestrator(**refused) as lifecycle:
        run = await stack.gateway.start("carry", {"text": text("D")})

        async def told() -> bool:
            found = lifecycle.metrics.registry.collect()
            samples = [each for metric in found for each in metric.samples]
            return any(
                each.name == "visapi_operator_faults_total"
                and each.labels["class"] == "artifacts"
                and each.value
                for each in samples
            )

        await eventually(told)
        assert await stack.gateway.status(run) == "pending"
    mended = {**bucket, "s3_access_key_id": seaweed.key[0], "s3_secret_access_key": seaweed.key[1]}
    async with stack.orchestrator(**mended):
        await stack.worker("acme.a", "acme.b", "acme.c")
        assert output_of(await stack.gateway.ended(run, within_s=60)) == {"size": MIB, "end": "xxD"}
