"""Metrics of a whole stack move when what they count happens: more than fifty families in one scenario.

`tests/contract/test_moving_families.py` asks that each family of the catalogue is moved here or elsewhere.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2e.moving import Afternoon, Samples, an_afternoon, deaths, deploy, value
from kit.running_stack import running_stack
from kit.waiting import eventually
from visapi.stack.standins.smtp_sink import SmtpSink

GATEWAY, ORCHESTRATOR, PDF, NOTIFIER = "gateway", "orchestrator", "pdf-worker", "notifier"
MAIL, CALL, RENDER = "notify.email", "http.request", "pdf.render"
MOVES: tuple[tuple[str, str, float, dict[str, str]], ...] = (
    (GATEWAY, "visapi_triggers_accepted_total", 7, {}),
    (GATEWAY, "visapi_triggers_replayed_total", 1, {}),
    (GATEWAY, "visapi_triggers_refused_total", 1, {"reason": "workflow_not_found"}),
    (GATEWAY, "visapi_accept_batch_rows_sum", 7, {}),
    (GATEWAY, "visapi_accept_commit_seconds_count", 1, {}),
    (GATEWAY, "visapi_key_check_seconds_count", 10, {}),
    (GATEWAY, "visapi_auth_failures_total", 1, {"reason": "unauthenticated"}),
    (GATEWAY, "visapi_http_refused_total", 1, {"bound": "streams"}),
    (GATEWAY, "http_server_request_duration_seconds_count", 5, {"http_response_status_code": "200"}),
    (GATEWAY, "visapi_bounded_jobs_total", 4, {"outcome": "done"}),
    (GATEWAY, "visapi_bounded_wait_seconds_count", 4, {}),
    (GATEWAY, "visapi_bounded_job_seconds_count", 4, {}),
    (GATEWAY, "visapi_nats_reconnects_total", 1, {}),
    (GATEWAY, "visapi_event_loop_lag_seconds_count", 20, {}),
    (ORCHESTRATOR, "visapi_engine_messages_total", 6, {"kind": "trigger"}),
    (ORCHESTRATOR, "visapi_engine_messages_total", 6, {"kind": "result"}),
    (ORCHESTRATOR, "visapi_engine_batch_messages_sum", 10, {}),
    (ORCHESTRATOR, "visapi_transitions_total", 3, {"status": "completed"}),
    (ORCHESTRATOR, "visapi_transition_seconds_count", 10, {}),
    (ORCHESTRATOR, "visapi_advance_seconds_count", 10, {}),
    (ORCHESTRATOR, "visapi_commit_seconds_count", 10, {}),
    (ORCHESTRATOR, "visapi_run_seconds_count", 3, {"status": "completed"}),
    (ORCHESTRATOR, "visapi_run_seconds_count", 2, {"status": "faulted"}),
    (ORCHESTRATOR, "visapi_timers_fired_total", 3, {}),
    (ORCHESTRATOR, "visapi_timer_lag_seconds_count", 3, {}),
    (ORCHESTRATOR, "visapi_tasks_published_total", 3, {"function": RENDER}),
    (ORCHESTRATOR, "visapi_results_received_total", 5, {"outcome": "completed"}),
    (ORCHESTRATOR, "visapi_results_received_total", 1, {"outcome": "faulted"}),
    (ORCHESTRATOR, "visapi_lifecycle_events_total", 4, {"of": "workflow"}),
    (ORCHESTRATOR, "visapi_dead_letters_total", 1, {"reason": "uncertain"}),
    (ORCHESTRATOR, "visapi_engine_restarts_total", 1, {}),
    (ORCHESTRATOR, "visapi_sweeps_total", 1, {"kind": "run"}),
    (ORCHESTRATOR, "db_client_operation_duration_seconds_count", 10, {}),
    (ORCHESTRATOR, "messaging_client_sent_messages_total", 10, {}),
    (ORCHESTRATOR, "messaging_client_consumed_messages_total", 10, {}),
    (PDF, "visapi_worker_tasks_total", 3, {"function": RENDER, "outcome": "completed"}),
    (PDF, "visapi_worker_task_seconds_count", 3, {"function": RENDER}),
    (PDF, "visapi_worker_wait_seconds_count", 3, {"function": RENDER}),
    (PDF, "visapi_pdf_renders_total", 3, {"mode": "static", "outcome": "completed"}),
    (PDF, "visapi_pdf_render_seconds_count", 3, {"mode": "static"}),
    (PDF, "visapi_pdf_pages_sum", 3, {}),
    (PDF, "visapi_pdf_bytes_sum", 3000, {}),
    (PDF, "visapi_artifact_seconds_count", 3, {"operation": "put"}),
    (PDF, "visapi_browser_restarts_total", 1, {"reason": "crashed"}),
    (NOTIFIER, "visapi_worker_tasks_total", 1, {"function": CALL, "outcome": "faulted"}),
    (NOTIFIER, "visapi_deliveries_total", 2, {"channel": "email", "outcome": "sent"}),
    (NOTIFIER, "visapi_deliveries_total", 1, {"channel": "email", "outcome": "uncertain"}),
    (NOTIFIER, "visapi_delivery_seconds_count", 3, {"channel": "email"}),
    (NOTIFIER, "visapi_uncertain_held_total", 1, {"function": MAIL}),
    (NOTIFIER, "visapi_egress_refused_total", 1, {"reason": "address"}),
)
"""Service, sample, by how much at least, labels."""
LEVELS: tuple[tuple[str, str, float, dict[str, str]], ...] = (
    (GATEWAY, "visapi_build_info", 1, {}),
    (GATEWAY, "visapi_http_connections", 1, {}),
    (GATEWAY, "visapi_nats_connected", 1, {}),
    (ORCHESTRATOR, "visapi_stream_bytes", 100, {"stream": "LIFECYCLE"}),
    (ORCHESTRATOR, "visapi_ledger_waiting", 1, {"queue": "dead_letters"}),
    (ORCHESTRATOR, "visapi_dead_letters_open", 1, {"kind": "uncertain"}),
    (ORCHESTRATOR, "visapi_dead_letters_oldest_seconds", 0.1, {"kind": "uncertain"}),
    (ORCHESTRATOR, "visapi_ledger_oldest_seconds", 1, {"queue": "dead_letters"}),
    (NOTIFIER, "visapi_worker_slots", 1, {"function": MAIL}),
)
"""Service, gauge, what it is at least, labels."""


def unmoved(before: Samples, after: Samples) -> list[str]:
    """What did not move as far as it should have, and levels that are not reached."""
    moved = [
        (row, value(after, row[0], row[1], row[3]) - value(before, row[0], row[1], row[3])) for row in MOVES
    ]
    reached = [(row, value(after, row[0], row[1], row[3])) for row in LEVELS]
    return [
        f"{service} {name} {labels}: {found:g} of {least:g}"
        for (service, name, least, labels), found in (*moved, *reached)
        if found < least
    ]


@pytest.fixture
async def mails() -> AsyncIterator[SmtpSink]:
    sink = SmtpSink()
    await sink.start()
    yield sink
    await sink.stop()


async def test_what_happens_on_a_stack_moves_its_metrics(tmp_path: Path, mails: SmtpSink):
    settings = {
        "VISAPI_SMTP_URL": mails.url,
        "VISAPI_EGRESS_ALLOW": "127.0.0.0/8",
        "VISAPI_STREAMS_PER_KEY": "1",
        "VISAPI_ENGINE_PROCESSES": "1",
    }
    async with running_stack(tmp_path, settings) as stack, stack.client() as client:
        at = Afternoon(stack, tmp_path, mails)
        before = await at.samples()
        await deploy(client)
        await an_afternoon(client, at)
        await deaths(client, at)

        with contextlib.suppress(AssertionError):  # below it is said which one is missing
            await eventually(lambda: _arrived(at, before), within_s=20)
        after = await at.samples()
        assert not unmoved(before, after), "\n".join(unmoved(before, after))


async def _arrived(at: Afternoon, before: Samples) -> bool:
    """Levels and sweeps take some seconds."""
    return not unmoved(before, await at.samples())
