"""Answers to GET carry the ETag of their bytes; `If-None-Match` spares sending them again (RFC 9110, 13.1.2).

The bytes are those that this key sees, so the tag is right for every key. A handler that knows a tag without
reading the resource sets it, and may answer 304 by itself.
"""

from visapi_gateway.kernel.api.etags import etag_of, none_match
from visapi_gateway.kernel.api.operation import Call
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, Header, Response

_REVALIDATED: Header = (b"cache-control", b"private, no-cache")
_OF_THE_BODY = frozenset({b"content-type", b"content-length"})


def tagged(call: Call, response: AsgiResponse) -> AsgiResponse:
    """The answer to a GET with its ETag, or 304 where the client has it. Streams and failures are as they
    were.
    """
    tag = _add_tag(response)
    if tag is None:
        return response
    assert isinstance(response, Response), "it has a tag"
    if all(name != b"cache-control" for name, _ in response.headers):
        response.headers.append(_REVALIDATED)
    if none_match(call.header(b"if-none-match"), tag):
        return EmptyResponse(304, [each for each in response.headers if each[0] not in _OF_THE_BODY])
    return response


def changed(response: AsgiResponse) -> AsgiResponse:
    """The answer to a change that shows the resource as it is now, with the ETag for the next change."""
    _add_tag(response)
    return response


def _add_tag(response: AsgiResponse) -> str | None:
    if not isinstance(response, Response) or response.status != 200:
        return None
    for name, value in response.headers:
        if name == b"etag":
            return value.decode()
    tag = etag_of(response.body)
    response.headers.append((b"etag", tag.encode()))
    return tag
