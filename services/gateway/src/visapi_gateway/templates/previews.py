"""Previews: a version rendered with test data, in bounded processes."""

import base64
from typing import Any

import msgspec

from visapi_common.contracts.templates import Manifest, PreviewTemplate, TemplatePreview
from visapi_common.core.errors import ProblemError
from visapi_common.core.template_names import fitting_locale
from visapi_common.templates.renderer import TemplateMistake, TemplateRenderer
from visapi_common.templates.requests import RenderRequest
from visapi_gateway.templates.rules import given_parts
from visapi_gateway.templates.service import Contents, Templates

OUTPUT_MAX = 4 * 1024 * 1024
"""Characters of all parts of a preview."""


class Previews:
    """The use case."""

    def __init__(self, templates: Templates, contents: Contents, renderer: TemplateRenderer) -> None:
        self._templates = templates
        self._contents = contents
        self._renderer = renderer

    async def render(self, tenant: str, name: str, wanted: PreviewTemplate) -> TemplatePreview:
        """The parts as a task would render them. Raises `ProblemError` 404, 422 and 429, and
        `TransientFault`.
        """
        template, manifest = await self._templates.open(tenant, name, wanted.version)
        locale = fitting_locale(manifest.locales, manifest.default_locale, wanted.locale)
        data: Any = manifest.test_data if wanted.data is msgspec.UNSET else wanted.data
        request = RenderRequest(
            sources=given_parts(manifest.locales[locale]),
            data=data,
            escaped=["html"],
            trim=manifest.kind == "pdf",
            assets=await self._addresses(tenant, manifest),
            output_max=OUTPUT_MAX,
        )
        try:
            parts = await self._renderer.render(tenant, request)
        except TemplateMistake as wrong:
            raise ProblemError("template_failed", str(wrong), status=422) from None
        return TemplatePreview(version=template.version, locale=locale, **parts)

    async def _addresses(self, tenant: str, manifest: Manifest) -> dict[str, str]:
        """The assets as `data:` addresses."""
        addresses: dict[str, str] = {}
        for name, asset in manifest.assets.items():
            data = await self._contents.get(tenant, asset.sha256)
            addresses[name] = f"data:{asset.media_type};base64,{base64.b64encode(data).decode()}"
        return addresses
