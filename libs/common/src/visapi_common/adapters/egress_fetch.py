"""One outbound exchange, bounded: size and ratio of the answer, redirects hop by hop, phases.

Translates httpx's errors once: before anything left the process they are definite, afterwards
the effect may have happened and `UnknownFault` says so.
"""

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import replace

import httpcore
import httpx

from visapi_common.adapters.egress import FRESH
from visapi_common.core.egress_policy import EgressRefused, parse_url
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.core.outbound import Inbound, Outbound

RATIO_MAX = 100
RATIO_FREE_BYTES = 1024 * 1024
"""Below this size the ratio is not looked at: small repetitive answers compress very well."""
REDIRECTS_MAX = 5

_PORTABLE = frozenset({"accept", "accept-language", "content-type", "content-encoding", "user-agent"})
"""Headers that follow a redirect to another origin; every other one may be a credential."""


async def exchange(client: httpx.AsyncClient, outbound: Outbound) -> Inbound:
    """Send, and read the answer; redirects are checked hop by hop.

    Raises `EgressRefused`, `TransientFault` or `PermanentFault` when nothing left the process, and
    `UnknownFault` when the receiver may have acted.
    """
    hops = 0
    while True:
        inbound = await _one(client, outbound, left_before=hops > 0)
        location = inbound.header("location")
        if hops >= outbound.redirects or inbound.status not in (301, 302, 303, 307, 308) or not location:
            return inbound
        hops += 1
        outbound = _redirected(outbound, inbound, location)


def _redirected(outbound: Outbound, inbound: Inbound, location: str) -> Outbound:
    url = str(httpx.URL(outbound.url).join(location))
    before, after = parse_url(outbound.url), parse_url(url)
    if before.scheme == "https" and after.scheme == "http":
        raise EgressRefused(f"the redirect to {after.origin} would leave TLS; it is refused", "redirect")
    if outbound.certificate is not None and before != after:
        raise EgressRefused(
            f"the redirect to {after.origin} would show it the client certificate; it is refused", "redirect"
        )
    headers = list(outbound.headers)
    method, body = outbound.method, outbound.body
    if inbound.status == 303 or (inbound.status in (301, 302) and method == "POST"):
        method, body = ("HEAD" if method == "HEAD" else "GET"), None
        headers = [(name, value) for name, value in headers if not name.lower().startswith("content-")]
    if before != after:
        headers = [(name, value) for name, value in headers if name.lower() in _PORTABLE]
    return replace(outbound, method=method, url=url, headers=headers, body=body)


async def _one(client: httpx.AsyncClient, outbound: Outbound, *, left_before: bool) -> Inbound:
    parse_url(outbound.url)
    sent = _Sent(left=left_before)
    request = _request(client, outbound, sent)
    try:
        async with asyncio.timeout(outbound.timeout_s):
            response = await client.send(request, stream=True)
            try:
                body, cut = await _body(response, outbound.body_max_bytes)
            finally:
                await response.aclose()
    except (httpx.HTTPError, httpx.StreamError, ssl.SSLError, TimeoutError) as error:
        raise _fault(error, outbound, sent) from error
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw]
    return Inbound(response.status_code, headers, body, outbound.url, cut)


class _Sent:
    """Learns from httpcore's trace events whether a byte of the request may have left."""

    def __init__(self, *, left: bool) -> None:
        self._left_before = left
        self.left = left

    async def __call__(self, event: str, info: Mapping[str, object]) -> None:
        if event.endswith("send_request_headers.started"):
            self.left = True
        elif event.endswith("send_request_headers.failed") and isinstance(
            info.get("exception"), httpcore.LocalProtocolError
        ):
            self.left = self._left_before


def _request(client: httpx.AsyncClient, outbound: Outbound, sent: _Sent) -> httpx.Request:
    extensions: dict[str, object] = {"trace": sent}
    if outbound.fresh_connection:
        extensions[FRESH] = True
    try:
        return client.build_request(
            outbound.method,
            outbound.url,
            headers=list(outbound.headers),
            content=outbound.body,
            timeout=httpx.Timeout(outbound.timeout_s, connect=min(outbound.timeout_s, 5.0)),
            extensions=extensions,
        )
    except (httpx.InvalidURL, ValueError) as error:
        raise PermanentFault(f"{_what(outbound)} cannot be sent: {error}") from error


def _what(outbound: Outbound) -> str:
    return f"{outbound.method} {outbound.url.split('?', 1)[0]}"


def _fault(error: Exception, outbound: Outbound, sent: _Sent) -> Exception:
    what = f"{_what(outbound)}: {type(error).__name__}: {error}"
    if _refuses_certificate(error):
        return PermanentFault(f"{what}; the receiver wants another client certificate")
    if sent.left:
        return UnknownFault(f"{what}; the receiver may have acted")
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return PermanentFault(f"{what}; the request itself cannot be sent")
    if _caused_by(error, ssl.SSLCertVerificationError):
        return PermanentFault(f"{what}; the receiver's certificate is not trusted")
    return TransientFault(f"{what}; nothing was sent")


_CERTIFICATE_ALERTS = (
    "CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "UNKNOWN_CA",
)  # fmt: skip


def _refuses_certificate(error: BaseException | None) -> bool:
    """Whether the receiver ended the handshake by an alert (RFC 8446, section 6.2) about our certificate.

    In TLS 1.3 that shows only after the request was sent, to a receiver that cannot read it.
    """
    while error is not None:
        reason = str(getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
        if "ALERT" in reason and any(word in reason for word in _CERTIFICATE_ALERTS):
            return True
        error = error.__cause__ or error.__context__
    return False


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


async def _body(response: httpx.Response, limit: int) -> tuple[bytes, str | None]:
    decoder = _Decoder(response.headers.get("content-encoding", ""), limit)
    async for chunk in response.aiter_raw():
        decoder.feed(chunk)
        if decoder.cut:
            break
    return bytes(decoder.body), decoder.cut


class _Decoder:
    """Decompresses gzip and deflate without ever holding more than the limit."""

    def __init__(self, encoding: str, limit: int) -> None:
        self.body = bytearray()
        self.cut: str | None = None
        self._limit = limit
        self._read = 0
        self._zlib: zlib._Decompress | None = None  # pyright: ignore[reportPrivateUsage]
        name = encoding.strip().lower()
        if name in ("gzip", "x-gzip"):
            self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 16)
        elif name == "deflate":
            self._zlib = zlib.decompressobj()
        elif name not in ("", "identity"):
            self.cut = f"the content encoding {name[:40]!r} was not asked for"

    def feed(self, chunk: bytes) -> None:
        """Take in one raw chunk; sets `cut` when the answer must not be read further."""
        self._read += len(chunk)
        if self.cut:
            return
        if self._zlib is not None:
            try:
                chunk = self._zlib.decompress(chunk, self._limit + 1 - len(self.body))
            except zlib.error as error:
                self.cut = f"the compressed body is broken: {error}"
                return
        room = self._limit - len(self.body)
        self.body += chunk[:room]
        if len(chunk) > room:
            self.cut = f"the body is larger than {self._limit} bytes"
        elif len(self.body) > RATIO_FREE_BYTES and len(self.body) > RATIO_MAX * self._read:
            self.cut = f"the body expands more than {RATIO_MAX} times"
