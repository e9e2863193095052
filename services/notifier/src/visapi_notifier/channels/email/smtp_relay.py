"""Sends mail to one SMTP relay over a few kept connections, and reports exactly how far a transaction got.

A failure before the message's final dot is definite: nothing was sent. A failure between the dot and the
relay's answer is an `UnknownFault`, because the relay may have accepted the mail (RFC 5321 section 4.2.5, RFC
1047).
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiosmtplib

from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.adapters.fair_semaphore import FairSemaphore
from visapi_common.adapters.on_behalf import TENANT
from visapi_common.core.bounds import Busy
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.core.fair_job_queue import JobQueueLimits
from visapi_notifier.accounts.rules import CredentialsRefused
from visapi_notifier.channels.email.rules.message import Mail
from visapi_notifier.channels.email.rules.relay import Relay
from visapi_notifier.channels.email.signing_in import REASONS, is_refusal, sign_in

TURNS = JobQueueLimits(at_once=8, per_tenant=4, waiting=4096, waiting_per_tenant=512, bytes_waiting=0)
"""Connections: slow mails of a tenant delay only that tenant's mails."""
KEEP_MAX = 4
FINAL_ANSWER_S = 120.0
"""Relays scan a message before they answer; an early timeout would make the outcome unknown without need."""
QUIT_S = 2.0
"""Seconds that a relay has to answer QUIT."""
_PERMANENT = 500
_ADDRESS = re.compile(r"[!-;=?-~]+@[A-Za-z0-9.-]+")


class PasswordRefused(CredentialsRefused):
    """The relay knows no such user and password."""


class SignInRefused(PermanentFault):
    """The relay lets this user not sign in, for another reason than the password."""


