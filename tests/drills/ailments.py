"""What can go wrong with a stack, for each section of the page of runbooks that tells how to mend it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import asyncpg
import httpx
import nats

from faults.harness import FaultStack, workflow
from kit.ledger_rows import full_of_messages, plant
from kit.poison import NAP
from kit.waiting import eventually
from visapi.admin import nats_rights
from visapi.stack.data_directory import DataDirectory
from visapi.stack.standins.faults import Fault
from visapi.stack.standins.smtp_sink import SmtpFault

_YAML = {"Content-Type": "application/yaml"}
_FLOOD = 20


class Patient:
    """A whole stack, its receivers, and a client of it."""

    def __init__(self, stack: FaultStack) -> None:
        self.stack = stack
        self.data = DataDirectory(stack.stack.data_dir)
        ready = stack.stack.ready
        headers = {"Authorization": f"Bearer {ready.api_key}"}
        self.client = httpx.AsyncClient(base_url=ready.gateway, headers=headers, timeout=20, trust_env=False)
        self._open: list[Any] = []

    async def close(self) -> None:
        for connection in self._open:
            connection.terminate()
        await self.client.aclose()

    async def connection(self, role: str) -> Any:
        """To the database, open until the end."""
        port = self.stack.stack.processes()["postgres"].ports["postgres"]
        password = self.data.secrets().postgres[role]
        opened: Any = await asyncpg.connect(f"postgresql://{role}:{password}@127.0.0.1:{port}/visapi")
        self._open.append(opened)
        return opened

    async def deploy(self, document: bytes) -> str:
        answer = await self.client.post("/v1/workflows", content=document, headers=_YAML)
        assert answer.status_code in (200, 201), answer.text
        return f"/v1/workflows/{answer.json()['namespace']}/{answer.json()['name']}/runs"

    async def start(self, document: bytes) -> str:
        """A run of the workflow; its id."""
        target = await self.deploy(document)
        body = {"number": 1, "hook": self.stack.receivers.hook_url}
        answer = await self.client.post(target, json=body)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return answer.json()["id"]

    async def becomes(self, run: str, status: str) -> None:
        async def is_so() -> bool:
            return (await self.client.get(f"/v1/runs/{run}")).json()["status"] == status

        await eventually(is_so, what=f"the run {status}")

    async def publish(self, subject: str, body: bytes) -> None:
        """On the stream of events, with the rights of the orchestrator."""
        port = self.stack.stack.processes()["nats"].ports["nats"]
        user = nats_rights.ORCHESTRATOR
        password = self.data.secrets().nats[user]
        bus: Any = await nats.connect(
            f"nats://{user}:{password}@127.0.0.1:{port}", inbox_prefix=f"_INBOX.{user}".encode()
        )
        await bus.jetstream().publish(subject, body)
        await bus.close()

    def signal(self, name: str, number: signal.Signals) -> None:
        process = self.stack.stack.processes()[name].pid
        assert process is not None
        os.kill(process, number)


class Ailment(NamedTuple):
    what: str
    """For the table."""
    begin: Callable[[Patient], Awaitable[None]]
    lasts: bool = True
    """Whether it stays until somebody mends it, so that the page's check must fail before."""


async def _event_of_a_stranger(patient: Patient) -> None:
    event = b'{"specversion":"1.0","id":"1","source":"shop","type":"paid"}'
    await patient.publish("visapi.events.newcomer.paid", event)
    await _letter(patient, "message")


async def _messages_beyond_the_bound(patient: Patient) -> None:
    """A letter as large as thousands of others together stands for them."""
    await plant(
        await patient.connection("visapi_orchestrator"), "dead_letters", **full_of_messages("default")
    )
    await patient.publish("visapi.events.default.paid", b"no event")
    log = patient.data.root / "logs/orchestrator.log"
    await eventually(lambda: "events_dropped" in log.read_text("utf-8"), what="a message dropped")


async def _mail_without_an_answer(patient: Patient) -> None:
    patient.stack.receivers.mails.faults.append(SmtpFault.DROP_AFTER_DATA)
    await patient.start(workflow("workflow"))
    await _letter(patient, "task")


async def _letter(patient: Patient, kind: str) -> None:
    async def there() -> bool:
        answer = await patient.client.get("/v1/dead-letters", params={"resolved": "false", "kind": kind})
        return bool(answer.json()["items"])

    await eventually(there, what=f"a dead letter of kind {kind}")


async def _grant_lost(patient: Patient) -> None:
    owner = await patient.connection("visapi_owner")
    await owner.execute("revoke insert on visapi.history from visapi_orchestrator")


async def _forgotten_transaction(patient: Patient) -> None:
    owner = await patient.connection("visapi_owner")
    await owner.execute("begin")
    await owner.execute("lock table visapi.runs in exclusive mode")


async def _leaked_key(patient: Patient) -> None:
    answer = await patient.client.post("/v1/keys", json={"name": "leaked"})
    assert answer.is_success, answer.text
    (patient.stack.stack.folder / "leaked.key").write_text(answer.json()["key"], encoding="utf-8")


async def _flood(patient: Patient) -> None:
    runs = [await patient.start(NAP.encode()) for _ in range(_FLOOD)]
    for run in runs:
        await patient.becomes(run, "waiting")


async def _provider_refuses(patient: Patient) -> None:
    patient.stack.receivers.hooks.faults.add(Fault(status=401))
    await patient.becomes(await patient.start(workflow("workflow")), "faulted")


def _killed(name: str) -> Callable[[Patient], Awaitable[None]]:
    async def begin(patient: Patient) -> None:
        await asyncio.to_thread(patient.stack.kill, name)

    return begin


def _hangs(name: str) -> Callable[[Patient], Awaitable[None]]:
    async def begin(patient: Patient) -> None:
        patient.signal(name, signal.SIGSTOP)

    return begin


async def _store_lost(patient: Patient) -> None:
    await asyncio.to_thread(patient.stack.wipe_nats)


AILMENTS = {
    "dead-letters": Ailment("an event of a tenant that nobody made", _event_of_a_stranger),
    "events-dropped": Ailment("more messages than dead letters may be kept", _messages_beyond_the_bound),
    "uncertain-effects": Ailment("a relay that takes a mail and breaks off", _mail_without_an_answer),
    "operator-faults": Ailment("a grant taken from the orchestrator", _grant_lost),
    "postgres-slow": Ailment("a forgotten transaction that locks runs", _forgotten_transaction),
    "postgres-away": Ailment("PostgreSQL killed", _killed("postgres"), lasts=False),
    "nats-away": Ailment("NATS hangs", _hangs("nats")),
    "nats-store-lost": Ailment("NATS killed, its store wiped", _store_lost, lasts=False),
    "runs-do-not-start": Ailment("the orchestrator hangs", _hangs("orchestrator")),
    "process-down": Ailment("the gateway hangs", _hangs("gateway")),
    "key-leaked": Ailment("a key that others know", _leaked_key),
    "one-tenant-disturbs": Ailment(f"{_FLOOD} runs that wait for an hour", _flood),
    "deliveries-fail": Ailment("a receiver that refuses a webhook", _provider_refuses),
}
