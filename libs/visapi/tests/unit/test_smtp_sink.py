"""A mail server that goes away ends every connection, those that were made at the same moment too."""

import asyncio
import contextlib

from visapi.stack.standins.smtp_sink import SmtpSink


async def test_a_mail_server_that_stops_ends_all_its_connections():
    sink = SmtpSink()
    host, _, port = (await sink.start()).removeprefix("smtp://").partition(":")
    made = await asyncio.gather(*(asyncio.open_connection(host, int(port)) for _ in range(8)))
    for reader, _ in made:
        assert (await reader.readline()).startswith(b"220 ")
    await sink.stop()
    async with asyncio.timeout(10):
        for reader, writer in made:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
