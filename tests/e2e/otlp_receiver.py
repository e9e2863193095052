"""An OTLP/HTTP receiver for traces: speaks the real protocol, keeps the spans it was sent."""

import asyncio
import gzip
from collections.abc import Iterator

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class SeenSpan(msgspec.Struct, frozen=True):
    """One exported span; ids in hex, `parent` empty for a root."""

    service: str
    name: str
    trace: str
    span: str
    parent: str
    attributes: dict[str, str]


class OtlpReceiver:
    """`POST /v1/traces` on a port of its own."""

    def __init__(self) -> None:
        self.spans: list[SeenSpan] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; answer the base URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def trace_of(self, trace: str) -> list[SeenSpan]:
        return [span for span in self.spans if span.trace == trace]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(fields["content-length"]))
                if fields.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert head.startswith("post /v1/traces "), head
                assert fields["content-type"] == "application/x-protobuf"
                self.spans.extend(_read(body))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def _read(body: bytes) -> Iterator[SeenSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {
                    a.key: str(getattr(a.value, a.value.WhichOneof("value") or "")) for a in span.attributes
                }
                yield SeenSpan(
                    service,
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    attributes,
                )
