"""Which settings each service gets: only its own, and of the caller's only the ones it knows.

The services refuse a `VISAPI_*` name they do not know, so this table and their settings agree or
nothing starts.
"""

import difflib
from collections.abc import Mapping

from visapi_common.runtime.settings import FILE

_COMMON = (
    "VISAPI_LOG_LEVEL",
    "VISAPI_LOG_PERSONAL_DATA",
    "VISAPI_OTLP_ENDPOINT",
    "VISAPI_OTLP_METRICS_S",
    "VISAPI_OTLP_LOGS",
    "VISAPI_TRACE_SAMPLE",
    "VISAPI_DRAIN_S",
    "VISAPI_ARTIFACTS_URL",
    "VISAPI_WRITES",
    "VISAPI_S3_ENDPOINT",
    "VISAPI_S3_REGION",
    "VISAPI_S3_PATH_STYLE",
    "VISAPI_S3_ACCESS_KEY_ID",
    "VISAPI_S3_SECRET_ACCESS_KEY",
    "VISAPI_S3_SESSION_TOKEN",
    "VISAPI_S3_CA",
)
_EGRESS = ("VISAPI_EGRESS_ALLOW", "VISAPI_EGRESS_ORIGINS")

FORWARDED: dict[str, tuple[str, ...]] = {
    "gateway": (
        *_COMMON,
        "VISAPI_POSTGRES_CONNECTIONS",
        "VISAPI_KEY_RATE_PER_S",
        "VISAPI_KEY_BURST",
        "VISAPI_TENANT_RATE_PER_S",
        "VISAPI_TENANT_BURST",
        "VISAPI_TENANT_RUNS_PER_DAY",
        "VISAPI_TENANT_RUNS_PER_MONTH",
        "VISAPI_RATE_SHARE",
        "VISAPI_ACCESS_LOG",
        "VISAPI_AUDIT_KEEP_DAYS",
        "VISAPI_HEAD_S",
        "VISAPI_BODY_S",
        "VISAPI_BODY_BYTES_PER_S",
        "VISAPI_ANSWER_S",
        "VISAPI_ANSWER_BYTES_PER_S",
        "VISAPI_HOOK_BURST",
        "VISAPI_HOOK_RATE_PER_S",
        "VISAPI_IDLE_S",
        "VISAPI_BUFFERED_BYTES_MAX",
        "VISAPI_CONNECTIONS_MAX",
        "VISAPI_CONNECTIONS_PER_ADDRESS",
        "VISAPI_CORS_ORIGINS",
        "VISAPI_REQUESTS_MAX",
        "VISAPI_REQUESTS_PER_KEY",
        "VISAPI_STREAMS_MAX",
        "VISAPI_STREAMS_PER_KEY",
        "VISAPI_TENANT_ACCOUNTS_MAX",
        "VISAPI_TENANT_ENDPOINTS_MAX",
        "VISAPI_TENANT_HOOKS_MAX",
        "VISAPI_TENANT_HOOK_BYTES_MAX",
        "VISAPI_TENANT_HOOK_DELIVERIES_MAX",
        "VISAPI_TENANT_KEYS_MAX",
        "VISAPI_TENANT_RATES_MAX",
        "VISAPI_TENANT_RETENTIONS_MAX",
        "VISAPI_TENANT_SCHEDULES_MAX",
        "VISAPI_TENANT_SECRETS_MAX",
        "VISAPI_TENANT_TEMPLATES_MAX",
        "VISAPI_TENANT_VERSIONS_MAX",
        "VISAPI_TRUSTED_PROXIES",
    ),
    "orchestrator": (
        *_COMMON,
        "VISAPI_ENGINE_PROCESSES",
        "VISAPI_POSTGRES_CONNECTIONS",
        "VISAPI_STREAM_ENGINE_BYTES",
        "VISAPI_STREAM_TASKS_BYTES",
        "VISAPI_STREAM_EVENTS_BYTES",
        "VISAPI_STREAM_DLQ_BYTES",
        "VISAPI_STREAM_LIFECYCLE_BYTES",
        "VISAPI_LANES",
        "VISAPI_LIFECYCLE_EVENTS",
        "VISAPI_RETENTION_DAYS",
        "VISAPI_ENDED_KEYS_DAYS",
        "VISAPI_USAGE_DAYS",
        "VISAPI_HOOK_DELIVERIES_DAYS",
        "VISAPI_ENDPOINT_MESSAGES_DAYS",
        "VISAPI_ENDPOINT_PENDING_MAX",
        "VISAPI_BATCH_MAX",
        "VISAPI_FAMILY_DEPTH_MAX",
        "VISAPI_FAMILY_OPEN_MAX",
        "VISAPI_TENANT_OPEN_RUNS_MAX",
        "VISAPI_HISTORY_ITEMS_MAX",
        "VISAPI_SCHEDULE_CORRELATIONS_MAX",
        "VISAPI_SCHEDULE_CORRELATION_DAYS",
        "VISAPI_RECORD_INPUTS",
    ),
    "pdf-worker": (
        *_COMMON,
        *_EGRESS,
        "VISAPI_CHROMIUM",
        "VISAPI_CHROMIUM_USER",
        "VISAPI_CHROMIUM_SANDBOX",
        "VISAPI_PDF_CONCURRENCY",
        "VISAPI_PDF_TIMEOUT_S",
        "VISAPI_PDF_PAGES_MAX",
        "VISAPI_PDF_BYTES_MAX",
        "VISAPI_PDF_MEMORY_MAX_MB",
        "VISAPI_BROWSER_JOBS_MAX",
        "VISAPI_BROWSER_MEMORY_MAX_MB",
    ),
    "notifier": (
        *_COMMON,
        *_EGRESS,
        "VISAPI_POSTGRES_CONNECTIONS",
        "VISAPI_PUBLIC_URL",
        "VISAPI_SMTP_URL",
        "VISAPI_MAIL_FROM",
        "VISAPI_SLACK_TOKEN",
        "VISAPI_SLACK_BASE_URL",
        "VISAPI_DELIVERIES_KEEP_DAYS",
    ),
}
"""The settings that the caller of `visapi up` may set, by service."""

