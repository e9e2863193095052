"""Artifacts: read by key or by signed link, linked, removed."""

from typing import Annotated

import msgspec

from visapi_common.contracts.gateway_bodies import ArtifactLink, NewLink
from visapi_common.core.errors import ProblemError
from visapi_gateway.artifacts.service import ArtifactFile, Artifacts
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.etags import none_match
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.api.ranges import Span, content_range, wanted_range
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, Header, json_response
from visapi_gateway.kernel.asgi.streams import FileStream

ANY = "application/octet-stream"


class LinkQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tenant: Annotated[str, msgspec.Meta(max_length=63, description="Of a signed link.")] | None = None
    expires: Annotated[int, msgspec.Meta(ge=0, le=2**40, description="Of a signed link.")] | None = None
    signature: Annotated[str, msgspec.Meta(max_length=64, description="Of a signed link.")] | None = None


READ = Operation(
    "GET",
    "/v1/artifacts/{artifact:str}",
    "readArtifact",
    "Read an artifact",
    {
        200: ResponseSpec(
            "The file.", None, (ANY,), headers=("ETag", "Accept-Ranges", "Content-Disposition")
        ),
        206: ResponseSpec(
            "The part of the file that `Range` names.",
            None,
            (ANY,),
            headers=("ETag", "Accept-Ranges", "Content-Range", "Content-Disposition"),
        ),
        304: ResponseSpec("The file is unchanged; artifacts never change.", headers=("ETag",)),
    },
    description="Needs an API key or a signed link (`tenant`, `expires`, `signature`).",
    tag="artifacts",
    signed=True,
    scope="artifacts:read",
    query=LinkQuery,
    headers={
        "If-None-Match": "An ETag from an earlier response.",
        "Range": "One range of bytes, such as `bytes=0-1023`; several are answered by the whole file.",
        "If-Range": "An ETag: `Range` means this state of the file, else the whole is sent.",
    },
    produces=(),
    problems=("artifact_not_found", "artifact_id_invalid", "link_invalid", "range_not_satisfiable"),
    limited_keys="open",
)
LINK = Operation(
    "POST",
    "/v1/artifacts/{artifact:str}/links",
    "linkArtifact",
    "Make a signed link to an artifact",
    {201: ResponseSpec("A link that needs no key.", ArtifactLink)},
    tag="artifacts",
    scope="artifacts:read",
    body=NewLink,
    problems=("artifact_not_found", "artifact_id_invalid"),
    test_keys="open",
)
REMOVE = Operation(
    "DELETE",
    "/v1/artifacts/{artifact:str}",
    "removeArtifact",
    "Remove an artifact for good",
    {204: ResponseSpec("The file is removed, for every run that names it; copies elsewhere remain.")},
    description=(
        "Links to the artifact open nothing any more. A task that makes the same bytes again, even while "
        "they are being removed, stores them anew. Exports of the audit are kept."
    ),
    tag="artifacts",
    scope="artifacts:write",
    problems=("artifact_not_found", "artifact_kept"),
)

_SHOWN = ("application/pdf", "image/", "text/plain")
"""Media types that a browser may show. Other types are downloaded, because a page could carry scripts."""


class ArtifactRoutes:
    """The handlers of the operations above."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def routes(self) -> list[Route]:
        return [Route(READ, self.read), Route(LINK, self.link), Route(REMOVE, self.remove)]

    async def read(self, call: Call) -> AsgiResponse:
        artifact: str = call.path["artifact"]
        found = await (self._by_link(call, artifact) if call.who is None else self._by_key(call, artifact))
        tag = f'"{artifact.partition(".")[0]}"'
        headers = _headers(found, tag)
        if none_match(call.header(b"if-none-match"), tag):
            return EmptyResponse(304, headers)
        part = _part(call, tag, found.size)
        if part is None:
            return FileStream(found.chunks(None), found.size, headers)
        headers.append((b"content-range", content_range(part, found.size)))
        return FileStream(found.chunks(part), part[1] - part[0], headers, 206)

    async def link(self, call: Call) -> AsgiResponse:
        wanted: NewLink = await read_json(LINK, call)
        tenant, artifact = call.principal.tenant, call.path["artifact"]
        return json_response(await self._artifacts.link(tenant, artifact, wanted.expires_in_s), 201)

    async def remove(self, call: Call) -> AsgiResponse:
        await self._artifacts.remove(call.requester, call.path["artifact"])
        return EmptyResponse(204)

    async def _by_key(self, call: Call, artifact: str) -> ArtifactFile:
        return await self._artifacts.open(call.principal.tenant, artifact)

    async def _by_link(self, call: Call, artifact: str) -> ArtifactFile:
        query: LinkQuery = call.query
        if query.tenant is None or query.expires is None or query.signature is None:
            detail = "a signed link has tenant, expires and signature; use the link as it was given"
            raise ProblemError("link_invalid", detail, status=403)
        return await self._artifacts.open_link(query.tenant, artifact, query.expires, query.signature)


def _part(call: Call, tag: str, size: int) -> Span | None:
    if call.scope["method"] != "GET":
        return None
    return wanted_range(call.header(b"range"), call.header(b"if-range"), tag, size)


def _headers(found: ArtifactFile, tag: str) -> list[Header]:
    disposition = "inline" if found.media_type.startswith(_SHOWN) else "attachment"
    return [
        (b"content-type", found.media_type.encode()),
        (b"etag", tag.encode()),
        (b"accept-ranges", b"bytes"),
        (b"content-disposition", f'{disposition}; filename="{found.id}"'.encode()),
        (b"cache-control", b"private, max-age=31536000, immutable"),
        (
            b"content-security-policy",
            b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ]