class SmtpRelay:
    """A relay, dialled through the egress guard. `trusted`: the operator named it. Relays that are given the
    same `slots` share their connections fairly.
    """

    def __init__(  # noqa: PLR0913 (its connection, and how many there may be)
        self,
        relay: Relay,
        dialer: EgressDialer,
        *,
        ident: str,
        timeout_s: float = 30.0,
        trusted: bool = True,
        slots: FairSemaphore | None = None,
        keep_max: int = KEEP_MAX,
    ) -> None:
        self._relay = relay
        self._dialer = dialer
        self._ident = ident
        self._timeout_s = timeout_s
        self._trusted = trusted
        self._slots = slots or FairSemaphore(TURNS, what="the mail", wait_s=FINAL_ANSWER_S)
        self._keep_max = keep_max
        self._idle: list[aiosmtplib.SMTP] = []

    async def send(self, mail: Mail, limit_s: float = FINAL_ANSWER_S, *, chosen: bool = False) -> str:
        """Send one message within `limit_s`; returns the relay's answer. Raises the three faults.

        Unless the time was `chosen`, the commands before the message have a shorter limit.
        """
        limits = _TimeLimits(limit_s, quiet_s=limit_s if chosen else self._timeout_s)
        tenant = TENANT.get()
        try:
            async with asyncio.timeout(limits.left_s):
                await self._slots.acquire(tenant)
        except (TimeoutError, Busy) as error:
            raise TransientFault("the mail relay's connections are all in use") from error
        try:
            with_kept = bool(self._idle)
            try:
                return await self._send(mail, self._idle.pop() if with_kept else None, limits)
            except TransientFault:
                if not with_kept:
                    raise
            return await self._send(mail, None, limits)
        finally:
            self._slots.release(tenant)

    async def sign_in(self, limit_s: float) -> None:
        """Connect and sign in within `limit_s`, and leave within `QUIT_S` more, on a connection that no mail
        waits for. Nothing is sent. Raises `PasswordRefused`, `TransientFault`, `PermanentFault` and
        `EgressRefused`.
        """
        async with _definite():
            async with asyncio.timeout(limit_s):
                client = await self._connect()
        await _quit(client)

    def drop(self) -> None:
        """Close every kept connection at once, and keep none from now on."""
        self._keep_max = 0
        idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    async def close(self) -> None:
        """Close every kept connection."""
        idle, self._idle = self._idle, []
        try:
            for client in idle:
                await _quit(client)
        finally:
            for client in idle:
                client.close()

    async def _send(self, mail: Mail, kept: aiosmtplib.SMTP | None, limits: "_TimeLimits") -> str:
        async with _definite():
            async with asyncio.timeout(limits.quiet_s):
                client = kept or await self._connect()
        healthy = False
        try:
            async with _definite():
                async with asyncio.timeout(limits.quiet_s):
                    await self._envelope(client, mail)
            answer = await self._content(client, mail, limits.left_s)
            healthy = True
            return answer
        finally:
            if healthy and len(self._idle) < self._keep_max:
                self._idle.append(client)
            else:
                client.close()

    async def _connect(self) -> aiosmtplib.SMTP:
        relay = self._relay
        sock = await self._dialer.dial(relay.host, relay.port, trusted=self._trusted)
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            sock=sock,
            port=None,
            use_tls=relay.tls,
            start_tls=False,
            local_hostname=self._ident,
            timeout=self._timeout_s,
        )
        try:
            await client.connect()
            await self._secure(client)
        except BaseException:  # cancelled or failed: there is no other reference to the connection
            client.close()
            sock.close()
            raise
        return client

    async def _secure(self, client: aiosmtplib.SMTP) -> None:
        relay = self._relay
        await client.ehlo()
        encrypted = relay.tls
        if not relay.tls and relay.starttls != "off":
            if client.supports_extension("starttls"):
                await client.starttls()
                await client.ehlo()
                encrypted = True
            elif relay.starttls == "required":
                raise PermanentFault("the mail relay offers no STARTTLS, and starttls=required asks for it")
        if relay.user is None:
            return
        if not encrypted and relay.starttls != "off":
            raise PermanentFault(
                "the mail relay offers no encryption for the password; starttls=off sends it in the clear"
            )
        await sign_in(client, relay.user, relay.password, encrypted=encrypted)

    async def _envelope(self, client: aiosmtplib.SMTP, mail: Mail) -> None:
        for address in (mail.sender, *mail.recipients):
            if not _ADDRESS.fullmatch(address):
                raise PermanentFault(f"{address!r} cannot stand in an SMTP envelope")
        size = client.esmtp_extensions.get("size", "")
        if size.isdigit() and 0 < int(size) < len(mail.message):
            raise PermanentFault(f"the relay takes at most {size} bytes, the message has {len(mail.message)}")
        options = [f"SIZE={len(mail.message)}"] if size else []
        await client.mail(mail.sender, options=options)
        for recipient in mail.recipients:
            await client.rcpt(recipient)
        start = await client.execute_command(b"DATA")
        if start.code != 354:
            raise aiosmtplib.SMTPDataError(start.code, start.message)

    async def _content(self, client: aiosmtplib.SMTP, mail: Mail, answer_s: float) -> str:
        protocol = client.protocol
        if protocol is None:
            raise TransientFault("the mail relay closed the connection before the message")
        body = mail.message if mail.message.endswith(b"\r\n") else mail.message + b"\r\n"
        body = b"." + body if body.startswith(b".") else body
        try:
            protocol.write(body.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            answer = await protocol.read_response(timeout=answer_s)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise UnknownFault(
                f"no answer of the mail relay to the message ({type(error).__name__}); it may have been sent"
            ) from error
        if answer.code == 250:
            return f"{answer.code} {answer.message}"
        raise _refused(answer.code, answer.message)


class _TimeLimits:
    """The time limits of a transaction: in total, and for each answer before the message."""

    def __init__(self, limit_s: float, *, quiet_s: float) -> None:
        self._ends = asyncio.get_running_loop().time() + limit_s
        self._quiet_s = quiet_s

    @property
    def left_s(self) -> float:
        return max(0.001, self._ends - asyncio.get_running_loop().time())

    @property
    def quiet_s(self) -> float:
        return min(self._quiet_s, self.left_s)


def _refused(code: int, message: str) -> Exception:
    if 400 <= code < 500:
        return TransientFault(f"the mail relay put it off: {code} {message}")
    return PermanentFault(f"the mail relay refused: {code} {message}")


@asynccontextmanager
async def _definite() -> AsyncGenerator[None]:
    """Translate failures before the end of the message: nothing was sent.

    The text contains neither the relay's host nor its address, which are internal.
    """
    where = "the mail relay"
    try:
        yield
    except aiosmtplib.SMTPAuthenticationError as error:
        if error.code < _PERMANENT:
            raise _refused(error.code, error.message) from error
        if not is_refusal(error.code, error.message):
            reason = REASONS.get(error.code, "took no sign-in")
            raise SignInRefused(f"{where} {reason}: {error.code} {error.message}") from error
        raise PasswordRefused(f"{where} refused our password: {error.code} {error.message}") from error
    except aiosmtplib.SMTPResponseException as error:
        raise _refused(error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise TransientFault(
            f"{where} failed before the message: {reason or type(error).__name__}"
        ) from error
    except ValueError as error:
        raise PermanentFault(f"{where}: the envelope cannot be sent: {error}") from error


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Leave, and close the connection whatever the relay answers and whoever cancels."""
    try:
        async with asyncio.timeout(QUIT_S):
            await client.quit()
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        return
    finally:
        client.close()
