"""The metrics of the gateway. Part of the catalogue (`catalogue.py`), whose rules hold here too."""

from visapi_common.telemetry.conventions import ConventionalMetrics
from visapi_common.telemetry.instruments import KEY_CHECKS, SIZES, Counter, Gauge, Histogram


class GatewayMetrics(ConventionalMetrics):
    """The instruments of the gateway."""

    http_in_flight = Gauge("visapi_http_in_flight", "HTTP requests being served now.")
    sse_followers = Gauge("visapi_sse_followers", "Open event streams.")
    run_changes_lag_seconds = Gauge(
        "visapi_run_changes_lag_seconds",
        "For how long the reader of `GET /v1/runs/changes` has not read everything that was announced; 0 "
        "when it has, or when nobody follows.",
    )
    run_changes_restarts = Counter(
        "visapi_run_changes_restarts_total",
        "How often that reader began anew, because the database was put back to a point in the past; "
        "followers are told `reset`.",
    )
    http_connections = Gauge("visapi_http_connections", "Open connections of the HTTP API.")
    http_connections_closed = Counter(
        "visapi_http_connections_closed_total",
        "Connections that the gateway ended or refused.",
        {
            "reason": "head, body or answer (too slow), idle, memory, unreadable, full (an idle "
            "connection was closed for a new one) or refused (all were busy)"
        },
    )
    http_requests_held = Gauge("visapi_http_requests_held", "Request slots in use (`VISAPI_REQUESTS_MAX`).")
    http_streams_held = Gauge(
        "visapi_http_streams_held",
        "Slots of followers and waiting starts in use, at most `VISAPI_STREAMS_MAX`.",
    )
    http_buffered_bytes = Gauge(
        "visapi_http_buffered_bytes",
        "Buffered bytes of large bodies and responses, at most `VISAPI_BUFFERED_BYTES_MAX`.",
    )
    http_refused = Counter(
        "visapi_http_refused_total",
        "Requests refused because their key, tenant or address held too many slots or bytes, or no slot "
        "was free.",
        {"bound": "requests, streams or memory"},
    )
    triggers_accepted = Counter("visapi_triggers_accepted_total", "Triggers whose commit was confirmed.")
    triggers_replayed = Counter("visapi_triggers_replayed_total", "Triggers that an Idempotency-Key repeats.")
    triggers_refused = Counter(
        "visapi_triggers_refused_total",
        "Triggers that were not accepted.",
        {"reason": "problem code"},
    )
    accept_batch_rows = Histogram(
        "visapi_accept_batch_rows", "Runs inserted by one statement of the gateway.", buckets=SIZES
    )
    accept_commit_seconds = Histogram(
        "visapi_accept_commit_seconds", "Time of one batched insert, commit included."
    )
    hook_requests = Counter(
        "visapi_hook_requests_total",
        "Requests to hooks, by what became of them.",
        {
            "provider": "the hook's provider; unknown where there is no such hook",
            "outcome": "accepted, duplicate, handshake, unknown (no such hook), or why it was refused",
        },
    )
    key_check_seconds = Histogram(
        "visapi_key_check_seconds",
        "Time to authenticate one API key, refused ones included.",
        buckets=KEY_CHECKS,
    )
    rate_refusals = Counter(
        "visapi_rate_refusals_total",
        "Requests and runs refused because a rate or a quota was used up.",
        {"of": "rate or quota", "whose": "key, tenant or name (several keys)"},
    )
    rate_leases = Counter(
        "visapi_rate_leases_total",
        "Leases of tokens by this gateway, counted for each rate and quota.",
        {
            "of": "rate or quota",
            "outcome": "granted, short (fewer than wanted) or alone (the database did not answer: from the "
            "gateway's own share of a rate, nothing of a quota)",
        },
    )
    auth_failures = Counter(
        "visapi_auth_failures_total",
        "Requests refused because of their API key.",
        {"reason": "problem code"},
    )
    keys_leaked = Counter(
        "visapi_keys_leaked_total", "API keys that were revoked because somebody showed them."
    )
