"""The operations on templates as values, as those of `operations.py`. Pure."""

from typing import Any

import msgspec

from visapi.client.call import JSON, Call, conditional, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.templates import (
    NewTemplate,
    PreviewTemplate,
    TemplateDetail,
    TemplatePage,
    TemplatePreview,
    TemplateView,
)


def put_template(name: str, wanted: NewTemplate, *, if_match: str | None = None) -> Call[TemplateView]:
    """Store a version, unless the newest has these contents."""
    body = msgspec.json.encode(wanted)
    path, headers = f"/v1/templates/{_part(name)}", conditional(if_match, {"Content-Type": JSON})
    return Call(method="PUT", path=path, answer=TemplateView, headers=headers, body=body, repeatable=True)


def list_templates(*, limit: int = 200, cursor: str | None = None) -> Call[TemplatePage]:
    """Templates by name, each as its newest version."""
    params = query(limit, cursor=cursor)
    return Call(method="GET", path="/v1/templates", answer=TemplatePage, params=params, repeatable=True)


def read_template(name: str) -> Call[TemplateDetail]:
    """The newest version of a template."""
    return Call(method="GET", path=f"/v1/templates/{_part(name)}", answer=TemplateDetail, repeatable=True)


def read_template_version(name: str, version: int) -> Call[TemplateDetail]:
    """One version of a template."""
    path = f"/v1/templates/{_part(name)}/versions/{version}"
    return Call(method="GET", path=path, answer=TemplateDetail, repeatable=True)


def list_template_versions(name: str, *, limit: int = 200, cursor: str | None = None) -> Call[TemplatePage]:
    """The versions of a template, newest first."""
    path, params = f"/v1/templates/{_part(name)}/versions", query(limit, cursor=cursor)
    return Call(method="GET", path=path, answer=TemplatePage, params=params, repeatable=True)


def preview_template(name: str, wanted: PreviewTemplate) -> Call[TemplatePreview]:
    """Render the template; nothing is stored or sent."""
    path, headers = f"/v1/templates/{_part(name)}/preview", {"Content-Type": JSON}
    given = {name: value for name, value in msgspec.to_builtins(wanted).items() if name == "data" or value}
    body = msgspec.json.encode(given)
    return Call(method="POST", path=path, answer=TemplatePreview, headers=headers, body=body, repeatable=True)


def retire_template(name: str, *, if_match: str | None = None) -> Call[Any]:
    path, headers = f"/v1/templates/{_part(name)}", conditional(if_match)
    return Call(method="DELETE", path=path, answer=Any, headers=headers)
