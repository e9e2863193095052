"""The client's pure parts, and how the demo reads a history and checks what arrived."""

import hashlib
import io
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pikepdf
import pytest

from visapi.client import ApiError, dead_letter_operations, errors, operations
from visapi.client.event_stream import EventReader, RunEnd, history_events
from visapi.client.failures import UnreachableError, read_answer
from visapi.client.following import Reconnects, ended_early
from visapi.demo.arrivals import check_mail, check_slack, check_webhook
from visapi.demo.progress import Progress
from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.problems import Problem
from visapi_common.contracts.runs import HistoryItem, RunStatus, TaskRef

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def item(seq: int, kind: str, pointer: str | None = None) -> HistoryItem:
    task = TaskRef(pointer.rsplit("/", 1)[-1], pointer) if pointer else None
    return HistoryItem(seq=seq, type=kind, time=START + timedelta(seconds=seq), task=task)


def test_an_event_ends_with_a_blank_line_and_heartbeats_are_skipped():
    lines = [
        ": heartbeat",
        "",
        "id: 1",
        'data: {"seq": 1, "type": "workflow.started",',
        'data:  "time": "2026-11-24T12:00:00Z"}',
        "",
        "data: not json",
        "",
    ]
    [found] = history_events(EventReader(), lines)
    assert isinstance(found, HistoryItem)
    assert found.type == "workflow.started"


def test_only_the_end_event_ends_a_history_and_a_fault_does_not():
    lines = [
        "id: 5",
        'data: {"seq":5,"type":"workflow.faulted","time":"2026-11-24T12:00:00Z"}',
        "",
        "event: end",
        'data: {"status":"completed","seq":9}',
        "",
    ]
    fault, end = history_events(EventReader(), lines)
    assert isinstance(fault, HistoryItem)
    assert end == RunEnd(RunStatus.COMPLETED, 9)


def test_a_broken_stream_is_taken_up_a_few_times_and_a_refusal_never():
    reconnects = Reconnects()
    broken = ended_early("http://127.0.0.1:1")
    assert [reconnects.pause_s(broken) for _ in range(3)] == [0.5, 1.0, 2.0]
    with pytest.raises(UnreachableError, match="before the run ended"):
        reconnects.pause_s(broken)
    reconnects.progressed()
    assert reconnects.pause_s(ApiError(Problem(type="t", title="draining", status=503))) == 0.5
    with pytest.raises(ApiError, match="gone"):
        reconnects.pause_s(ApiError(Problem(type="t", title="gone", status=404)))


def test_names_cannot_break_out_of_a_path():
    assert operations.get_run("../keys").path == "/v1/runs/..%2Fkeys"


def test_what_is_not_said_of_a_repetition_is_not_sent():
    assert operations.rerun_run("r").body == b"{}"
    assert (
        operations.rerun_run("r", body=b"null", version="2.0.0").body == b'{"input":null,"version":"2.0.0"}'
    )


def test_a_refusal_is_an_error_of_its_code_with_the_problem():
    body = b'{"type": "t", "title": "Not found", "status": 404, "detail": "no such run", "code": "run_not_found"}'
    with pytest.raises(errors.RunNotFoundError, match="no such run") as caught:
        read_answer(operations.get_run("x"), 404, body)
    assert isinstance(caught.value, errors.NotFoundError)
    assert caught.value.status == 404


def test_an_answer_that_is_no_problem_document_is_shown_as_it_is():
    with pytest.raises(ApiError, match="<html>"):
        read_answer(operations.get_run("x"), 502, b"<html>bad gateway")


def test_steps_are_shown_in_the_order_of_the_definition_and_nested():
    progress = Progress()
    for seq, (kind, pointer) in enumerate(
        [
            ("task.started", "/do/0/render"),
            ("task.started", "/do/1/tell"),
            ("task.started", "/do/1/tell/fork/branches/10/slack"),
            ("task.started", "/do/1/tell/fork/branches/2/partner"),
            ("task.started", "/do/1/tell/fork/branches/2/partner/try/0/call"),
            ("task.retried", "/do/1/tell/fork/branches/2/partner/try/0/call"),
            ("task.completed", "/do/0/render"),
        ]
    ):
        progress.take(item(seq, kind, pointer))
    assert [(step.name, step.depth, step.state, step.retries) for step in progress.steps()] == [
        ("render", 0, "completed", 0),
        ("tell", 0, "running", 0),
        ("partner", 1, "running", 0),
        ("call", 2, "retrying", 1),
        ("slack", 1, "running", 0),
    ]


def test_a_step_takes_from_its_first_start_to_its_end():
    progress = Progress()
    for seq, kind in ((1, "task.started"), (3, "task.retried"), (4, "task.started"), (9, "task.completed")):
        progress.take(item(seq, kind, "/do/0/a"))
    assert progress.steps()[0].seconds(START) == 8


def pdf() -> bytes:
    out = io.BytesIO()
    document = pikepdf.new()
    document.add_blank_page()
    document.save(out)
    return out.getvalue()


def mail(folder: Path, name: str, attachment: bytes | None, to: str = "ada@example.com") -> Path:
    message = EmailMessage()
    message["To"] = to
    message.set_content("hello")
    if attachment is not None:
        message.add_attachment(attachment, maintype="application", subtype="pdf", filename="c.pdf")
    path = folder / name
    path.write_bytes(bytes(message))
    return path


def test_a_mail_counts_only_with_the_very_pdf(tmp_path: Path):
    content = pdf()
    digest = hashlib.sha256(content).hexdigest()
    good = mail(tmp_path, "1.eml", content)
    bare = mail(tmp_path, "2.eml", None)
    broken = mail(tmp_path, "3.eml", b"%PDF-garbage")
    assert check_mail([good], "ada@example.com", digest).ok
    assert not check_mail([bare], "ada@example.com", digest).ok
    assert not check_mail([broken], "ada@example.com", digest).ok
    assert not check_mail([good], "ada@example.com", "0" * 64).ok
    assert not check_mail([good, good], "ada@example.com", digest).ok
    assert not check_mail([good], "eve@example.com", digest).ok


def test_a_webhook_counts_only_once_verified_and_under_one_key():
    record = {"id": "k1", "verified": True, "body": '{"run": "r1"}'}
    assert check_webhook([record], "r1").ok
    assert not check_webhook([], "r1").ok
    assert not check_webhook([{**record, "verified": False}], "r1").ok
    assert not check_webhook([record, {**record, "id": "k2"}], "r1").ok
    assert check_webhook([record, {**record, "body": '{"run": "r2"}'}], "r1").ok


def test_a_slack_message_counts_when_it_names_the_case():
    record = {"message": {"text": "Visa for VA-1"}}
    assert check_slack([record], "VA-1").ok
    assert not check_slack([record], "VA-2").ok
    assert not check_slack([record, record], "VA-1").ok


def test_the_sample_input_is_what_the_sample_asks_for():
    root = Path(__file__).parents[4]
    request = msgspec.json.decode((root / "examples/visa-approval.input.json").read_bytes())
    assert {"reference", "applicant", "visa"} <= set(request)


def test_a_decision_about_an_uncertain_effect_is_repeated_under_one_key_only() -> None:
    call = dead_letter_operations.resolve_dead_letter(
        "0192f0c1/..", Decision.RETRY, reason="not in the outbox"
    )
    assert (call.method, call.path) == ("POST", "/v1/dead-letters/0192f0c1%2F../resolve")
    assert msgspec.json.decode(call.body or b"") == {"decision": "retry", "reason": "not in the outbox"}
    assert call.keyed
