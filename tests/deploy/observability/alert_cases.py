"""For each alert the series on which it fires, and those on which it stays silent.

A series is written as promtool reads it: `0+1x60` rises by one at each sample. The alert is asked about at the end.
"""

from typing import NamedTuple

Series = dict[str, str]


class Case(NamedTuple):
    """`minutes`: when the alert is asked about; `sample_s`: the seconds between samples, and between evaluations."""

    fires: Series
    silent: Series
    minutes: int = 20
    sample_s: int = 30


def _requests(errors: str, others: str) -> Series:
    return {
        'http_server_request_duration_seconds_count{http_response_status_code="500"}': errors,
        'http_server_request_duration_seconds_count{http_response_status_code="202"}': others,
    }


def _oldest(queue: str, old: int, fresh: int, minutes: int = 20) -> Case:
    series = f'visapi_ledger_oldest_seconds{{queue="{queue}"}}'
    return Case({series: f"{old}x{2 * minutes}"}, {series: f"{fresh}x{2 * minutes}"}, minutes)


def _counted(series: str, rises: str, rests: str = "7x400", minutes: int = 20) -> Case:
    return Case({series: rises}, {series: rests}, minutes)


def _buckets(name: str, labels: str, slow: bool) -> Series:
    """Ten observations at each sample: slow ones of 3 to 10 seconds, or fast ones of at most 50 ms."""
    rises, rests = "0+10x400", "0x400"
    bounds = {"0.05": rests if slow else rises, "3": rests if slow else rises, "10": rises, "+Inf": rises}
    return {f'{name}_bucket{{{labels}le="{bound}"}}': values for bound, values in bounds.items()}


def _slow(name: str, labels: str = "") -> Case:
    return Case(_buckets(name, labels, slow=True), _buckets(name, labels, slow=False), 30)


SERVICES = ("gateway", "orchestrator", "notifier", "pdf-worker")


def _known(*services: str) -> dict[str, str]:
    """What Prometheus scrapes."""
    return {f'up{{service="{service}"}}': "1x400" for service in services}


def _builds(*services: str, versions: tuple[str, ...] = ("1",)) -> Series:
    return {
        f'visapi_build_info{{service="{service}",version="{versions[number % len(versions)]}"}}': "1x400"
        for number, service in enumerate(services)
    }


