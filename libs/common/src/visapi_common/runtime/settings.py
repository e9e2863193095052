"""Settings: one frozen struct per process, decoded once from `VISAPI_<FIELD>` variables.

A wrong value or an unknown `VISAPI_*` name is a `SettingsError` of one clear line. Settings are
data; they open nothing but the files of secrets: each secret `VISAPI_X` may be given as `VISAPI_X_FILE`,
the path of a file that holds it. Keys that can be rotated are rings (`visapi_common.core.keyrings`). Each
process is started with only its own variables.
"""

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from visapi_common.contracts.formats import Writes
from visapi_common.core.keyrings import BYTES_MAX, Keyring
from visapi_common.runtime.secret_lines import FileSecret

PREFIX = "VISAPI_"
FILE = "_FILE"
"""Ends the name of a variable that holds the path of a file with a secret."""
_SECRET_BYTES_MAX = 1024 * 1024

T = TypeVar("T", bound=msgspec.Struct)

Secret = Annotated[str, msgspec.Meta(extra={"secret": True})]
"""A text that is never shown: `shown()` masks it."""

Keys = Annotated[Keyring, msgspec.Meta(extra={"secret": True})]
"""A ring of keys, each written in hex."""

StrongKeys = Annotated[Keyring, msgspec.Meta(extra={"secret": True, "bytes": (16, BYTES_MAX)})]
"""A ring of keys of at least 16 bytes."""

SealingKeys = Annotated[Keyring, msgspec.Meta(extra={"secret": True, "bytes": (32, 32)})]
"""A ring of keys of 32 bytes."""

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0.0)]

_V4, _BITS_V4 = r"([0-9]{1,3}\.){3}[0-9]{1,3}", "([0-9]|[12][0-9]|3[0-2])"
_V6, _BITS_V6 = "[0-9a-fA-F]*:[0-9a-fA-F:.]*", "([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])"
CIDR_PATTERN = f"^({_V4}/{_BITS_V4}|{_V6}/{_BITS_V6})$"
"""A network in CIDR notation (RFC 4632, RFC 4291), as far as a pattern can tell."""
NETWORK_PATTERN = f"^({_V4}(/{_BITS_V4})?|{_V6}(/{_BITS_V6})?)$"
"""An address, or a network in CIDR notation."""
Network = Annotated[str, msgspec.Meta(pattern=NETWORK_PATTERN)]

StreamReplicas = Literal[1, 3, 5]
"""How many NATS servers hold a stream. An even number survives no more losses than the odd number below."""

LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsError(Exception):
    """A setting is missing, unknown or wrong. The message is one line and says how to fix it."""


class CommonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of every service; service settings are subclasses."""

    log_level: LogLevel = "info"
    """The lowest level that is logged."""
    log_personal_data: bool = False
    """Whether personal data (mail addresses, telephone numbers, documents, cards, IP addresses of the
    internet) is written to logs and traces as it is. Secrets are masked in any case.
    """
    metrics_host: str = "127.0.0.1"
    """The address that serves `/metrics`, `/livez` and `/readyz`."""
    metrics_port: Port = 0
    """The port of `/metrics`, `/livez` and `/readyz`; 0 chooses a free port and logs it."""
    metrics_token: Secret = ""
    """The bearer token for `/metrics`; processes of the service's own account on the same machine need none.
    Empty: no token is needed.
    """
    otlp_endpoint: str | None = None
    """Base URL of an OTLP/HTTP receiver: spans go to `<base>/v1/traces`, metrics to `<base>/v1/metrics`.
    Unset: no spans are made, and metrics are only served at `/metrics`.
    """
    otlp_metrics_s: Annotated[float, msgspec.Meta(ge=0.0, le=3600.0)] = 15.0
    """Seconds between two exports of metrics over OTLP; 0 exports none."""
    otlp_logs: bool = False
    """Whether log records go to `<base>/v1/logs` too. Standard output holds them in any case."""
    trace_sample: Share = 1.0
    """The fraction of new traces that is recorded, 0 to 1. A caller's sampling decision takes precedence."""
    drain_s: Seconds = 20.0
    """Seconds for a stopping service to finish its open work before it is stopped."""
    writes: Writes | None = None
    """The release whose formats of messages and stored states are written. Unset: the release before this
    one, so that its replicas, and a rollback to it, read everything. Set it to this release once no rollback
    is wanted.
    """


def load(cls: type[T], environ: Mapping[str, str]) -> T:
    """Decode `cls` from the `VISAPI_*` names in `environ`; raise `SettingsError` for a wrong one."""
    _refuse_unknown(names_of(cls), environ)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(cls):
        name = PREFIX + field.name.upper()
        text = environ.get(name, "").strip()
        if is_secret(field.type):
            name, text = secret_of(name, environ)
        if text:
            value = _decode(name, text, field.type)
            from_file = name.endswith(FILE) and isinstance(value, str)
            values[field.name] = FileSecret(value, Path(environ[name].strip())) if from_file else value
        elif field.required:
            or_file = f", nor is {name}{FILE}" if is_secret(field.type) else ""
            raise SettingsError(f"{name} is not set{or_file}; {cls.__name__} needs it")
    return cls(**values)


