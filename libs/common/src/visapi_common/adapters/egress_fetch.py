"""One outbound HTTP exchange, with limits on size, compression ratio, redirects and time.

httpx's errors become faults: definite before a byte of the request was sent, `UnknownFault` afterwards.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import replace

import httpcore
import httpx

from visapi_common.adapters.egress import FRESH, HEADERS
from visapi_common.adapters.egress_decoding import BodyDecoder
from visapi_common.adapters.egress_stream import PacedStream
from visapi_common.core.egress_policy import EgressRefused, MalformedRedirect, MalformedUrl, parse_url
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.core.outbound import Inbound, Outbound

_PORTABLE = frozenset({"accept", "accept-language", "content-type", "content-encoding", "user-agent"})
"""Headers that are kept on a redirect to another origin; any other header may be a credential."""


class MalformedAnswer(PermanentFault):
    """The response is not HTTP, or redirects to an unusable URL."""


async def exchange(client: httpx.AsyncClient, outbound: Outbound) -> Inbound:
    """Send a request and read the response within `timeout_s`. Each redirect is checked.

    Raises `EgressRefused`, `TransientFault` or `PermanentFault` when nothing was sent, `MalformedAnswer` for
    an unusable response, and `UnknownFault` when the receiver may have acted.
    """
    ends = asyncio.get_running_loop().time() + outbound.timeout_s
    seen = {(outbound.method, outbound.url)}
    hops = 0
    while True:
        left_s = max(0.001, ends - asyncio.get_running_loop().time())
        inbound = await _one(client, replace(outbound, timeout_s=left_s), left_before=hops > 0)
        location = inbound.header("location")
        if not outbound.redirects or inbound.status not in (301, 302, 303, 307, 308) or not location:
            return inbound
        if hops >= outbound.redirects:
            raise MalformedAnswer(f"{_what(outbound)} was redirected more than {outbound.redirects} times")
        hops += 1
        outbound = _redirected(outbound, inbound, location)
        if (outbound.method, outbound.url) in seen:
            raise MalformedAnswer(f"{_what(outbound)} was redirected in a circle")
        seen.add((outbound.method, outbound.url))


def _redirected(outbound: Outbound, inbound: Inbound, location: str) -> Outbound:
    before = parse_url(outbound.url)
    try:
        url = str(httpx.URL(outbound.url).join(location))
        after = parse_url(url)
    except (MalformedUrl, httpx.InvalidURL, ValueError) as error:
        raise MalformedRedirect(f"{_what(outbound)} was redirected to what is no URL") from error
    if before.scheme == "https" and after.scheme == "http":
        detail = "the redirect would leave TLS; it is refused"
        raise EgressRefused(detail, "redirect", internal=after.origin)
    if outbound.certificate is not None and before != after:
        detail = "the redirect would show another origin the client certificate; it is refused"
        raise EgressRefused(detail, "redirect", internal=after.origin)
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
    try:
        async with asyncio.timeout(outbound.timeout_s):
            try:
                return await _send(client, outbound, sent)
            except (httpx.RemoteProtocolError, httpx.NetworkError):
                if not (outbound.repeatable and sent.on_kept_connection):
                    raise
            # The receiver had closed the kept-alive connection before it answered.
            return await _send(client, replace(outbound, fresh_connection=True), sent)
    except (httpx.HTTPError, httpx.StreamError, ssl.SSLError, TimeoutError) as error:
        raise _fault(error, outbound, sent) from error


async def _send(client: httpx.AsyncClient, outbound: Outbound, sent: "_Sent") -> Inbound:
    response = await client.send(_request(client, outbound, sent), stream=True)
    decoder = BodyDecoder(response.headers.get("content-encoding", ""), outbound.body_max_bytes)
    try:
        async for chunk in response.aiter_raw():
            decoder.feed(chunk)
            if decoder.cut:
                break
        else:
            decoder.end()
    except (httpx.RemoteProtocolError, httpx.NetworkError, httpx.StreamError):
        decoder.cut = "the connection broke before the end of the body"
    finally:
        stream = response.extensions.get("network_stream")
        if isinstance(stream, PacedStream):
            stream.settle()
        await response.aclose()
    headers = [(name.decode("latin-1"), _header_text(value)) for name, value in response.extensions[HEADERS]]
    return Inbound(
        response.status_code, headers, bytes(decoder.body), outbound.url, decoder.cut, decoder.coding
    )


def _header_text(value: bytes) -> str:
    """Decode a header as UTF-8, else as Latin-1 (RFC 9110, 5.5)."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Sent:
    """Tracks, by httpcore's trace events, whether a byte of the request may have been sent."""

    def __init__(self, *, left: bool) -> None:
        self._left_before = left
        self.left = left
        self._connected = False
        self._answered = False

    @property
    def on_kept_connection(self) -> bool:
        """Whether the request used a kept-alive connection and no response began."""
        return self.left and not self._connected and not self._answered

    async def __call__(self, event: str, info: Mapping[str, object]) -> None:
        if event.endswith("connect_tcp.started"):
            self._connected = True
        elif event.endswith("receive_response_headers.complete"):
            self._answered = True
        elif event.endswith("send_request_headers.started"):
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
        raise MalformedUrl(f"{_what(outbound)} cannot be sent: {error}") from error


def _what(outbound: Outbound) -> str:
    return f"{outbound.method} {outbound.url.split('?', 1)[0]}"


def _fault(error: Exception, outbound: Outbound, sent: _Sent) -> Exception:
    what = f"{_what(outbound)}: {type(error).__name__}{_said(error)}"
    if _refuses_certificate(error):
        return PermanentFault(f"{what}; the receiver wants another client certificate")
    if isinstance(error, httpx.RemoteProtocolError) and "without sending a response" not in str(error):
        return MalformedAnswer(f"{_what(outbound)} got a response that is not HTTP")
    if sent.left:
        return UnknownFault(f"{what}; the receiver may have acted")
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return PermanentFault(f"{what}; the request itself cannot be sent")
    if _caused_by(error, ssl.SSLCertVerificationError):
        return PermanentFault(f"{what}; the receiver's certificate is not trusted")
    return TransientFault(f"{what}; nothing was sent")


def _said(error: Exception) -> str:
    """The error's text without addresses, because internal addresses must not be disclosed."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) and not _caused_by(error, ssl.SSLError):
        return ""
    return f": {error}" if str(error) else ""


_CERTIFICATE_ALERTS = (
    "CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "UNKNOWN_CA",
)  # fmt: skip


def _refuses_certificate(error: BaseException | None) -> bool:
    """Whether the receiver sent a TLS alert (RFC 8446, section 6.2) about the client certificate.

    In TLS 1.3 the alert arrives after the request was sent, to a receiver that cannot read it.
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
