"""Approvals: their ids, and the links by which people decide (docs/how-to/ask-for-approval.md).

A link holds a token derived from a secret of the run, so that the notifier, which knows the secret, can
compute the token when it sends the link. Others see only a handle (`core.secret_handles`); the ledger keeps
the token's hash. An approver's own link identifies who decided.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from visapi_common.core.ids import time_ms_of, uuid7_from
from visapi_common.core.secret_handles import Path, make_handle

ANYBODY = ""
"""The approver of a link without a name."""

_LINK = "@approval"
"""Marks the handle of a link; no secret can have this name."""
_TOKEN = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")


class Token(NamedTuple):
    """What a link's last part says; `key` is what opens the approval."""

    tenant: str
    approval: UUID
    key: str


def approval_id(run: UUID, path: str) -> UUID:
    """The approval of a task: always the same, so that links go on working when the task is retried."""
    digest = hashlib.sha256(f"approval\0{run}\0{path}".encode()).digest()
    return uuid7_from(time_ms_of(run), int.from_bytes(digest[:10], "big"))


def decision_key(approval: UUID | str) -> str:
    """The key of a decision in the inbox of the run that asks."""
    return f"approval:{approval}"


def link_key(run_key: bytes, approval: UUID, approver: str) -> str:
    """What opens an approval for one approver: 256 bits that nobody can guess."""
    mac = hmac.digest(run_key, b"approval" + approval.bytes + approver.encode(), "sha256")
    return urlsafe_b64encode(mac).decode().rstrip("=")


def link_digest(key: str) -> bytes:
    """What is kept of a link's key."""
    return hashlib.sha256(key.encode()).digest()


def link_of(public_url: str, tenant: str, approval: UUID, key: str) -> str:
    return f"{public_url.rstrip('/')}/approve/{tenant}.{approval.hex}.{key}"


def parse_token(text: str) -> Token | None:
    """The last part of a link; None for anything else."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else Token(found[1], UUID(found[2]), found[3])


def link_handle(run_key: bytes, approval: UUID, approver: str) -> str:
    """The text that stands for a link until the notifier sends it."""
    return make_handle(run_key, (_LINK, approval.hex, approver))


def link_named(path: Sequence[str]) -> tuple[UUID, str] | None:
    """The approval and the approver of a link's handle; None for the handle of a secret."""
    if len(path) != 3 or path[0] != _LINK:
        return None
    return UUID(path[1]), path[2]


def revealed_links(run_key: bytes, tenant: str, public_url: str, paths: Sequence[Path]) -> dict[Path, str]:
    """The links that the handles among `paths` stand for."""
    links: dict[Path, str] = {}
    for path in paths:
        named = link_named(path)
        if named is not None:
            links[path] = link_of(public_url, tenant, named[0], link_key(run_key, *named))
    return links