def names_of(cls: type[msgspec.Struct]) -> list[str]:
    """Every variable that `load` reads for `cls`."""
    names: list[str] = []
    for field in msgspec.structs.fields(cls):
        name = PREFIX + field.name.upper()
        names += [name, name + FILE] if is_secret(field.type) else [name]
    return names


def secret_of(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """A secret from the variable `name`, or from the file that `<name>_FILE` names; which of them it was,
    and the text, empty when neither is set. Raises `SettingsError` when both are, or when the file cannot
    be read.
    """
    text, path = environ.get(name, "").strip(), environ.get(name + FILE, "").strip()
    if not path:
        return name, text
    if text:
        raise SettingsError(f"{name} and {name}{FILE} are both set; keep one of them")
    try:
        with Path(path).open("rb") as file:
            content = file.read(_SECRET_BYTES_MAX + 1)
        text = content.decode().strip()
    except OSError as error:
        raise SettingsError(f"{name}{FILE} is wrong: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name}{FILE} is wrong: {path} holds something other than UTF-8 text") from None
    if not text or len(content) > _SECRET_BYTES_MAX:
        raise SettingsError(f"{name}{FILE} is wrong: {path} is {'too large' if text else 'empty'}")
    return name + FILE, text


def shown(settings: msgspec.Struct) -> dict[str, str]:
    """The settings as `VISAPI_*` names and texts, secrets masked: what `--print-config` prints."""
    out: dict[str, str] = {}
    for field in msgspec.structs.fields(settings):
        value: Any = getattr(settings, field.name)
        masked = is_secret(field.type) and bool(value)
        out[PREFIX + field.name.upper()] = "***" if masked else _text(value)
    return out


def is_secret(kind: Any) -> bool:
    """Whether a field's type (or a member of its union) is marked as secret."""
    if typing.get_origin(kind) is Annotated:
        metas = typing.get_args(kind)[1:]
        return any(isinstance(meta, msgspec.Meta) and (meta.extra or {}).get("secret") for meta in metas)
    return any(is_secret(member) for member in typing.get_args(kind))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _refuse_unknown(known: Iterable[str], environ: Mapping[str, str]) -> None:
    known = list(known)
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            known_fields = [other.removeprefix(PREFIX) for other in known]
            near = difflib.get_close_matches(name.removeprefix(PREFIX), known_fields, n=1, cutoff=0.6)
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else "; this process has no such setting"
            raise SettingsError(f"{name} is unknown{hint}")


def _decode(name: str, text: str, kind: Any) -> Any:
    bare = _bare(kind)
    try:
        if bare is Keyring:
            return _read_ring(name, text, kind)
        origin = typing.get_origin(bare) or bare
        value: Any = text
        if origin is dict or (text.startswith("[") and origin in _SEQUENCES):
            value = msgspec.json.decode(text)
        elif origin in _SEQUENCES:
            value = [part.strip() for part in text.split(",") if part.strip()]
        elif origin is bool:
            value = text.lower()
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as wrong:
        raise SettingsError(f"{name} is wrong: {wrong}{_allowed(kind)}") from None
    except msgspec.DecodeError:
        raise SettingsError(f"{name} is wrong: expected JSON") from None


def _read_ring(name: str, text: str, kind: Any) -> Keyring:
    extras = [meta.extra for meta in _metas(kind) if meta.extra]
    least, most = next((extra["bytes"] for extra in extras if "bytes" in extra), (1, BYTES_MAX))
    try:
        return Keyring.read(text, bytes_min=least, bytes_max=most)
    except ValueError as wrong:
        raise SettingsError(f"{name} is wrong: {wrong}") from None


def _allowed(kind: Any) -> str:
    """The values that a type takes, where it says so."""
    bare = _bare(kind)
    if typing.get_origin(bare) is Literal:
        return f"; allowed: {', '.join(map(str, typing.get_args(bare)))}"
    for meta in _metas(kind):
        low, high = (meta.ge, meta.gt)[meta.ge is None], (meta.le, meta.lt)[meta.le is None]
        if low is not None or high is not None:
            above = "" if low is None else f"{'at least' if meta.ge is not None else 'above'} {low}"
            below = "" if high is None else f"{'at most' if meta.le is not None else 'below'} {high}"
            return f"; allowed: {' and '.join(part for part in (above, below) if part)}"
    return ""


def _metas(kind: Any) -> list[msgspec.Meta]:
    if typing.get_origin(kind) is Annotated:
        inner, *metas = typing.get_args(kind)
        return [*(meta for meta in metas if isinstance(meta, msgspec.Meta)), *_metas(inner)]
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return [meta for member in typing.get_args(kind) for meta in _metas(member)]
    return []


_SEQUENCES = (list, tuple, set, frozenset)


def _bare(kind: Any) -> Any:
    """The type without `Annotated` and without `| None`."""
    if typing.get_origin(kind) is Annotated:
        return _bare(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        members = [member for member in typing.get_args(kind) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else kind
    return kind
