"""The gateway's settings; see `visapi_common.runtime.settings`."""

from typing import Annotated

import msgspec

from visapi_common.runtime.settings import CommonSettings, Port, Secret, SecretBytes

Pepper = Annotated[SecretBytes, msgspec.Meta(min_length=16)]


class GatewaySettings(CommonSettings, frozen=True, kw_only=True):
    postgres_url: Secret
    """As role `visapi_gateway`."""
    nats_url: Secret
    """As user `gateway`; servers separated by commas."""
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
    access_log: bool = True
    """Write one line per request."""
