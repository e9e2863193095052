"""The text of `nats-server`'s configuration file for one machine."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from visapi.admin.nats_rights import rights_of
from visapi.admin.nats_users import User, render_users
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
    users = render_users(
        [User(name, None if name == ADMIN else rights_of(name)) for name in passwords], passwords
    )
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
  users: {users}
}}
"""


def _text(value: str) -> str:
    """A JSON string is a string of NATS's configuration language too."""
    return msgspec.json.encode(value).decode()
