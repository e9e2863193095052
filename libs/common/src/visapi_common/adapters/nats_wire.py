"""nats-py's client with two shortcuts for hot paths (nats-py 2.16.0, pinned by hash).

Inbound: a subscription may have a *sink*, a plain function called from the read loop with the raw parts of a
message; nothing is queued, no task wakes, headers stay bytes until somebody asks. Outbound: `send` appends a
command and kicks the flusher without an await. Connecting, TLS, authentication and pings remain nats-py's
own. Its reconnection is not used: it stops for good on some errors, and hangs where its own closing raises.
Only this file uses protected names of nats-py; `tests/contract/test_nats_client.py` pins each.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

from nats import errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.protocol.parser import PERMISSIONS_ERR

from visapi_common.core.errors import PermanentFault
from visapi_common.core.wire_text import headers_flaw, shown, subject_flaw

_END_S = 1.0
_LOOK_S = 0.5

_log = logging.getLogger("visapi.bus")

Sink = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Called with subject, reply, body and raw headers. Must neither block nor raise."""


class WireClient(Client):
    """See the module's docstring. One connection, which never reconnects and is discarded when it ends."""

    def __init__(self, *, needs_tls: bool = False) -> None:
        super().__init__()
        self._needs_tls = needs_tls
        self._sinks: dict[int, Sink] = {}
        self._failed = asyncio.Event()

    @property
    def reads(self) -> bool:
        """Whether the connection is up and its read loop runs."""
        if not self.is_connected or self._failed.is_set():
            return False
        task = cast("asyncio.Task[None] | None", self._reading_task)  # pyright: ignore[reportUnknownMemberType]
        return task is not None and not task.done()

    async def ended(self) -> None:
        """Wait until the connection has ended for any reason."""
        failed = asyncio.ensure_future(self._failed.wait())
        try:
            working = self._tasks()
            while self.reads and not any(task.done() for task in working):
                await asyncio.wait([failed, *working], timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed.cancel()

    async def discard(self) -> None:
        """Close everything of the connection. Never raises."""
        self._failed.set()
        self._sinks.clear()
        self.forget_backlog()
        self._status = Client.CLOSED
        working = self._tasks()
        for task in working:
            task.cancel()
        try:
            if working:
                await asyncio.wait(working, timeout=_END_S)
            if self._transport is not None:
                self._transport.close()
        except Exception as error:  # noqa: BLE001 (closing a discarded connection may fail in any way)
            _log.info("a connection to NATS was not closed cleanly: %r", error)

    def _tasks(self) -> "list[asyncio.Task[Any]]":
        found: list[Any] = [self._reading_task, self._flusher_task, self._ping_interval_task]  # pyright: ignore[reportUnknownMemberType]
        return [task for task in found if task is not None]

    async def _select_next_server(self) -> None:
        """One server, one attempt: the caller chooses the next server."""
        server = self._server_pool[0]
        await self._connect_to_server(server)
        self._current_server = server

    async def _process_op_err(self, e: Exception) -> None:
        """Handle a failure of the socket or the protocol: the connection is replaced."""
        await self._error_cb(e)
        self._failed.set()

    async def _process_connect_init(self) -> None:
        """Also raises for a server without a plausible message limit."""
        await super()._process_connect_init()
        limit: Any = self._max_payload
        if not isinstance(limit, int) or limit <= 0:
            raise errors.Error(f"nats: max_payload is {limit!r}")

    async def _process_info(self, info: Any, initial_connection: bool = False) -> None:
        """A server without TLS is told nothing where TLS was asked for: nats-py would send it the
        password.
        """
        if initial_connection and self._needs_tls and not info.get("tls_required"):
            raise errors.Error("nats: the server has no TLS, which this connection needs")
        await super()._process_info(info, initial_connection)

    async def _process_err(self, err_msg: str) -> None:
        """`-ERR`: the server ends the connection, unless it only refuses a subject."""
        await self._error_cb(errors.Error(f"nats: {err_msg}"))
        if PERMISSIONS_ERR not in err_msg:
            self._failed.set()

    async def _send_ping(self, future: "asyncio.Future[bool] | None" = None) -> None:
        """What was sent before it is written first: nats-py writes the ping at once, so that a `flush` could
        end before the server had read what it was to confirm.
        """
        if self._pending and self._transport is not None:
            self._transport.writelines(self._pending)
            self.forget_backlog()
        await super()._send_ping(future)  # pyright: ignore[reportUnknownMemberType]

    async def add_sink(self, subject: str, queue: str, sink: Sink) -> int:
        """Subscribe and return the subscription's number; replayed by nats-py after a reconnect."""
        self._sid += 1
        sid = self._sid
        self._sinks[sid] = sink
        subscription = Subscription(self, sid, subject, queue=queue)
        self._subs[sid] = subscription
        self.send(f"SUB {subject} {queue} {sid}\r\n".encode())
        return sid

    def drop_sink(self, sid: int) -> None:
        self._sinks.pop(sid, None)
        if self._subs.pop(sid, None) is not None and self.is_connected:
            self.send(f"UNSUB {sid}\r\n".encode())

    def send(self, wire_command: bytes) -> None:
        """Queue one protocol command; all commands of one event loop iteration are sent in one write."""
        self._pending.append(wire_command)
        self._pending_data_size += len(wire_command)
        queue = self._flush_queue
        if queue is not None and queue.empty():
            queue.put_nowait(asyncio.get_running_loop().create_future())

    @property
    def backlog(self) -> int:
        """Bytes queued but not yet written to the socket."""
        return self._pending_data_size

    def forget_backlog(self) -> None:
        """Drop unsent commands of a lost connection, so that none is published later."""
        self._pending = []
        self._pending_data_size = 0

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        sink = self._sinks.get(sid)
        if sink is not None:
            sink(subject, reply, data, headers)
        else:
            await super()._process_msg(sid, subject, reply, data, headers or b"")


def publish_command(subject: str, reply: str, body: bytes, headers: Mapping[str, str] | None) -> bytes:
    """A PUB or HPUB command (NATS client protocol).

    Raises `PermanentFault` for a subject or header that would break the protocol or make the server close the
    connection.
    """
    for name in (subject, reply) if reply else (subject,):
        flaw = subject_flaw(name)
        if flaw is not None:
            raise PermanentFault(f"the NATS subject {shown(name)} {flaw}")
    if not headers:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(body), body)
    flaw = headers_flaw(headers)
    if flaw is not None:
        raise PermanentFault(f"the NATS headers on {shown(subject)}: {flaw}")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    size = len(head) + len(body)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject.encode(), reply.encode(), len(head), size, head, body)


def status_of(headers: bytes | None) -> int:
    """The status code of a server's message (`NATS/1.0 409 …`), or 0 for an ordinary one."""
    if not headers or headers[8:9] != b" ":
        return 0
    code = headers[9:12]
    return int(code) if len(code) == 3 and code.isdigit() else 0


def parse_headers(headers: bytes | None) -> dict[str, str]:
    """The headers of a message. A status message also has its description, under `Description`."""
    if not headers:
        return {}
    first, *lines = headers.split(b"\r\n")
    parsed: dict[str, str] = {}
    if len(first) > 13:
        parsed["Description"] = first[13:].decode("utf-8", "replace")
    for line in lines:
        name, separator, value = line.partition(b":")
        if separator:
            parsed[name.strip().decode("ascii", "replace")] = value.strip().decode("utf-8", "replace")
    return parsed
