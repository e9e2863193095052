"""Templates as a resource: stored, listed, read, previewed and retired."""

from typing import Any

from visapi_common.contracts.templates import (
    NewTemplate,
    PreviewTemplate,
    TemplateDetail,
    TemplatePage,
    TemplatePreview,
    TemplateView,
)
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, Header, json_response
from visapi_gateway.templates.previews import Previews
from visapi_gateway.templates.rules import number_of, tag_of
from visapi_gateway.templates.service import Templates

_READ: dict[str, Any] = {"tag": "templates", "scope": "workflows:read"}
_WRITE: dict[str, Any] = {"tag": "templates", "scope": "workflows:write"}
_PATH = "/v1/templates/{template:str}"
_NOT_FOUND: tuple[str, ...] = ("template_not_found",)

PUT = Operation(
    "PUT",
    _PATH,
    "putTemplate",
    "Store a version of a template",
    {
        200: ResponseSpec("The newest version has these contents already.", TemplateView, headers=("ETag",)),
        201: ResponseSpec("The new version.", TemplateView, headers=("Location", "ETag")),
    },
    description=(
        "A version never changes: other contents make the next one. Tasks name a template as `welcome`, "
        "which means the newest version within 5 seconds, or `welcome@3`. Sources are Jinja2, and are "
        "checked before anything is stored. A source shows the file `logo.png` of `assets` by "
        "`{{ asset('logo.png') }}`."
    ),
    body=NewTemplate,
    body_required=True,
    if_match="optional",
    problems=("template_invalid", "template_exists", "quota_exceeded"),
    **_WRITE,
)
LIST = Operation(
    "GET",
    "/v1/templates",
    "listTemplates",
    "List templates, each as its newest version",
    {200: ResponseSpec("A page.", TemplatePage)},
    query=Listing,
    **_READ,
)
READ = Operation(
    "GET",
    _PATH,
    "readTemplate",
    "Read the newest version of a template",
    {200: ResponseSpec("The version with its sources.", TemplateDetail, headers=("ETag",))},
    problems=_NOT_FOUND,
    **_READ,
)
VERSIONS = Operation(
    "GET",
    f"{_PATH}/versions",
    "listTemplateVersions",
    "List the versions of a template, newest first",
    {200: ResponseSpec("A page.", TemplatePage)},
    query=Listing,
    problems=_NOT_FOUND,
    **_READ,
)
READ_VERSION = Operation(
    "GET",
    f"{_PATH}/versions/{{number:str}}",
    "readTemplateVersion",
    "Read one version of a template",
    {200: ResponseSpec("The version with its sources.", TemplateDetail)},
    problems=_NOT_FOUND,
    **_READ,
)
PREVIEW = Operation(
    "POST",
    f"{_PATH}/preview",
    "previewTemplate",
    "Render a template with its test data or with others",
    {200: ResponseSpec("The parts as a task would render them.", TemplatePreview)},
    description="Nothing is stored and nothing is sent. A document is shown as its HTML.",
    body=PreviewTemplate,
    problems=("template_not_found", "template_failed", "too_many_open"),
    test_keys="open",
    **_READ,
)
RETIRE = Operation(
    "DELETE",
    _PATH,
    "retireTemplate",
    "Retire a template",
    {204: ResponseSpec("The name is unknown to tasks, within 5 seconds.")},
    description=(
        "Versions stay, because definitions may pin them (`welcome@3`). Storing the template again makes the "
        "next version."
    ),
    if_match="optional",
    problems=_NOT_FOUND,
    **_WRITE,
)


class TemplateRoutes:
    """The handlers of the operations above."""

    def __init__(self, templates: Templates, previews: Previews, cursors: Cursors) -> None:
        self._templates = templates
        self._previews = previews
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(PUT, self.put),
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(VERSIONS, self.versions),
            Route(READ_VERSION, self.read_version),
            Route(PREVIEW, self.preview),
            Route(RETIRE, self.retire),
        ]

    async def put(self, call: Call) -> AsgiResponse:
        # No variable here holds the decoded body, which may be large, while the templates wait.
        name: str = call.path["template"]
        template, created = await self._templates.put(
            call.requester, name, await read_json(PUT, call), call.if_match
        )
        headers: list[Header] = [(b"etag", tag_of(template).encode())]
        if created:
            headers.append((b"location", template.links["self"].encode()))
        return json_response(template, 201 if created else 200, headers)

    async def list(self, call: Call) -> AsgiResponse:
        position = self._cursors.position(call)
        page = await self._templates.page(call.principal.tenant, position, call.query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        template = await self._templates.read(call.principal.tenant, call.path["template"])
        return json_response(template, 200, [(b"etag", tag_of(template).encode())])

    async def versions(self, call: Call) -> AsgiResponse:
        position, name = self._cursors.position(call), call.path["template"]
        page = await self._templates.versions(call.principal.tenant, name, position, call.query.limit)
        return json_response(self._cursors.page(call, page))

    async def read_version(self, call: Call) -> AsgiResponse:
        name, number = call.path["template"], number_of(call.path["number"])
        return json_response(await self._templates.read(call.principal.tenant, name, number))

    async def preview(self, call: Call) -> AsgiResponse:
        tenant, name = call.principal.tenant, call.path["template"]
        return json_response(await self._previews.render(tenant, name, await read_json(PREVIEW, call)))

    async def retire(self, call: Call) -> AsgiResponse:
        await self._templates.retire(call.requester, call.path["template"], call.if_match)
        return EmptyResponse(204)
