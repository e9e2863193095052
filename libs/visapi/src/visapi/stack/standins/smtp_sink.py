# ruff: noqa: ARG002 (the hooks take what aiosmtpd passes)
"""A real SMTP server that keeps every message as an `.eml` file.

Run it with `python -m visapi.stack.standins.smtp_sink --port 1025 --out DIRECTORY`.
"""

import asyncio
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from visapi.stack.ports import LOOPBACK
from visapi.stack.standins.serving import Host, serve_until_stopped

MESSAGE_MAX_BYTES = 40 * 1024 * 1024


class SmtpFault(StrEnum):
    """What goes wrong with a message, and where in the dialogue (RFC 5321)."""

    TEMPORARY_SENDER = "temporary-sender"
    PERMANENT_RECIPIENT = "permanent-recipient"
    TEMPORARY_DATA = "temporary-data"
    PERMANENT_DATA = "permanent-data"
    DROP_AT_RECIPIENT = "drop-at-recipient"
    """The connection breaks before DATA: nothing is kept."""
    DROP_AFTER_DATA = "drop-after-data"
    """The message is kept, the connection breaks before the answer to the final dot."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as it came in over the wire."""

    sender: str
    recipients: list[str]
    content: bytes
    path: Path | None


class _Session(SMTP):
    """One connection; it is among the `others` as long as it lasts."""

    def __init__(self, others: set[SMTP], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._others = others

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._others.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._others.discard(self)


class SmtpSink:
    """Keeps messages in memory and, when given a directory, as files. Demands AUTH if told."""

    def __init__(self, out: Path | None = None, *, user: str | None = None, password: str = "") -> None:
        self._out = out
        self._user = user
        self._password = password
        self._server: asyncio.Server | None = None
        self._sessions: set[SMTP] = set()
        self.received: list[Mail] = []
        self.faults: list[SmtpFault] = []
        self.url = ""

    async def start(self, port: int = 0, host: str = LOOPBACK) -> str:
        """Listen on the loopback interface; returns `smtp://127.0.0.1:<port>`."""
        if self._out is not None:
            self._out.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, host, port)
        self.url = f"smtp://{host}:{self._server.sockets[0].getsockname()[1]}"
        return self.url

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            _break(session)

    def _session(self) -> SMTP:
        auth: dict[str, Any] = {}
        if self._user is not None:
            auth = {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": False}
        options = {"data_size_limit": MESSAGE_MAX_BYTES, "enable_SMTPUTF8": True, "ident": "VisAPI sink"}
        return _Session(self._sessions, self, **options, **auth)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = data.login == (self._user or "").encode() and data.password == self._password.encode()
        return AuthResult(success=good, handled=good)

    def _take(self, *kinds: SmtpFault) -> SmtpFault | None:
        return self.faults.pop(0) if self.faults and self.faults[0] in kinds else None

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's hook)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._take(SmtpFault.TEMPORARY_SENDER):
            return "451 4.7.1 greylisted, come back later"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's hook)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._take(SmtpFault.PERMANENT_RECIPIENT):
            return "550 5.1.1 no such user"
        if self._take(SmtpFault.DROP_AT_RECIPIENT):
            _break(server)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self._take(SmtpFault.TEMPORARY_DATA):
            return "452 4.3.1 out of storage, come back later"
        if self._take(SmtpFault.PERMANENT_DATA):
            return "554 5.7.1 refused by policy"
        content = envelope.content
        assert isinstance(content, bytes)
        self.received.append(
            Mail(envelope.mail_from or "", list(envelope.rcpt_tos), content, self._store(content))
        )
        if self._take(SmtpFault.DROP_AFTER_DATA):
            _break(server)
        return "250 2.0.0 kept"

    def _store(self, content: bytes) -> Path | None:
        if self._out is None:
            return None
        number = sum(1 for _ in self._out.glob("*.eml")) + 1
        path = self._out / f"{number:06d}.eml"
        draft = path.with_suffix(".part")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        return path


def _break(session: SMTP) -> None:
    if isinstance(session.transport, asyncio.WriteTransport):
        session.transport.abort()


def main(
    port: Annotated[int, typer.Option()] = 1025,
    host: Host = LOOPBACK,
    out: Annotated[Path, typer.Option(help="Directory for the .eml files.")] = Path("mail"),
    user: Annotated[str | None, typer.Option(help="Demand AUTH from this user.")] = None,
    password: Annotated[str, typer.Option()] = "",
) -> None:
    """Keep mail until stopped."""
    asyncio.run(serve_until_stopped("smtp sink", SmtpSink(out, user=user, password=password), port, host))


if __name__ == "__main__":
    typer.run(main)