CASES: dict[str, Case] = {
    # 2 of 100 answers fail: more than 1.44 %. One of 1,000 keeps the objective.
    "ApiErrorsBurnFast": Case(_requests("0+2x400", "0+98x400"), _requests("0+1x400", "0+999x400"), 65),
    "ApiErrorsBurn": Case(_requests("0+1x400", "0+99x400"), _requests("0+1x400", "0+999x400"), 370, 300),
    "ApiErrorsBurnSlowly": Case(
        _requests("0+4x400", "0+996x400"), _requests("0+1x400", "0+999x400"), 1450, 600
    ),
    "ApiErrorsAboveObjective": Case(
        _requests("0+2x800", "0+998x800"), _requests("0+1x800", "0+1999x800"), 4330, 600
    ),
    "AcceptanceSlow": Case(
        {
            **_buckets("visapi_accept_commit_seconds", "", slow=True),
            "visapi_accept_commit_seconds_count": "0+20x400",
        },
        # The same commits, but only one in a minute.
        {
            **_buckets("visapi_accept_commit_seconds", "", slow=True),
            "visapi_accept_commit_seconds_count": "0+0.5x400",
        },
        30,
    ),
    "TransitionsSlow": _slow("visapi_transition_seconds"),
    "RunsDoNotStart": _oldest("pending_runs", 45, 3),
    "InboxNotConsumed": _oldest("inbox", 90, 5),
    "TimersLate": _oldest("due_timers", 90, 5),
    "SchedulesLate": _oldest("due_schedules", 90, 5),
    "EventsNotMatched": _oldest("events_to_match", 90, 5),
    "EventsNotPublished": _oldest("events_to_publish", 300, 20),
    "LifecycleEventsLate": _counted("visapi_lifecycle_lag_seconds", "300x40", "20x40"),
    "TasksWaitForTurns": _oldest("held_tasks", 900, 200, 30),
    "NoWorkerForFunction": Case(
        {
            'visapi_tasks_open{function="pdf.render"}': "5x40",
            'visapi_worker_slots{function="http.call"}': "9x40",
        },
        {
            'visapi_tasks_open{function="pdf.render"}': "5x40",
            'visapi_worker_slots{function="pdf.render"}': "2x40",
        },
    ),
    "EffectsUncertain": _counted('visapi_uncertain_held_total{function="notify.email"}', "0+1x40"),
    "DeadLettersGrow": _counted('visapi_dead_letters_total{reason="poison"}', "0+2x40", "0x20 1x20"),
    "DeadLettersOld": _oldest("dead_letters", 200_000, 3_600, 30),
    "WorkQuarantined": _counted('visapi_quarantined_total{loop="events"}', "0x30 1x10"),
    "MessagesUnreadable": _counted('visapi_messages_unreadable_total{kind="result"}', "0x30 2x10"),
    "EventsUncollected": _counted(
        'visapi_events_uncollected_total{reason="refused"}', "0x80 3x20", minutes=50
    ),
    "Watchdog": Case({}, {}),
    "ProcessDown": _counted('up{service="gateway",instance="a"}', "1x35 0x5", "1x40"),
    # The PDF worker is missing while a task waits for it. It is known and down, and the notifier is scaled to none.
    "ServiceMissing": Case(
        {**_known(*SERVICES[:3]), 'visapi_tasks_open{function="pdf.render"}': "1x400"},
        {
            **_known("gateway", "orchestrator"),
            'up{service="pdf-worker"}': "0x400",
            'visapi_tasks_open{function="pdf.render"}': "1x400",
        },
    ),
    "ProcessRestarts": _counted('process_start_time_seconds{service="gateway"}', "0+60x40", "7x40"),
    "MemoryHigh": _counted('process_resident_memory_bytes{service="gateway"}', "2e9x40", "4e8x40"),
    "EventLoopStalls": _counted(
        'visapi_event_loop_stalls_total{cause="work",service="gateway"}', "0+5x40", "0x35 3x5"
    ),
    "LoopRestarts": _counted('visapi_loop_restarts_total{loop="timers"}', "0x30 1x10"),
    "EngineProcessesReplaced": _counted(
        'visapi_engine_restarts_total{reason="deadline"}', "0+1x40", "0x30 2x10"
    ),
    "BoundedWorkRefused": _counted(
        'visapi_bounded_jobs_total{job="compile",outcome="refused"}', "0+3x40", "0x30 4x10"
    ),
    "VersionsMixed": Case(_builds(*SERVICES, versions=("1", "2")), _builds(*SERVICES), 150),
    "NewerFormats": _counted('visapi_messages_stale_total{reason="newer"}', "0+1x80", minutes=40),
    "NatsDisconnected": _counted('visapi_nats_connected{service="notifier"}', "1x35 0x5", "1x35 0x0 1x4"),
    "EventsStreamRecreated": _counted('visapi_streams_recreated_total{stream="EVENTS"}', "0x30 1x10"),
    "StreamsRecreated": Case(
        {'visapi_streams_recreated_total{stream="TASKS"}': "0x30 1x10"},
        {'visapi_streams_recreated_total{stream="EVENTS"}': "0x30 1x10"},
    ),
    "ProducersRefused": _counted("visapi_producers_refused_total", "0x30 1x10"),
    "EventsDropped": _counted('visapi_events_dropped_total{reason="disabled"}', "0x30 1x10"),
    "PostgresFails": Case(
        {
            'db_client_operation_duration_seconds_count{service="gateway",error_type="57P01"}': "0+1x40",
            'db_client_operation_duration_seconds_count{service="gateway",error_type="none"}': "0+9x40",
        },
        {
            'db_client_operation_duration_seconds_count{service="gateway",error_type="23505"}': "0+1x40",
            'db_client_operation_duration_seconds_count{service="gateway",error_type="none"}': "0+9x40",
        },
    ),
    "OperatorFaults": _counted(
        'visapi_operator_faults_total{class="42",service="notifier"}', "0+5x40", "0x37 1x10"
    ),
    "WaitForConnections": _slow(
        "db_client_connection_wait_time_seconds", 'db_client_connection_pool_name="gateway",'
    ),
    "DatabaseGrows": _counted("visapi_database_bytes", "2e10+4e7x900", "2e10x900", minutes=450),
    "DeliveriesFail": Case(
        {
            'visapi_deliveries_total{channel="email",outcome="failed"}': "0+6x40",
            'visapi_deliveries_total{channel="email",outcome="sent"}': "0+4x40",
        },
        {
            'visapi_deliveries_total{channel="email",outcome="failed"}': "0+1x40",
            'visapi_deliveries_total{channel="email",outcome="sent"}': "0+9x40",
        },
    ),
    "DocumentsFail": Case(
        {
            'visapi_pdf_renders_total{outcome="faulted"}': "0+5x40",
            'visapi_pdf_renders_total{outcome="completed"}': "0+5x40",
        },
        {
            'visapi_pdf_renders_total{outcome="faulted"}': "0+1x40",
            'visapi_pdf_renders_total{outcome="completed"}': "0+9x40",
        },
    ),
    "BrowserReplaced": Case(
        {'visapi_browser_restarts_total{reason="crashed"}': "0+1x40"},
        {'visapi_browser_restarts_total{reason="recycled"}': "0+1x40"},
    ),
    "TasksRedelivered": _counted(
        'visapi_worker_redeliveries_total{function="pdf.render"}', "0+3x40", "0x30 5x10"
    ),
    "KeysRefused": _counted('visapi_auth_failures_total{reason="unauthenticated"}', "0+300x40", "0+30x40"),
    "KeyLeaked": _counted("visapi_keys_leaked_total", "0x30 1x10", "2x40"),
    "RequestsRefusedByBounds": _counted('visapi_http_refused_total{bound="requests"}', "0+60x40", "0+3x40"),
    "RunsRefusedByFamily": _counted('visapi_family_refusals_total{of="task"}', "0+5x40", "0x30 20x10"),
}
