"""nats-py's client with two short cuts that the hot paths need (nats-py 2.16.0, pinned by hash).

Inbound: a subscription may have a *sink*, a plain function called from the read loop with the raw
parts of a message; nothing is queued, no task wakes, headers stay bytes until somebody asks.
Outbound: `send` appends a command and kicks the flusher without an await. Connecting, TLS,
authentication and pings remain nats-py's own. Its reconnecting is not used: it ends for good on some errors,
and waits for ever where its own closing raises. This is the only file that relies on
its protected names; `tests/contract/test_nats_client.py` pins each.
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
    """See the module's docstring. One connection: it never reconnects by itself, and is thrown away when it
    has ended, whichever way nats-py fails.
    """

    def __init__(self, *, needs_tls: bool = False) -> None:
        super().__init__()
        self._needs_tls = needs_tls
        self._sinks: dict[int, Sink] = {}
        self._failed = asyncio.Event()

    @property
    def reads(self) -> bool:
        """Whether the connection is up and somebody reads what arrives on it."""
        if not self.is_connected or self._failed.is_set():
            return False
        task = cast("asyncio.Task[None] | None", self._reading_task)  # pyright: ignore[reportUnknownMemberType]
        return task is not None and not task.done()

    async def ended(self) -> None:
        """Wait until the connection is of no use any more, for whatever reason."""
        failed = asyncio.ensure_future(self._failed.wait())
        try:
            working = self._tasks()
            while self.reads and not any(task.done() for task in working):
                await asyncio.wait([failed, *working], timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed.cancel()

    async def discard(self) -> None:
        """End everything that belongs to the connection. Raises nothing."""
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
        except Exception as error:  # noqa: BLE001 (a connection that is thrown away may fail in any way)
            _log.info("a connection to NATS was not closed cleanly: %r", error)

    def _tasks(self) -> "list[asyncio.Task[Any]]":
        found: list[Any] = [self._reading_task, self._flusher_task, self._ping_interval_task]  # pyright: ignore[reportUnknownMemberType]
        return [task for task in found if task is not None]

    async def _select_next_server(self) -> None:
        """One server, one try: who made this connection chooses the next one."""
        server = self._server_pool[0]
        await self._connect_to_server(server)
        self._current_server = server

    async def _process_op_err(self, e: Exception) -> None:
        """A failure of the socket or the protocol: the connection is replaced, not mended."""
        await self._error_cb(e)
        self._failed.set()

    async def _process_connect_init(self) -> None:
        """Raises for a server that names no limit of a message, or a senseless one, too."""
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
        """Queue one protocol command; all commands of one turn of the loop leave in one write."""
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
        """Drop what a lost connection left unsent, so that nothing is published as a ghost later."""
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

    Raises `PermanentFault` for a subject or header that would break the protocol's lines, or that the server
    answers by ending the connection: what reached this far unchecked must not be able to do either.
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
    """The headers of a message; of a status message, the description under `Description` too."""
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
