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
    """The answer with its ETag, or 304 where the client has it. Streams and failures are as they were."""
    if not isinstance(response, Response) or response.status != 200:
        return response
    known = dict(response.headers)
    tag = known.get(b"etag")
    if tag is None:
        tag = etag_of(response.body).encode()
        response.headers.append((b"etag", tag))
    if b"cache-control" not in known:
        response.headers.append(_REVALIDATED)
    if none_match(call.header(b"if-none-match"), tag.decode()):
        return EmptyResponse(304, [each for each in response.headers if each[0] not in _OF_THE_BODY])
    return response
