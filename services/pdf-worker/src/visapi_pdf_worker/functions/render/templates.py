"""Documents from templates: stored ones by name, or one that comes with the task."""

from importlib.resources import files
from typing import Any

from visapi_common.core.errors import ProblemError
from visapi_common.runtime.bounded_processes import BoundedProcesses
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.templates.renderer import PATIENCE, TEMPLATE, WARM_UP, TemplateMistake, TemplateRenderer
from visapi_common.templates.requests import RenderRequest
from visapi_pdf_worker.functions.render.rules.document import HTML_MAX, InlineTemplate


class TemplateProcess:
    """Renders in bounded processes; `user` is whom they become, empty for nobody else."""

    def __init__(self, user: str, metrics: Metrics) -> None:
        self.processes = BoundedProcesses([TEMPLATE], metrics, warm_up=[WARM_UP], user=user, limits=PATIENCE)
        self._renderer = TemplateRenderer(self.processes)
        self._stored = {
            entry.name.removesuffix(".html"): entry.read_text(encoding="utf-8")
            for entry in files("visapi_pdf_worker").joinpath("templates").iterdir()
            if entry.name.endswith(".html")
        }

    async def render(self, tenant: str, template: str | InlineTemplate, data: Any) -> str:
        """The HTML. Raises `ProblemError` for what is wrong with the template or its data."""
        source = template.source if isinstance(template, InlineTemplate) else self._stored.get(template)
        if source is None:
            raise ProblemError("template_unknown", f"template: there is no template {template!r}", status=422)
        request = RenderRequest(
            sources={"html": source}, data=data, escaped=["html"], trim=True, output_max=HTML_MAX
        )
        try:
            return (await self._renderer.render(tenant, request))["html"]
        except TemplateMistake as wrong:
            mistake = wrong.mistake
            raise ProblemError(mistake.code, f"template: {mistake.detail}", status=422) from None

    async def stop(self) -> None:
        """End the processes."""
        await self.processes.close()
