"""What services read about PostgreSQL and NATS; a wrong value is refused before anything connects."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec

from visapi_common.adapters.nats_access import NatsAccess
from visapi_common.core import nats_url, postgres_url
from visapi_common.core.nats_credentials import read_credentials
from visapi_common.runtime.settings import PREFIX, CommonSettings, Secret, SettingsError


class NatsSettings(CommonSettings, frozen=True, kw_only=True):
    """How a service reaches NATS."""

    nats_url: Secret
    """`nats://user:password@host:4222` or `tls://…`, several servers separated by commas; the user is the
    service's own (`gateway`, `orchestrator`, `pdf-worker`, `notifier`)."""
    nats_password: Secret | None = None
    """The password, when it does not stand in the URL."""
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
        _check("nats_url", nats_url.flaw, self.nats_url)
        if (self.nats_tls_cert is None) != (self.nats_tls_key is None):
            raise SettingsError(
                f"{PREFIX}NATS_TLS_CERT and {PREFIX}NATS_TLS_KEY belong together; set both or neither"
            )
        if self.nats_password is not None and nats_url.servers(self.nats_url)[0].user is None:
            raise SettingsError(f"{PREFIX}NATS_PASSWORD is wrong: {PREFIX}NATS_URL names no user whose it is")
        for name in ("nats_tls_ca", "nats_tls_cert", "nats_tls_key"):
            _check_file(f"{PREFIX}{name.upper()}", getattr(self, name))
        access = self.nats_access("check")
        try:
            access.context()
        except OSError as error:
            raise SettingsError(f"{PREFIX}NATS_TLS_CA, _CERT or _KEY is wrong: {error}") from None

    def nats_access(self, user: str) -> NatsAccess:
        """What `Bus.connect` needs beside the URL; `user` names the inbox where the URL names nobody."""
        try:
            credentials = None if self.nats_credentials is None else read_credentials(self.nats_credentials)
        except ValueError as error:
            raise SettingsError(f"{PREFIX}NATS_CREDENTIALS is wrong: {error}") from None
        return NatsAccess(
            user=user,
            password=self.nats_password,
            credentials=credentials,
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
    """The password, when it does not stand in the URL."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_postgres_url("postgres_url", self.postgres_url)

    @property
    def postgres(self) -> str:
        """The URL with its password."""
        return postgres_url.with_password(self.postgres_url, self.postgres_password)


Connections = Annotated[int, msgspec.Meta(ge=1, le=100)]


def check_postgres_url(field: str, url: str) -> None:
    """Raises `SettingsError` that names the variable of `field`."""
    _check(field, postgres_url.flaw, url)
    for parameter, path in postgres_url.files(url).items():
        _check_file(f"{PREFIX}{field.upper()} is wrong: {parameter}", path, told="")


def _check(field: str, flaw_of: Callable[[str], str | None], value: str) -> None:
    flaw = flaw_of(value)
    if flaw is not None:
        raise SettingsError(f"{PREFIX}{field.upper()} is wrong: {flaw}")


def _check_file(name: str, path: str | None, *, told: str = " is wrong:") -> None:
    if path is None:
        return
    try:
        with Path(path).open("rb"):
            return
    except OSError as error:
        raise SettingsError(f"{name}{told} cannot read {path}: {error.strerror}") from None
