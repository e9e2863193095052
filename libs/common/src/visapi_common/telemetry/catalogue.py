"""Every metric of VisAPI's own: those of the gateway are in `gateway_catalogue.py`, those of OpenTelemetry's
conventions in `conventions.py`. No other file spells their names.

Labels are bounded, and listed with their values. Ids of runs, tenants or keys are never
labels. `docs/reference/metrics.md` is generated from this file.
"""

from visapi_common.telemetry.gateway_catalogue import GatewayMetrics
from visapi_common.telemetry.instruments import (
    AGES,
    BYTES,
    SIZES,
    Counter,
    Gauge,
    Histogram,
)

_FUNCTION = "name of the function"
_LETTERS = (
    "uncertain, poison, engine-killed, webhook, message, event, emit, schedule, function, timer, inbox, run "
    "or lifecycle"
)
_QUEUES = (
    "pending_runs, inbox, held_tasks, due_timers, due_schedules, events_to_match, events_to_publish or "
    "dead_letters (open ones, webhooks left out)"
)


class Metrics(GatewayMetrics):
    """The instruments of one process; passed in, never imported."""

    # Orchestrator and engine
    engine_messages = Counter(
        "visapi_engine_messages_total",
        "Messages taken from ENGINE.",
        {"kind": "trigger, result, inbox or heartbeat"},
    )
    engine_batch_messages = Histogram(
        "visapi_engine_batch_messages", "Messages folded in one transaction.", buckets=SIZES
    )
    transitions = Counter(
        "visapi_transitions_total", "Committed transitions of runs.", {"status": "the run's status after it"}
    )
    transition_seconds = Histogram(
        "visapi_transition_seconds", "Time from taking a batch to its commit, per batch."
    )
    advance_seconds = Histogram("visapi_advance_seconds", "Time a batch spent in an engine process.")
    commit_seconds = Histogram("visapi_commit_seconds", "Time of the transaction that stores a batch.")
    run_seconds = Histogram(
        "visapi_run_seconds",
        "Time from a run's acceptance to its end.",
        {"status": "completed, faulted or cancelled"},
    )
    cas_conflicts = Counter(
        "visapi_cas_conflicts_total", "Runs with a revision conflict; their messages were folded again."
    )
    family_refusals = Counter(
        "visapi_family_refusals_total",
        "Runs that were not started, because their family or their tenant has reached its limit of open "
        "runs.",
        {"of": "task or event"},
    )
    events_uncollected = Counter(
        "visapi_events_uncollected_total",
        "Events that a schedule `on` several events does not wait with: it waits for as many correlations as "
        "it may, the others did not come in time, or no version of the workflow listens any more.",
        {"reason": "refused, expired or removed"},
    )
    histories_long = Counter(
        "visapi_histories_long_total",
        "Runs whose history reached four fifths of its limit (VISAPI_HISTORY_ITEMS_MAX).",
    )
    messages_stale = Counter(
        "visapi_messages_stale_total",
        "Messages that changed nothing.",
        {"reason": "duplicate, late, ended, token, newer (in a format of a later release) or keys (missing)"},
    )
    messages_unreadable = Counter(
        "visapi_messages_unreadable_total",
        "Foreign messages and answers that could not be read, in whole or in part.",
        {"kind": "trigger, result, inbox, heartbeat, claim, registration, slots, task or other"},
    )
    sweeps = Counter(
        "visapi_sweeps_total",
        "Rows that a sweep took because their message had not arrived.",
        {"kind": "run, inbox, timer or task"},
    )
    timers_fired = Counter("visapi_timers_fired_total", "Timers consumed by a transition.")
    timer_lag_seconds = Histogram(
        "visapi_timer_lag_seconds", "Time from a timer's due time to its transition."
    )
    tasks_published = Counter(
        "visapi_tasks_published_total",
        "Tasks sent to workers, repeats included.",
        {"function": "name of the built-in function; own for all functions of tenants"},
    )
    tasks_held = Counter(
        "visapi_tasks_held_total",
        "Tasks that were committed while others of their function or of their tenant waited for their turn.",
        {"function": _FUNCTION},
    )
    tasks_open = Gauge(
        "visapi_tasks_open",
        "Tasks of a built-in function without a result, held back and sent ones, each counted up to 50,000. "
        "Every orchestrator reports the same number.",
        {"function": _FUNCTION},
    )
    ledger_waiting = Gauge(
        "visapi_ledger_waiting",
        "Rows that wait in a queue of the ledger, counted up to 50,000. Every orchestrator reports the same "
        "number.",
        {"queue": _QUEUES},
    )
    ledger_oldest_seconds = Gauge(
        "visapi_ledger_oldest_seconds",
        "How long the oldest counted row of a queue has waited; 0 when none waits.",
        {"queue": _QUEUES},
    )
    tenant_erasures_unfinished = Gauge(
        "visapi_tenant_erasures_unfinished",
        "Tenants that are being erased. Every orchestrator reports the same number.",
    )
    tenant_erasures_oldest_seconds = Gauge(
        "visapi_tenant_erasures_oldest_seconds",
        "How long ago the oldest erasure that is not finished was asked for; 0 without any. None ends within "
        "the first hour.",
    )
    tenant_erasure_pieces = Counter(
        "visapi_tenant_erasure_pieces_total",
        "Pieces of erasures: a thousand rows or a hundred files at most.",
        {"outcome": "done or failed (the tenant is put off for half a minute)"},
    )
    stream_messages = Gauge("visapi_stream_messages", "Messages in a stream.", {"stream": "its name"})
    stream_bytes = Gauge("visapi_stream_bytes", "Bytes of a stream.", {"stream": "its name"})
    database_bytes = Gauge("visapi_database_bytes", "Size of the database on disk.")
    wal_position_bytes = Gauge(
        "visapi_wal_position_bytes",
        "Bytes ever written to the write-ahead log; its rate is what replicas and backups must carry.",
    )
    triggers_deferred = Counter(
        "visapi_triggers_deferred_total",
        "Triggers left to the ledger, because too many of their tenant waited in memory.",
    )
    results_received = Counter(
        "visapi_results_received_total",
        "Results of workers that a transition consumed.",
        {"outcome": "completed, faulted or uncertain"},
    )
    streams_recreated = Counter(
        "visapi_streams_recreated_total",
        "Streams that were lost and re-created, or cleared of messages that VisAPI did not send.",
        {"stream": "ENGINE, TASKS, EVENTS, DLQ or LIFECYCLE"},
    )
    lifecycle_events = Counter(
        "visapi_lifecycle_events_total", "Lifecycle events that JetStream stored.", {"of": "workflow or task"}
    )
    lifecycle_lag_seconds = Gauge(
        "visapi_lifecycle_lag_seconds",
        "How long the oldest lifecycle event has been waiting to be published; 0 when none waits.",
    )
    endpoint_messages = Counter(
        "visapi_endpoint_messages_total", "Webhooks to endpoints, written to be sent."
    )
    engine_restarts = Counter(
        "visapi_engine_restarts_total",
        "Engine processes that were replaced.",
        {"reason": "deadline, died or memory"},
    )
    dead_letters = Counter(
        "visapi_dead_letters_total", "Dead letters recorded.", {"reason": "stable reason of the dead letter"}
    )
    dead_letters_open = Gauge(
        "visapi_dead_letters_open", "Open dead letters, counted up to 20,000 of a kind.", {"kind": _LETTERS}
    )
    dead_letters_oldest_seconds = Gauge(
        "visapi_dead_letters_oldest_seconds",
        "How long the oldest open dead letter of a kind is open; 0 when none is.",
        {"kind": _LETTERS},
    )

    audit_rows_cut = Counter(
        "visapi_audit_rows_cut_total", "Rows of the audit that were exported and deleted for their age."
    )
    producers_refused = Counter(
        "visapi_producers_refused_total", "Producers refused on EVENTS: floods, and disabled tenants."
    )
    events_dropped = Counter(
        "visapi_events_dropped_total",
        "Messages on EVENTS that were dropped: their tenant has 10,000 dead letters of messages, or 64 MiB, "
        "or is erased.",
        {"reason": "disabled or erased (the tenant is), or unreadable (the message is no event)"},
    )

    # Workers
    worker_tasks = Counter(
        "visapi_worker_tasks_total",
        "Tasks answered by this worker.",
        {"function": _FUNCTION, "outcome": "completed, faulted, uncertain or dropped"},
    )
    worker_task_seconds = Histogram(
        "visapi_worker_task_seconds",
        "Time from taking a task to its stored result.",
        {"function": _FUNCTION, "outcome": "completed, faulted, uncertain or dropped"},
    )
    worker_wait_seconds = Histogram(
        "visapi_worker_wait_seconds",
        "Time that a task lay in its stream before this worker took it.",
        {"function": _FUNCTION},
        buckets=AGES,
    )
    worker_slots = Gauge(
        "visapi_worker_slots", "Tasks of a function that this worker does at once.", {"function": _FUNCTION}
    )
    worker_in_flight = Gauge("visapi_worker_in_flight", "Tasks being worked on now.", {"function": _FUNCTION})
    worker_redeliveries = Counter(
        "visapi_worker_redeliveries_total", "Tasks delivered more than once.", {"function": _FUNCTION}
    )

    # Notifier
    deliveries = Counter(
        "visapi_deliveries_total",
        "Attempts at outbound effects.",
        {
            "channel": "short name of the channel, such as email",
            "outcome": "sent, sunk (of a test run), failed, postponed, replayed or uncertain",
        },
    )
    delivery_seconds = Histogram(
        "visapi_delivery_seconds",
        "Time of one attempt at an outbound effect.",
        {"channel": "short name of the channel, such as email"},
    )
    endpoint_attempts = Counter(
        "visapi_endpoint_attempts_total",
        "Attempts to send webhooks to endpoints.",
        {"outcome": "delivered, refused (by the receiver), unreachable, or unopened (the secrets)"},
    )
    uncertain_held = Counter(
        "visapi_uncertain_held_total",
        "Effects held because their outcome is unknown.",
        {"function": _FUNCTION},
    )
    egress_refused = Counter(
        "visapi_egress_refused_total",
        "Outbound requests the egress guard refused.",
        {"reason": "scheme, port, address, host or redirect"},
    )

    # PDF worker
    pdf_renders = Counter(
        "visapi_pdf_renders_total",
        "Documents rendered.",
        {"mode": "static or scripted", "outcome": "completed, faulted or timeout"},
    )
    pdf_render_seconds = Histogram(
        "visapi_pdf_render_seconds", "Time of one rendering, without storing.", {"mode": "static or scripted"}
    )
    pdf_pages = Histogram("visapi_pdf_pages", "Pages per document.", buckets=SIZES)
    pdf_bytes = Histogram("visapi_pdf_bytes", "Bytes per document.", buckets=BYTES)
    browser_restarts = Counter(
        "visapi_browser_restarts_total",
        "Browsers that were replaced.",
        {"reason": "crashed, recycled, memory or timeout"},
    )
    artifact_seconds = Histogram(
        "visapi_artifact_seconds", "Time of one artifact store operation.", {"operation": "put, get or head"}
    )

    # Every process
    quarantined = Counter(
        "visapi_quarantined_total",
        "Rows and messages that failed alone and were quarantined, so that others continued.",
        {"loop": "name of the loop"},
    )
    operator_faults = Counter(
        "visapi_operator_faults_total",
        "Failures that only the operator can fix; the work is repeated until then.",
        {"loop": "name of the loop", "class": "SQLSTATE class, nats, artifacts, keys, memory or os"},
    )
    loop_restarts = Counter(
        "visapi_loop_restarts_total",
        "Background loops that ended with an error and were restarted.",
        {"loop": "name of the loop"},
    )
    event_loop_lag_seconds = Histogram(
        "visapi_event_loop_lag_seconds", "Delay of event loop timers, sampled 20 times a second."
    )
    build_info = Gauge(
        "visapi_build_info",
        "Always 1; the labels say what runs.",
        {"version": "version of the packages", "python": "version of Python"},
    )
    nats_connected = Gauge("visapi_nats_connected", "1 while connected to NATS.")
    nats_reconnects = Counter("visapi_nats_reconnects_total", "Reconnections to NATS.")
    nats_handler_failures = Counter(
        "visapi_nats_handler_failures_total",
        "Messages that were lost: their handler raised an error, or they asked for an answer on no inbox.",
    )

    # Bounded processes and event loops
    bounded_jobs = Counter(
        "visapi_bounded_jobs_total",
        "Jobs of bounded processes.",
        {
            "job": "kind of job",
            "outcome": "done; input, output, cpu, wall, memory or died: over a bound; refused: too many "
            "waited; killed or lost: ended from outside; bug",
        },
    )
    bounded_wait_seconds = Histogram(
        "visapi_bounded_wait_seconds", "Time that a job waited for a slot.", {"job": "kind of job"}
    )
    bounded_job_seconds = Histogram(
        "visapi_bounded_job_seconds", "Time of one job, without waiting.", {"job": "kind of job"}
    )
    bounded_waiting = Gauge("visapi_bounded_waiting", "Jobs that wait for a slot.")
    event_loop_stalls = Counter(
        "visapi_event_loop_stalls_total",
        "Event loop stalls: timers that fired more than 100 ms late.",
        {"cause": "work (the loop was computing) or outside (no processor, or a blocking call)"},
    )
