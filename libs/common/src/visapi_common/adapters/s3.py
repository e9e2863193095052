"""Opens a bucket: the server, the addressing style, the credentials and the trusted authority.

obstore takes the rest from the `AWS_*` variables that platforms give to pods and instances: EKS Pod Identity
and ECS (`AWS_CONTAINER_CREDENTIALS_…`), web identity (`AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE`), else
the metadata service of the instance.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from obstore.store import S3Store

_RETRY: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=10)}
"""In-process retries of at most 10 s; after that the caller fails or tries again later."""
_REQUEST_TIMEOUT_S = timedelta(seconds=20)
_CONNECT_TIMEOUT_S = timedelta(seconds=3)


class S3Access(msgspec.Struct, frozen=True, kw_only=True):
    """How a bucket is reached. Nothing set: Amazon's S3, with the role of the pod or the instance."""

    endpoint: str | None = None
    """The address of the server, without the bucket. Plain HTTP is used only where it says `http:`."""
    region: str | None = None
    path_style: bool = True
    """The bucket stands in the path of URLs; else in the host name."""
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    ca: str | None = None
    """The file of authorities (PEM) that are trusted in addition to those of the machine."""


def open_bucket(url: str, access: S3Access) -> S3Store:
    """Open `s3://bucket/prefix`; connects to nothing. Raises `OSError` when the file `ca` cannot be read, and
    obstore's errors for settings that contradict one another.
    """
    client: Any = {"allow_http": True, "timeout": _REQUEST_TIMEOUT_S, "connect_timeout": _CONNECT_TIMEOUT_S}
    if access.ca is not None:
        client["root_certificate"] = Path(access.ca).read_bytes()
    given: dict[str, Any] = {
        "endpoint": _endpoint(access, urlsplit(url).netloc),
        "region": access.region,
        "virtual_hosted_style_request": None if access.path_style else True,
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key,
        "session_token": access.session_token,
    }
    config: Any = {name: value for name, value in given.items() if value is not None}
    return S3Store.from_url(url, config=config, client_options=client, retry_config=_RETRY)


def _endpoint(access: S3Access, bucket: str) -> str | None:
    """Obstore wants the bucket in the host of an endpoint that is addressed by host names."""
    if access.endpoint is None or access.path_style:
        return access.endpoint
    parts = urlsplit(access.endpoint)
    return parts._replace(netloc=f"{bucket}.{parts.netloc}").geturl()
