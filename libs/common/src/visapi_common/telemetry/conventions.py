"""Metrics under the names of OpenTelemetry's semantic conventions.

HTTP and database names are stable; those of messaging are still in development (semantic conventions 1.45),
and the conventions know no value `nats` for `messaging.system`. Attributes that a tenant could choose without
bound, such as the address of a server, are left out.
"""

from visapi_common.telemetry.instruments import STATEMENTS, Counter, Gauge, Histogram, InstrumentSet


class ConventionalMetrics(InstrumentSet):
    """HTTP, PostgreSQL and NATS, as other systems count them too."""

    http_request_seconds = Histogram(
        "http.server.request.duration",
        "Time from the first byte of a request to the end of its response; streams count only their head.",
        {
            "http.request.method": "HTTP method, or `_OTHER`",
            "http.route": "route template, never the path",
            "http.response.status_code": "status code",
        },
        unit="seconds",
    )
    statement_seconds = Histogram(
        "db.client.operation.duration",
        "Time of one statement, from sending to its last row.",
        {
            "db.system.name": "postgresql",
            "db.query.summary": "name of the SQL block; other; or connect, where no connection could be had",
            "error.type": "SQLSTATE of a refusal; none; or other (a lost connection or a time-out)",
        },
        unit="seconds",
        buckets=STATEMENTS,
    )
    pool_connections = Gauge(
        "db.client.connection.count",
        "Open connections to PostgreSQL.",
        {
            "db.client.connection.pool.name": "name of the service",
            "db.client.connection.state": "used or idle",
        },
    )
    pool_connections_max = Gauge(
        "db.client.connection.max",
        "Connections to PostgreSQL that the process may open.",
        {"db.client.connection.pool.name": "name of the service"},
    )
    pool_wait_seconds = Histogram(
        "db.client.connection.wait_time",
        "Time that a caller waited for a connection, opening one included.",
        {"db.client.connection.pool.name": "name of the service"},
        unit="seconds",
    )
    messages_sent = Counter(
        "messaging.client.sent.messages",
        "Messages sent to NATS.",
        {
            "messaging.system": "nats",
            "messaging.operation.name": "publish or request",
            "messaging.destination.template": "the first two tokens of the subject, or _INBOX",
        },
    )
    messaging_seconds = Histogram(
        "messaging.client.operation.duration",
        "Time of a publish with an acknowledgement, or of a request, to its answer.",
        {
            "messaging.system": "nats",
            "messaging.operation.name": "request",
            "messaging.destination.template": "the first two tokens of the subject",
            "error.type": "none, unanswered (a time-out or a lost connection) or refused",
        },
        unit="seconds",
        buckets=STATEMENTS,
    )
    messages_consumed = Counter(
        "messaging.client.consumed.messages",
        "Messages that a stream delivered, repeated deliveries included.",
        {"messaging.system": "nats", "messaging.destination.name": "name of the stream"},
    )
