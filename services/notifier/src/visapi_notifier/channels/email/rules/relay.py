"""The mail relay's address: `smtp://user:password@host:port?starttls=auto|required|off`, or `smtps://`."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

STARTTLS = ("auto", "required", "off")


@dataclass(frozen=True, slots=True)
class Relay:
    """The mail relay. `tls`: the connection is encrypted from the first byte."""

    host: str
    port: int
    tls: bool
    starttls: Literal["auto", "required", "off"]
    user: str | None
    password: str


def relay_of(url: str) -> Relay:
    """Read the setting. Raises `ValueError` saying what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("the mail relay is written smtp://user:password@host:port or smtps://…")
    choice = parse_qs(parts.query).get("starttls", ["auto"])[-1]
    if choice not in STARTTLS:
        raise ValueError(f"starttls={choice} is unknown; use {', '.join(STARTTLS)}")
    tls = parts.scheme == "smtps"
    return Relay(
        host=parts.hostname,
        port=parts.port or (465 if tls else 587),
        tls=tls,
        starttls=choice,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
    )