SECRETS = (
    "VISAPI_S3_ACCESS_KEY_ID",
    "VISAPI_S3_SECRET_ACCESS_KEY",
    "VISAPI_S3_SESSION_TOKEN",
    "VISAPI_SMTP_URL",
    "VISAPI_SLACK_TOKEN",
)
"""The settings that a file may hold: `<name>_FILE` names the file."""

_ADMIN = ("VISAPI_OWNER_URL", "VISAPI_KEY_PEPPER")
OWN = ("VISAPI_API_KEY", "VISAPI_URL", "VISAPI_DATA_DIR", "VISAPI_NATS_URL", *_ADMIN)
"""The settings of the command line and of own workers, which `visapi env` prints."""

_TESTS = "VISAPI_TEST_"
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "PLAYWRIGHT_BROWSERS_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class UnknownSettingError(Exception):
    """A `VISAPI_*` variable that no process of the stack knows; the message names the nearest."""


def forwarded(service: str) -> list[str]:
    """The names of `FORWARDED`, and of the files that may hold the secrets among them."""
    names = FORWARDED[service]
    return [*names, *(f"{name}{FILE}" for name in names if name in SECRETS)]


def check(environ: Mapping[str, str]) -> None:
    """Refuse a mistyped setting before anything starts. Raises `UnknownSettingError`."""
    known = {*OWN, *(name for service in FORWARDED for name in forwarded(service))}
    for name in sorted(environ):
        if not name.startswith("VISAPI_") or name.startswith(_TESTS) or name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else "the embedded stack has no such setting"
        raise UnknownSettingError(f"{name} is unknown; {hint}")


def of_service(service: str, environ: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a service: a few general names, the caller's settings, then the stack's own
    settings, which take precedence.
    """
    general = {name: environ[name] for name in _INHERITED if name in environ}
    asked = {name: environ[name] for name in forwarded(service) if environ.get(name)}
    return {"PYTHONUNBUFFERED": "1", "TZ": "UTC", **general, **asked, **own}
