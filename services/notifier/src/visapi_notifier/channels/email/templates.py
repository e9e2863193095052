"""Mails from templates, rendered in bounded processes."""

import msgspec

from visapi_common.core.errors import ProblemError
from visapi_common.runtime.bounded_processes import BoundedProcesses
from visapi_common.templates.renderer import TemplateMistake, TemplateRenderer
from visapi_common.templates.requests import RenderRequest

SOURCE_MAX_CHARS = 256 * 1024
OUTPUT_MAX_CHARS = 2 * 1024 * 1024


class TemplateProcess:
    """Renders the parts of a mail; HTML escapes data, text does not."""

    def __init__(self, processes: BoundedProcesses) -> None:
        self._renderer = TemplateRenderer(processes)

    async def render(
        self, tenant: str, sources: dict[str, str], data: bytes | None, assets: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Each part rendered with `data`, which is MessagePack.

        Raises `ProblemError` that names the part and the mistake.
        """
        for name, source in sources.items():
            if len(source) > SOURCE_MAX_CHARS:
                raise ProblemError(
                    "template_too_large", f"/template/{name}: at most {SOURCE_MAX_CHARS} characters"
                )
        request = RenderRequest(
            sources=sources,
            data=None if data is None else msgspec.Raw(data),
            escaped=["html"],
            assets=assets or {},
            output_max=OUTPUT_MAX_CHARS,
        )
        try:
            return await self._renderer.render(tenant, request)
        except TemplateMistake as wrong:
            mistake = wrong.mistake
            where = f"/template/{mistake.part}" if mistake.part else "/template"
            raise ProblemError("template_failed", f"{where}: {mistake.detail}") from None
