"""Previews: a version rendered with test data, in bounded processes.

Decoded JSON takes many times the memory of its bytes, so data is held as JSON. A preview that waits for a
process holds only its payload.
"""

import base64

import msgspec

from visapi_common.contracts.templates import Manifest, PreviewTemplate, TemplatePreview
from visapi_common.core.errors import ProblemError
from visapi_common.core.template_names import fitting_locale
from visapi_common.templates.renderer import TemplateMistake, TemplateRenderer
from visapi_common.templates.requests import RenderRequest
from visapi_gateway.templates.rules import encode, given_parts
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
        data = None if wanted.data is msgspec.UNSET else encode(wanted.data)
        version, locale = wanted.version, wanted.locale
        del wanted
        template, manifest = await self._templates.open(tenant, name, version)
        chosen = fitting_locale(manifest.locales, manifest.default_locale, locale)
        rendering = self._renderer.render(tenant, await self._request(tenant, manifest, chosen, data))
        del manifest, data
        try:
            parts = await rendering
        except TemplateMistake as wrong:
            raise ProblemError("template_failed", str(wrong), status=422) from None
        return TemplatePreview(version=template.version, locale=chosen, **parts)

    async def _request(
        self, tenant: str, manifest: Manifest, locale: str, data: bytes | None
    ) -> RenderRequest:
        """The rendering of one locale with `data`, which is JSON, or with the test data."""
        return RenderRequest(
            sources=given_parts(manifest.locales[locale]),
            data_json=bytes(manifest.test_data) if data is None else data,
            escaped=["html"],
            trim=manifest.kind == "pdf",
            assets=await self._addresses(tenant, manifest),
            output_max=OUTPUT_MAX,
        )

    async def _addresses(self, tenant: str, manifest: Manifest) -> dict[str, str]:
        """The assets as `data:` addresses."""
        addresses: dict[str, str] = {}
        for name, asset in manifest.assets.items():
            data = await self._contents.get(tenant, asset.sha256)
            addresses[name] = f"data:{asset.media_type};base64,{base64.b64encode(data).decode()}"
        return addresses
