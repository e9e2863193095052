"""Digest authentication (RFC 7616): the answer to a challenge. Pure; `cnonce` comes from outside."""

import hashlib
import re
from collections.abc import Iterable

import msgspec

_PARAMETER = re.compile(r'([a-zA-Z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_STRENGTH = ("SHA-512-256", "SHA-256", "MD5")


class Challenge(msgspec.Struct, frozen=True):
    """A server's challenge; `session` for the `-sess` variants of an algorithm."""

    realm: str
    nonce: str
    algorithm: str
    session: bool
    qop: str | None
    opaque: str | None


def read_challenge(headers: Iterable[str]) -> Challenge | None:
    """The strongest supported digest challenge among `WWW-Authenticate` values; None without one."""
    found: dict[str, Challenge] = {}
    for header in headers:
        for part in re.split(r"(?i)(?:^|,\s*)digest\s+", header)[1:]:
            challenge = _read(part)
            if challenge is not None:
                found.setdefault(challenge.algorithm, challenge)
    return next((found[name] for name in _STRENGTH if name in found), None)


def _read(text: str) -> Challenge | None:
    given = {
        match[1].lower(): match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        for match in _PARAMETER.finditer(text)
    }
    algorithm = given.get("algorithm", "MD5").upper()
    session = algorithm.endswith("-SESS")
    algorithm = algorithm.removesuffix("-SESS")
    offered = [item.strip() for item in given.get("qop", "").split(",") if item.strip()]
    if algorithm not in _HASHES or "nonce" not in given or (offered and "auth" not in offered):
        return None
    return Challenge(
        given.get("realm", ""), given["nonce"], algorithm, session, "auth" if offered else None,
        given.get("opaque"),
    )  # fmt: skip


def answer(
    challenge: Challenge, *, username: str, password: str, method: str, target: str, cnonce: str
) -> str:
    """The `Authorization` value for a request; `target` is its path and query. The count is 1: each
    answer has a client nonce of its own.
    """

    def digest(text: str) -> str:
        return hashlib.new(_HASHES[challenge.algorithm], text.encode(), usedforsecurity=False).hexdigest()

    count = "00000001"
    secret = digest(f"{username}:{challenge.realm}:{password}")
    if challenge.session:
        secret = digest(f"{secret}:{challenge.nonce}:{cnonce}")
    request = digest(f"{method}:{target}")
    if challenge.qop is None:
        response = digest(f"{secret}:{challenge.nonce}:{request}")
    else:
        response = digest(f"{secret}:{challenge.nonce}:{count}:{cnonce}:{challenge.qop}:{request}")
    algorithm = challenge.algorithm + ("-sess" if challenge.session else "")
    fields = [
        f"username={_quoted(username)}",
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(challenge.nonce)}",
        f"uri={_quoted(target)}",
        f"algorithm={algorithm}",
        f'response="{response}"',
    ]
    if challenge.qop is not None:
        fields += [f"qop={challenge.qop}", f"nc={count}", f'cnonce="{cnonce}"']
    if challenge.opaque is not None:
        fields.append(f"opaque={_quoted(challenge.opaque)}")
    return "Digest " + ", ".join(fields)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
