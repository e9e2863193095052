"""The text of `nats-server`'s configuration file for one machine."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from visapi.stack.nats_rights import Rights, rights_of
from visapi.stack.ports import LOOPBACK

_MEGA = 1024 * 1024
_MEMORY_BYTES = 512 * _MEGA
_FILE_BYTES = 2048 * _MEGA
_PAYLOAD_BYTES = _MEGA
"""NATS's own default, which the payload limits of the contracts rely on."""

ADMIN = "admin"
"""A user without limits, for tests only; the stack never makes it."""


def render(*, store: Path, port: int, monitor_port: int | None, passwords: Mapping[str, str]) -> str:
    """The configuration; `passwords` names the users. It holds secrets: write it with mode 0600.

    `sync_interval: always` because `EVENTS` may not be lost; memory streams do not pay for it.
    """
    monitoring = "" if monitor_port is None else f'http: "{LOOPBACK}:{monitor_port}"\n'
    users = ",\n".join(_user(name, password) for name, password in passwords.items())
    return f"""\
server_name: visapi
listen: "{LOOPBACK}:{port}"
{monitoring}max_payload: {_PAYLOAD_BYTES}
write_deadline: "5s"
jetstream {{
  store_dir: {_text(str(store))}
  max_memory_store: {_MEMORY_BYTES}
  max_file_store: {_FILE_BYTES}
  sync_interval: always
}}
authorization {{
  timeout: 2
  users: [
{users}
  ]
}}
"""


def _user(name: str, password: str) -> str:
    head = f"    {{ user: {_text(name)}, password: {_text(password)}"
    if name == ADMIN:
        return f"{head} }}"
    return f"{head}, permissions: {_permissions(rights_of(name))} }}"


def _permissions(rights: Rights) -> str:
    publish = f"allow: {_texts(rights.publish)}"
    if rights.deny_publish:
        publish += f", deny: {_texts(rights.deny_publish)}"
    subscribe = f"allow: {_texts(rights.subscribe)}"
    if rights.deny_subscribe:
        subscribe += f", deny: {_texts(rights.deny_subscribe)}"
    text = f"{{ publish: {{ {publish} }}, subscribe: {{ {subscribe} }}"
    if rights.responds:
        text += ', allow_responses: { max: 1, expires: "30s" }'
    return f"{text} }}"


def _texts(values: tuple[str, ...]) -> str:
    return f"[{', '.join(_text(value) for value in values)}]"


def _text(value: str) -> str:
    """A JSON string is a string of NATS's configuration language too."""
    return msgspec.json.encode(value).decode()
