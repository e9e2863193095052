"""What can go wrong with a stack, for each section of the pages of operations that tells how to mend it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from drills import full_disk, tenant_erased, watched
from drills.patient import Ailment, Patient
from drills.typing_pages import PROCEDURES
from faults.harness import workflow
from kit.ledger_rows import full_of_messages, plant
from kit.poison import NAP
from kit.waiting import eventually
from visapi.stack.standins.faults import Fault
from visapi.stack.standins.smtp_sink import SmtpFault

_FLOOD = 20
_ENDLESS = 12
_CREDIT = b"""
document: {dsl: '1.0.3', namespace: acme, name: credit, version: '1.0.0'}
do:
  - score: {call: acme.score, with: {income: 5000, debts: 1}}
"""
_LEAFLET = b"""
document: {dsl: '1.0.3', namespace: shop, name: leaflet, version: '1.0.0'}
do:
  - print: {call: pdf.render, with: {html: '<script>while (true) {}</script>', options: {javascript: true}}}
"""


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
    (patient.folder / "leaked.key").write_text(answer.json()["key"], encoding="utf-8")


async def _flood(patient: Patient) -> None:
    runs = [await patient.start(NAP.encode()) for _ in range(_FLOOD)]
    for run in runs:
        await patient.becomes(run, "waiting")


async def _provider_refuses(patient: Patient) -> None:
    patient.stack.receivers.hooks.faults.add(Fault(status=401))
    await patient.becomes(await patient.start(workflow("workflow")), "faulted")


async def _right_of_a_route_lost(patient: Patient) -> None:
    owner = await patient.connection("visapi_owner")
    await owner.execute("revoke select on visapi.secrets from visapi_gateway")


async def _no_worker(patient: Patient) -> None:
    await patient.becomes(await patient.start(_CREDIT), "running")


async def _endless_documents(patient: Patient) -> None:
    runs = [await patient.start(_LEAFLET) for _ in range(_ENDLESS)]
    await patient.becomes(runs[0], "faulted")


def _killed(name: str) -> Callable[[Patient], Coroutine[Any, Any, None]]:
    async def begin(patient: Patient) -> None:
        await asyncio.to_thread(patient.stack.kill, name)

    return begin


def _hangs(name: str) -> Callable[[Patient], Coroutine[Any, Any, None]]:
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
    "api-errors": Ailment("a right that one route needs taken from the gateway", _right_of_a_route_lost),
    "tasks-wait": Ailment("a task of a function without a worker", _no_worker),
    "documents-fail": Ailment(f"{_ENDLESS} documents that never get ready", _endless_documents),
    "versions-mixed": Ailment(
        "a notifier of an older release runs on", watched.old_release, meanwhile=watched.upgrade_goes_on
    ),
    "watchdog": Ailment("a silence for every alert", watched.silenced, after=watched.beats_again),
    "Tenant erasure": Ailment(
        "a tenant whose contract has ended",
        tenant_erased.begin,
        page=PROCEDURES,
        meanwhile=tenant_erased.an_hour_passes,
        after=tenant_erased.nothing_stays,
    ),
    "disk-full": Ailment("the disk of PostgreSQL is full", full_disk.begin),
}
