"""Links of approvals, made from their handles at the moment when they are sent."""

from uuid import UUID

import msgspec
import pytest

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.approvals import link_handle, link_key, parse_token
from visapi_common.core.errors import PermanentFault
from visapi_common.core.keyrings import Keyring
from visapi_common.core.secret_handles import run_key
from visapi_common.runtime.bounded_processes import BoundedProcesses
from visapi_common.telemetry.setup import open_metrics
from visapi_common.worker.faults import TaskFault
from visapi_notifier.channels.email.rules.message import EmailCall
from visapi_notifier.credentials.inputs import Inputs
from visapi_notifier.credentials.secrets import Secrets
from visapi_notifier.delivery.serving import hidden
from visapi_notifier.outbound.rules.masking import HIDDEN, Mask
from visapi_notifier.preparing.bounded import PREPARE, BoundedInputs

SECRET = bytes(32)
RUN = UUID("0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d")
APPROVAL = UUID("0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3e")
KEYS = Keyring.of(SECRET)
KEY = run_key(SECRET, RUN)
MESSAGE = TaskMessage(
    run=RUN,
    path="/do/0/mail",
    attempt=1,
    tenant="default",
    function="notify.email",
    workflow=WorkflowRef("a", "b", "1.0.0"),
    name="mail",
    pointer="/do/0/mail",
    input=NULL,
    effect_key="",
    token="",
    reply="",
)


async def sent(secrets: Secrets, text: str, mask: Mask | None = None, message: TaskMessage = MESSAGE) -> str:
    """The text of a mail whose input holds this text."""
    given = msgspec.Raw(msgspec.json.encode({"to": "a@example.com", "text": text}))
    metrics = open_metrics()
    # A small input is prepared in the event loop, so no process is started.
    preparing = BoundedInputs(BoundedProcesses((PREPARE,), metrics))
    call, _ = await Inputs(preparing, secrets, metrics).read(EmailCall, given, message, mask or Mask())
    assert call.wanted.text is not None
    return call.wanted.text


async def test_a_handle_within_a_text_becomes_the_approvers_link() -> None:
    secrets = Secrets(None, KEYS, "https://v.example/")
    handle = link_handle(KEY, APPROVAL, "mia@example.com")
    text = await sent(secrets, f"Decide: {handle}!")
    assert text.startswith("Decide: https://v.example/approve/default.")
    token = parse_token(text.removesuffix("!").rpartition("/")[2])
    assert token == ("default", APPROVAL, link_key(KEY, APPROVAL, "mia@example.com"))


async def test_a_handle_of_another_run_stays_text() -> None:
    handle = link_handle(run_key(SECRET, APPROVAL), APPROVAL, "")
    assert await sent(Secrets(None, KEYS, "https://v.example"), handle) == handle


async def test_a_handle_of_an_earlier_key_is_opened_though_the_task_names_the_new_key() -> None:
    """An orchestrator that was restarted late made the handle, another one sent the task."""
    ring = Keyring.read(f"{'11' * 32}@2026-01-01T00:00:00Z, {SECRET.hex()}")
    message = msgspec.structs.replace(MESSAGE, handle_key=ring.keys[0].id)
    handle = link_handle(KEY, APPROVAL, "")
    assert await sent(Secrets(None, KEYS, "https://v.example"), handle) != handle
    text = await sent(Secrets(None, ring, "https://v.example"), handle, message=message)
    assert text.startswith("https://v.example/approve/default.")
    stranger = link_handle(run_key(bytes([7] * 32), RUN), APPROVAL, "")
    assert await sent(Secrets(None, ring, "https://v.example"), stranger, message=message) == stranger


async def test_without_a_public_url_the_task_faults_and_says_which_setting_is_missing() -> None:
    with pytest.raises(TaskFault, match="VISAPI_PUBLIC_URL"):
        await sent(Secrets(None, KEYS), link_handle(KEY, APPROVAL, ""))


async def refused(text: str) -> str:
    """What is told of a mail with a link of which the relay says this."""
    handle = link_handle(KEY, APPROVAL, "")
    mask = Mask()
    link = await sent(Secrets(None, KEYS, "https://v.example"), handle, mask)
    said = text.format(link=link, key=link_key(KEY, APPROVAL, ""))

    return str(hidden(PermanentFault(said), mask))


async def test_a_receiver_that_repeats_a_link_brings_it_into_no_history() -> None:
    assert await refused("550 {link} is on a list") == f"550 {HIDDEN} is on a list"
    assert await refused(r"550 https:\/\/v.example\/{key}") == rf"550 https:\/\/v.example\/{HIDDEN}"
