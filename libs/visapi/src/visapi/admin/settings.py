"""The settings that `visapi admin` reads from the environment; each command names those that it needs."""

from collections.abc import Mapping

import msgspec

from visapi.admin import kubernetes_secrets
from visapi.admin.databases import SERVICE_ROLES
from visapi_common.core import postgres_url
from visapi_common.core.keyrings import Keyring
from visapi_common.runtime.connections import check_postgres_url
from visapi_common.runtime.secret_lines import newest
from visapi_common.runtime.settings import (
    PREFIX,
    Keys,
    SealingKeys,
    Secret,
    SettingsError,
    StrongKeys,
    load,
    names_of,
)


class AdminSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Each secret may also be given as `VISAPI_…_FILE`."""

    owner_url: Secret | None = None
    """PostgreSQL, in the database of VisAPI, as the role that owns it."""
    owner_password: Secret | None = None
    """The owner's password, when it does not stand in the URL."""
    admin_url: Secret | None = None
    """PostgreSQL as a role that may create roles and databases; `roles` then makes the owner and its
    database, too. Unset: the owner makes the roles of the services."""
    admin_password: Secret | None = None
    """The password of that role, when it does not stand in the URL."""
    gateway_password: Secret | None = None
    """The password that `roles` sets for `visapi_gateway`: its first line. Unset: an existing role keeps its
    password."""
    orchestrator_password: Secret | None = None
    """The password that `roles` sets for `visapi_orchestrator`."""
    notifier_password: Secret | None = None
    """The password that `roles` sets for `visapi_notifier`."""
    operator: str | None = None
    """Who acts, as the audit of a tenant names them. Unset: account and machine."""
    kubernetes_account: str = str(kubernetes_secrets.ACCOUNT)
    """The folder with the account of the pod, for `key create --secret`."""
    key_pepper: StrongKeys | None = None
    """The keys of the hashes of API keys; the gateway has the same."""
    link_secret: StrongKeys | None = None
    """The keys of links, for `rotation`; the gateway has the same."""
    sealing_key: SealingKeys | None = None
    """The keys that seal secrets, for `reseal` and `rotation`; gateway and notifier have the same."""
    effect_secret: Keys | None = None
    """The keys of effects, for `rotation`; the orchestrator has the same."""
    handle_secret: Keys | None = None
    """The keys of handles, for `rotation`; orchestrator and notifier have the same."""

    @property
    def rings(self) -> dict[str, Keyring]:
        """The rings of keys that are set, by the name of their files (`visapi admin secrets`)."""
        names = ("key_pepper", "link_secret", "sealing_key", "effect_secret", "handle_secret")
        rings = {name.replace("_", "-"): getattr(self, name) for name in names}
        return {name: ring for name, ring in rings.items() if ring is not None}

    @property
    def passwords(self) -> dict[str, str | None]:
        """The passwords of the services' roles."""
        given = (self.gateway_password, self.orchestrator_password, self.notifier_password)
        return {role: text and newest(text) for role, text in zip(SERVICE_ROLES, given, strict=True)}


def admin_settings(environ: Mapping[str, str]) -> AdminSettings:
    """The settings; variables of other programs are left alone. Raises `SettingsError`."""
    known = set(names_of(AdminSettings))
    return load(AdminSettings, {name: value for name, value in environ.items() if name in known})


def owner_url(settings: AdminSettings) -> str:
    """The owner's URL with its password. Raises `SettingsError`."""
    return _url("owner_url", settings.owner_url, settings.owner_password)


def admin_url(settings: AdminSettings) -> str | None:
    """The administrator's URL with its password, where there is one. Raises `SettingsError`."""
    return settings.admin_url and _url("admin_url", settings.admin_url, settings.admin_password)


def key_pepper(settings: AdminSettings) -> Keyring:
    """Raises `SettingsError`."""
    if settings.key_pepper is None:
        raise SettingsError(_missing("key_pepper"))
    return settings.key_pepper


def sealing_key(settings: AdminSettings) -> Keyring:
    """Raises `SettingsError`."""
    if settings.sealing_key is None:
        raise SettingsError(_missing("sealing_key"))
    return settings.sealing_key


def _url(field: str, url: str | None, password: str | None) -> str:
    if not url:
        raise SettingsError(_missing(field))
    check_postgres_url(field, url)
    return postgres_url.with_password(url, password and newest(password))


def _missing(field: str) -> str:
    name = f"{PREFIX}{field.upper()}"
    return f"{name} is not set, nor is {name}_FILE; this command needs it"
