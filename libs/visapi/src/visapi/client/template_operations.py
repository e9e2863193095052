"""The operations on templates as values, as those of `operations.py`. Pure."""

from typing import Any

import msgspec

from visapi.client.call import Call
from visapi.client.call import path_part as _part
from visapi.client.operations import JSON
from visapi_common.contracts.templates import (
    NewTemplate,
    PreviewTemplate,
    TemplateDetail,
    TemplatePage,
    TemplatePreview,
    TemplateView,
)


def put_template(name: str, wanted: NewTemplate) -> Call[TemplateView]:
    """Store a version, unless the newest has these contents."""
    body = msgspec.json.encode(wanted)
    path, headers = f"/v1/templates/{_part(name)}", {"Content-Type": JSON}
    return Call(method="PUT", path=path, answer=TemplateView, headers=headers, body=body, repeatable=True)


def list_templates() -> Call[TemplatePage]:
    """The first 200 templates."""
    return Call(
        method="GET", path="/v1/templates", answer=TemplatePage, params={"limit": "200"}, repeatable=True
    )


def read_template(name: str, version: int | None = None) -> Call[TemplateDetail]:
    """The newest version, or one by its number."""
    path = f"/v1/templates/{_part(name)}"
    if version is not None:
        path = f"{path}/versions/{version}"
    return Call(method="GET", path=path, answer=TemplateDetail, repeatable=True)


def list_template_versions(name: str) -> Call[TemplatePage]:
    """The newest 200 versions."""
    path = f"/v1/templates/{_part(name)}/versions"
    return Call(method="GET", path=path, answer=TemplatePage, params={"limit": "200"}, repeatable=True)


def preview_template(name: str, wanted: PreviewTemplate) -> Call[TemplatePreview]:
    """Render the template; nothing is stored or sent."""
    path, headers = f"/v1/templates/{_part(name)}/preview", {"Content-Type": JSON}
    given = {name: value for name, value in msgspec.to_builtins(wanted).items() if name == "data" or value}
    body = msgspec.json.encode(given)
    return Call(method="POST", path=path, answer=TemplatePreview, headers=headers, body=body, repeatable=True)


def retire_template(name: str) -> Call[Any]:
    return Call(method="DELETE", path=f"/v1/templates/{_part(name)}", answer=Any)
