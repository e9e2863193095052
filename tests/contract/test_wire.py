"""The bytes of every NATS message, frozen per version.

A release reads what the one before it wrote. To add a field, give it a default and run
`VISAPI_TEST_FREEZE=1 .venv/bin/pytest tests/contract/test_wire.py`; to change one, raise `v` and
keep the old golden file.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from visapi_common.contracts import accounts, templates
from visapi_common.contracts import engine_messages as engine
from visapi_common.contracts import task_messages as tasks
from visapi_common.contracts.payloads import Payload, inline
from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.contracts.runs import ArtifactRef

GOLDEN = Path(__file__).parent / "wire"

RUN = UUID("0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d")
PARENT = UUID("0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3e")
AT = datetime(2026, 11, 24, 9, 30, 0, 250000, tzinfo=UTC)
WORKFLOW = engine.WorkflowRef("visa", "approval", "1.2.0")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TOKEN = "5e" * 32
PATH = "/do/2/retry/try/0/send@1"

MESSAGES: dict[str, msgspec.Struct] = {
    "trigger": engine.Trigger(
        RUN, "default", WORKFLOW, "ab" * 32, inline(b'{"applicant":"Anna"}'), AT, trace=TRACE
    ),
    "trigger_by_reference": engine.Trigger(
        RUN,
        "default",
        WORKFLOW,
        "ab" * 32,
        Payload(ref="payloads/default/cd.json", size=70000, sha256="cd" * 32),
        AT,
    ),
    "approval_decided": engine.ApprovalDecided(
        "/do/1/ask@2", PARENT, "reject", "mia@example.com", "too much"
    ),
    "result_completed": engine.TaskResult(
        RUN,
        PATH,
        2,
        TOKEN,
        engine.Outcome.COMPLETED,
        output=inline(b'{"message_id":"<1@x>"}'),
        started_at=AT,
        ended_at=AT,
        worker="notifier-1",
    ),
    "result_of_a_read": engine.TaskResult(
        RUN, PATH, 2, TOKEN, engine.Outcome.COMPLETED, output=inline(b"7"), read=True
    ),
    "result_faulted": engine.TaskResult(
        RUN,
        PATH,
        2,
        TOKEN,
        engine.Outcome.FAULTED,
        error=standard_error("communication", 503, title="Communication Error"),
    ),
    "result_uncertain": engine.TaskResult(
        RUN,
        PATH,
        2,
        TOKEN,
        engine.Outcome.UNCERTAIN,
        error=WorkflowError("https://visapi.dev/errors/uncertain", 500, title="Uncertain"),
    ),
    "inbox_hint": engine.InboxHint(RUN),
    "heartbeat": engine.TaskHeartbeat(RUN, PATH, 2, TOKEN),
    "inbox_cancel": engine.InboxBody("key:k1", reason="asked by customer"),
    "inbox_resolve": engine.InboxBody(
        "key:k1", path=PATH, decision=engine.Decision.HAPPENED, output=msgspec.Raw(b"{}")
    ),
    "trigger_of_a_child": engine.Trigger(
        RUN, "default", WORKFLOW, "ab" * 32, inline(b"1"), AT, parent=PARENT, parent_path="/do/0/sub"
    ),
    "trigger_of_a_descendant": engine.Trigger(
        RUN, "default", WORKFLOW, "ab" * 32, inline(b"1"), AT, parent=PARENT, root=PARENT, depth=1
    ),
    "child_end": engine.ChildEnd("/do/0/sub", RUN, "completed", output=inline(b'{"n":1}')),
    "live": engine.LiveUpdate(RUN, 7, "running"),
    "task": tasks.TaskMessage(
        RUN,
        PATH,
        2,
        "default",
        "notify.email",
        WORKFLOW,
        "send",
        "/do/2/retry/try/0/send",
        inline(b'{"to":"anna@example.com"}'),
        "ef" * 32,
        TOKEN,
        "visapi.engine.61.result",
        on_uncertain=tasks.OnUncertain.RETRY,
        deadline=AT,
        trace=TRACE,
    ),
    "registration": tasks.Registration(
        "default", "acme-1", [tasks.FunctionSpec("acme.score", effect=tasks.EffectClass.KEYED)]
    ),
    "registration_of_a_read": tasks.Registration(
        "default", "acme-1", [tasks.FunctionSpec("acme.look", effect=tasks.EffectClass.NONE)]
    ),
    "registered": tasks.Registered({"acme.score": "fn-default-acme-score"}),
    "slots": tasks.WorkerSlots("pdf-worker-1f2e", {"pdf.render": 16}),
    "claim": tasks.Claim(RUN, PATH, 2, TOKEN, "acme-1"),
    "claim_answer": tasks.ClaimAnswer(tasks.ClaimVerdict.GRANTED),
    "resolve_template": templates.ResolveTemplate(RUN, PATH, 2, TOKEN, "welcome", version=3),
    "template": templates.Manifest(
        kind="email",
        default_locale="en",
        locales={"en": templates.TemplateParts(subject="Hi", html="<p>{{ name }}</p>")},
        assets={"logo.png": templates.StoredAsset("cd" * 32, 812, "image/png")},
        test_data=msgspec.Raw(b'{"name":"Ada"}'),
    ),
    "resolved_template": templates.ResolvedTemplate(4, 3, "ab" * 32),
    "try_account": accounts.TryAccount("acme", "relay"),
    "account_tried": accounts.AccountTried(
        [accounts.TriedVersion(2, "current", "accepted", "the mail relay accepted the password", 120)]
    ),
    "dead_letter": tasks.DeadLetter(
        "notifier", "redelivered", "delivered six times", tenant="default", run=RUN, path=PATH, attempt=2
    ),
    "artifact": ArtifactRef("ab.pdf", "ab" * 32, 30123, "application/pdf", name="certificate.pdf", pages=1),
}


def golden(name: str, version: int) -> Path:
    return GOLDEN / f"{name}.v{version}.json"


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_written_exactly_as_frozen(name: str):
    message = MESSAGES[name]
    written = msgspec.json.encode(message)
    frozen = golden(name, getattr(message, "v", 1))
    if os.environ.get("VISAPI_TEST_FREEZE"):
        frozen.write_bytes(written + b"\n")
    assert frozen.read_bytes().rstrip(b"\n") == written


@pytest.mark.parametrize("frozen", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_every_frozen_version_is_still_read(frozen: Path):
    name, _, _ = frozen.stem.rpartition(".v")
    kind = type(MESSAGES[name])
    read = msgspec.json.decode(frozen.read_bytes(), type=kind)
    assert read == MESSAGES[name] or frozen != golden(name, getattr(MESSAGES[name], "v", 1))


@pytest.mark.parametrize("name", MESSAGES)
def test_a_field_of_a_later_version_is_ignored(name: str):
    document = msgspec.json.decode(msgspec.json.encode(MESSAGES[name]))
    document["field_of_tomorrow"] = {"x": 1}
    assert msgspec.json.decode(msgspec.json.encode(document), type=type(MESSAGES[name])) == MESSAGES[name]


def test_every_message_that_carries_a_version_is_frozen():
    versioned = {
        kind
        for module in (accounts, engine, tasks, templates)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and "v" in kind.__struct_fields__
    }
    assert versioned == {type(message) for message in MESSAGES.values() if hasattr(message, "v")}
