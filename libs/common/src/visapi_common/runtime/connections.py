"""Settings of S3, NATS and PostgreSQL. A wrong value is refused before any connection is opened."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from visapi_common.adapters.nats_access import NatsAccess
from visapi_common.adapters.pool import Pooler
from visapi_common.adapters.s3 import S3Access
from visapi_common.core import nats_url, postgres_url
from visapi_common.core.nats_credentials import read_credentials
from visapi_common.runtime.secret_lines import lines, text_now, valid_lines
from visapi_common.runtime.settings import PREFIX, CommonSettings, Secret, SettingsError

_ENDPOINT = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+(?P<path>/[A-Za-z0-9._~/-]*)?")


class ArtifactSettings(CommonSettings, frozen=True, kw_only=True):
    """How a service reaches the bucket of an artifact store `s3://bucket/prefix`."""

    s3_endpoint: str | None = None
    """The server of a bucket that is not Amazon's, without the bucket: `https://s3.example.com`, or with a
    path such as `https://project.supabase.co/storage/v1/s3`. Unset: `AWS_ENDPOINT`, else Amazon's server of
    the region."""
    s3_region: str | None = None
    """The region of the bucket. Unset: `AWS_REGION`, else `us-east-1`."""
    s3_path_style: bool = True
    """The bucket stands in the path of URLs; `false` where the server wants the bucket in the host name."""
    s3_access_key_id: Secret | None = None
    """The access key. Unset: the role of the pod (EKS Pod Identity, web identity, ECS) or of the instance,
    from the `AWS_…` variables that the platform sets."""
    s3_secret_access_key: Secret | None = None
    """The secret of the access key."""
    s3_session_token: Secret | None = None
    """The token of a temporary access key."""
    s3_ca: str | None = None
    """The file of the authority that vouches for the server, in addition to those of the machine."""

    def __post_init__(self) -> None:
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise SettingsError(
                f"{PREFIX}S3_ACCESS_KEY_ID and {PREFIX}S3_SECRET_ACCESS_KEY belong together; set both or "
                "neither"
            )
        if self.s3_session_token is not None and self.s3_access_key_id is None:
            raise SettingsError(f"{PREFIX}S3_SESSION_TOKEN is wrong: it belongs to {PREFIX}S3_ACCESS_KEY_ID")
        self._check_endpoint()
        _check_file(f"{PREFIX}S3_CA", self.s3_ca)

    def _check_endpoint(self) -> None:
        if self.s3_endpoint is None:
            return
        name, found = f"{PREFIX}S3_ENDPOINT", _ENDPOINT.fullmatch(self.s3_endpoint)
        if found is None:
            raise SettingsError(f"{name} is wrong: use https://host, https://host:port or https://host/path")
        path = (found["path"] or "").strip("/")
        if path and not self.s3_path_style:
            raise SettingsError(
                f"{name} is wrong: with {PREFIX}S3_PATH_STYLE=false it has no path, not /{path}"
            )
        # Each service that has an artifact store names it in a field of its own.
        bucket = urlsplit(getattr(self, "artifacts_url", None) or "").netloc
        if path and path.rpartition("/")[2] == bucket:
            raise SettingsError(f"{name} is wrong: leave out the bucket, which {PREFIX}ARTIFACTS_URL names")

    @property
    def s3(self) -> S3Access:
        """Access to a bucket, beside its URL."""
        return S3Access(
            endpoint=None if self.s3_endpoint is None else self.s3_endpoint.rstrip("/"),
            region=self.s3_region,
            path_style=self.s3_path_style,
            access_key_id=self.s3_access_key_id,
            secret_access_key=self.s3_secret_access_key,
            session_token=self.s3_session_token,
            ca=self.s3_ca,
        )


class NatsSettings(ArtifactSettings, frozen=True, kw_only=True):
    """How a service reaches NATS."""

    nats_url: Secret
    """`nats://user:password@host:4222` or `tls://…`, several servers separated by commas; the user is the
    service's own (`gateway`, `orchestrator`, `pdf-worker`, `notifier`)."""
    nats_password: Secret | None = None
    """The password, when it does not stand in the URL. While it is rotated, the new and the old one, a line
    each; the file of `…_FILE` is read again at each connection."""
    nats_credentials: Secret | None = None
    """The contents of a `.creds` file, in place of user and password; mostly given as
    `VISAPI_NATS_CREDENTIALS_FILE`."""
    nats_tls_ca: str | None = None
    """The file of the authority that vouches for the servers; unset: those of the machine. Setting it asks
    for TLS.
    """
    nats_tls_cert: str | None = None
    """The file of this service's own certificate, where servers ask for one. Read at each connection."""
    nats_tls_key: str | None = None
    """The file of the certificate's key."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for urls in lines(self.nats_url):
            _check("nats_url", nats_url.flaw, urls)
        if (self.nats_tls_cert is None) != (self.nats_tls_key is None):
            raise SettingsError(
                f"{PREFIX}NATS_TLS_CERT and {PREFIX}NATS_TLS_KEY belong together; set both or neither"
            )
        if self.nats_password is not None and any(
            nats_url.servers(urls)[0].user is None for urls in lines(self.nats_url)
        ):
            raise SettingsError(f"{PREFIX}NATS_PASSWORD is wrong: {PREFIX}NATS_URL names no user whose it is")
        for name in ("nats_tls_ca", "nats_tls_cert", "nats_tls_key"):
            _check_file(f"{PREFIX}{name.upper()}", getattr(self, name))
        access = self.nats_access("check")
        try:
            if access.credentials is not None:
                access.credentials()
        except ValueError as error:
            raise SettingsError(f"{PREFIX}NATS_CREDENTIALS is wrong: {error}") from None
        try:
            access.context()
        except OSError as error:
            raise SettingsError(f"{PREFIX}NATS_TLS_CA, _CERT or _KEY is wrong: {error}") from None

    def nats_urls(self) -> list[str]:
        """The servers with the user's password; during a rotation with one password after the other. Files
        are read again.
        """
        urls, passwords = valid_lines(self.nats_url, nats_url.flaw), lines(self.nats_password)
        if not passwords:
            return urls
        return [nats_url.with_password(url, password) for url in urls for password in passwords]

    def nats_access(self, user: str) -> NatsAccess:
        """What `Bus.connect` needs beside the URL; `user` names the inbox where the URL names nobody."""
        secret = self.nats_credentials
        return NatsAccess(
            user=user,
            credentials=None if secret is None else lambda: read_credentials(text_now(secret)),
            ca=self.nats_tls_ca,
            certificate=self.nats_tls_cert,
            key=self.nats_tls_key,
        )


class LedgerSettings(NatsSettings, frozen=True, kw_only=True):
    """How a service reaches PostgreSQL, too."""

    postgres_url: Secret
    """`postgresql://role@host:5432/database` as the service's own role (`visapi_gateway`,
    `visapi_orchestrator`, `visapi_notifier`); several hosts separated by commas,
    of which the one that takes writes serves; `?sslmode=verify-full&sslrootcert=/ca.pem`."""
    postgres_password: Secret | None = None
    """The password, when it does not stand in the URL. While it is rotated, the new and the old one, a line
    each; the file of `…_FILE` is read again at each connection."""
    postgres_pooler: Pooler = "none"
    """`transaction`: the URL leads to a pooler in transaction mode, such as PgBouncer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for url in lines(self.postgres_url):
            check_postgres_url("postgres_url", url)

    def postgres_urls(self) -> list[str]:
        """The URL with its password; during a rotation with one password after the other. Files are read
        again.
        """
        urls = valid_lines(self.postgres_url, postgres_url.flaw)
        passwords = lines(self.postgres_password) or (None,)
        return [postgres_url.with_password(url, password) for url in urls for password in passwords]


Connections = Annotated[int, msgspec.Meta(ge=1, le=100)]


def check_postgres_url(field: str, url: str) -> None:
    """Raises `SettingsError` that names the variable of `field`."""
    _check(field, postgres_url.flaw, url)
    for parameter, path in postgres_url.files(url).items():
        _check_file(f"{PREFIX}{field.upper()} is wrong: {parameter}", path, problem="")


def _check(field: str, flaw_of: Callable[[str], str | None], value: str) -> None:
    flaw = flaw_of(value)
    if flaw is not None:
        raise SettingsError(f"{PREFIX}{field.upper()} is wrong: {flaw}")


def _check_file(name: str, path: str | None, *, problem: str = " is wrong:") -> None:
    if path is None:
        return
    try:
        with Path(path).open("rb"):
            return
    except OSError as error:
        raise SettingsError(f"{name}{problem} cannot read {path}: {error.strerror}") from None
