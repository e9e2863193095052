"""The gateway's settings; see `visapi_common.runtime.settings`."""

from typing import Annotated

import msgspec

from visapi_common.runtime.connections import LedgerSettings
from visapi_common.runtime.settings import Port, Seconds, SecretBytes

Pepper = Annotated[SecretBytes, msgspec.Meta(min_length=16)]


class GatewaySettings(LedgerSettings, frozen=True, kw_only=True):
    artifacts_url: str
    """`file:///directory` or `s3://bucket/prefix`."""
    key_pepper: Pepper
    """Keys the hashes of API keys; at least 16 bytes in hex."""
    link_secret: Pepper
    """Signs links and cursors; at least 16 bytes in hex."""
    sealing_key: Annotated[SecretBytes, msgspec.Meta(min_length=32, max_length=32)] | None = None
    """Seals secrets (32 bytes in hex); the notifier has the same. Unset: secrets cannot be stored."""
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    postgres_connections: Annotated[int, msgspec.Meta(ge=3, le=100)] = 8
    """Size of the connection pool; two serve accepting alone."""
    key_rate_per_s: Annotated[float, msgspec.Meta(gt=0)] = 10_000.0
    """Requests per second that one key may send to one replica for long."""
    key_burst: Annotated[int, msgspec.Meta(ge=1)] = 20_000
    """Requests that one key may send at once."""
    connections_max: Annotated[int, msgspec.Meta(ge=1)] = 8192
    """Open connections of one replica. Beyond it idle ones are closed, then new ones refused."""
    connections_per_address: Annotated[int, msgspec.Meta(ge=1)] = 4096
    """Open connections of one address (IPv6: one /64). Trusted proxies are not counted."""
    requests_max: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Requests that one replica serves at once. Nobody gets a place while no more are free than they hold."""
    requests_per_key: Annotated[int, msgspec.Meta(ge=1)] = 256
    """Requests of one key (without a key: of one address) that one replica serves at once."""
    streams_max: Annotated[int, msgspec.Meta(ge=1)] = 2048
    """Followers of runs and waiting starts (`Prefer: wait`) of one replica; shared as requests are."""
    streams_per_key: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Followers and waiting starts of one key at one replica."""
    buffered_bytes_max: Annotated[int, msgspec.Meta(ge=1024 * 1024)] = 128 * 1024 * 1024
    """Bytes of large bodies and answers that wait for their peer in one replica; shared as requests are."""
    head_s: Seconds = 10.0
    """Seconds in which the head of a request must come."""
    body_s: Seconds = 30.0
    """Seconds in which a body must come, beside those that `body_bytes_per_s` gives."""
    body_bytes_per_s: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Each so many bytes of a body that have come give their sender one more second."""
    answer_s: Seconds = 30.0
    """Seconds for which a reader may let an answer wait, beside those that `answer_bytes_per_s` gives."""
    answer_bytes_per_s: Annotated[int, msgspec.Meta(ge=1)] = 4096
    """Each so many bytes of an answer that were sent give their reader one more second."""
    idle_s: Seconds = 75.0
    """Seconds after which a connection without a request is closed."""
    tenant_versions_max: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    """Deployed versions of all workflows of one tenant."""
    tenant_schedules_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """Workflows of one tenant that start by times or by events."""
    tenant_secrets_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """Secrets of one tenant."""
    tenant_keys_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """API keys of one tenant that may be used; so many more may have ended within an hour."""
    tenant_retentions_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000
    """Namespaces of one tenant that have a policy of retention."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` is believed, separated by commas."""
    access_log: bool = True
    """Write one line per request."""
