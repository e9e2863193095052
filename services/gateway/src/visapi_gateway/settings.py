"""The gateway's settings; see `visapi_common.runtime.settings`."""

from typing import Annotated

import msgspec

from visapi_common.runtime.connections import LedgerSettings
from visapi_common.runtime.settings import Network, Port, SealingKeys, Seconds, StrongKeys

Origin = Annotated[
    str,
    msgspec.Meta(pattern=r"^https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?$"),
]
"""An origin as browsers write it: without a path, and without the port that the scheme implies."""


class GatewaySettings(LedgerSettings, frozen=True, kw_only=True):
    artifacts_url: str
    """`file:///directory` or `s3://bucket/prefix`."""
    key_pepper: StrongKeys
    """The keys of the hashes of API keys; each at least 16 bytes in hex."""
    link_secret: StrongKeys
    """Sign links and cursors, and hash requests; each at least 16 bytes in hex."""
    sealing_key: SealingKeys | None = None
    """Seal secrets (32 bytes in hex each); the notifier has the same. Unset: secrets cannot be stored."""
    http_host: str = "127.0.0.1"
    """The address on which the API is served."""
    http_port: Port = 8080
    """The port of the API."""
    postgres_connections: Annotated[int, msgspec.Meta(ge=3, le=100)] = 8
    """Size of the connection pool; two connections are reserved for accepting runs."""
    key_rate_per_s: Annotated[float, msgspec.Meta(ge=0.001, le=1_000_000)] = 200.0
    """Requests per second of one key, at all replicas together, where the key has no rate of its own."""
    key_burst: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 1_000
    """Requests of one key at once."""
    tenant_rate_per_s: Annotated[float, msgspec.Meta(ge=0.001, le=1_000_000)] = 500.0
    """Requests per second of all keys of one tenant, at all replicas together, where the operator has set no
    other.
    """
    tenant_burst: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 2_000
    """Requests of all keys of one tenant at once."""
    tenant_runs_per_day: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)] = 0
    """Runs that one tenant may start over HTTP in a day of UTC; 0: any number."""
    tenant_runs_per_month: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)] = 0
    """Runs that one tenant may start over HTTP in a month of UTC; 0: any number."""
    rate_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.25
    """The part of each rate that one replica admits by itself while PostgreSQL does not answer."""
    connections_max: Annotated[int, msgspec.Meta(ge=1)] = 8192
    """Open connections of one replica. At the limit, idle connections are closed, then new ones refused."""
    connections_per_address: Annotated[int, msgspec.Meta(ge=1)] = 4096
    """Open connections of one address (IPv6: one /64). Trusted proxies are not counted."""
    requests_max: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Concurrent requests of one replica. A client gets another slot only while more slots are free than it
    holds.
    """
    requests_per_key: Annotated[int, msgspec.Meta(ge=1)] = 256
    """Concurrent requests of one key (without a key: of one address) at one replica."""
    streams_max: Annotated[int, msgspec.Meta(ge=1)] = 2048
    """Followers of runs and waiting starts (`Prefer: wait`) of one replica, shared in the same way."""
    streams_per_key: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Followers and waiting starts of one key at one replica."""
    buffered_bytes_max: Annotated[int, msgspec.Meta(ge=1024 * 1024)] = 128 * 1024 * 1024
    """Buffered bytes of large bodies and responses of one replica, shared in the same way."""
    head_s: Seconds = 10.0
    """Seconds in which the head of a request must arrive."""
    body_s: Seconds = 30.0
    """Seconds in which a body must arrive, in addition to those of `body_bytes_per_s`."""
    body_bytes_per_s: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """This many received bytes of a body give the sender one more second."""
    answer_s: Seconds = 30.0
    """Seconds for which a client may delay a response, in addition to those of `answer_bytes_per_s`."""
    answer_bytes_per_s: Annotated[int, msgspec.Meta(ge=1)] = 4096
    """This many sent bytes of a response give the client one more second."""
    idle_s: Seconds = 75.0
    """Seconds after which a connection without a request is closed."""
    tenant_versions_max: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    """Deployed versions of all workflows of one tenant."""
    tenant_schedules_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """Workflows of one tenant with a schedule, by times or by events."""
    tenant_secrets_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """Secrets of one tenant."""
    tenant_keys_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """Valid API keys of one tenant; as many more may have ended within the last hour."""
    tenant_retentions_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """Namespaces of one tenant with a retention policy."""
    tenant_hooks_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """Hooks of one tenant."""
    tenant_hook_deliveries_max: Annotated[int, msgspec.Meta(ge=1000)] = 1_000_000
    """Deliveries to the hooks of one tenant that are remembered; beyond them the oldest are forgotten, which
    could then be accepted once more."""
    tenant_hook_bytes_max: Annotated[int, msgspec.Meta(ge=1024 * 1024)] = 256 * 1024 * 1024
    """Bytes of the events of these deliveries that are kept for replays; beyond them the oldest events go."""
    hook_rate_per_s: Annotated[float, msgspec.Meta(gt=0)] = 200.0
    """Sustained verified requests per second of one hook at one replica."""
    hook_burst: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """The burst of verified requests of one hook."""
    tenant_rates_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """Rates of one tenant that are set for keys and for names."""
    tenant_endpoints_max: Annotated[int, msgspec.Meta(ge=1)] = 50
    """Endpoints of one tenant, to each of which its webhooks are sent."""
    tenant_accounts_max: Annotated[int, msgspec.Meta(ge=1)] = 50
    """Accounts of one tenant at providers."""
    tenant_templates_max: Annotated[int, msgspec.Meta(ge=1)] = 5_000
    """Versions of templates of one tenant."""
    audit_keep_days: Annotated[int, msgspec.Meta(ge=0, le=36500)] = 400
    """How long entries of the audit are kept; 0: for ever. Older ones are exported to the artifact store and
    deleted, and the audit records that."""
    trusted_proxies: tuple[Network, ...] = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` is trusted, separated by commas."""
    cors_origins: tuple[Origin, ...] = ()
    """Origins whose pages may call the API in a browser, such as `https://app.example.com`, separated by
    commas; each exactly as browsers send it. Empty: none may.
    """
    access_log: bool = True
    """Write one line per request."""
