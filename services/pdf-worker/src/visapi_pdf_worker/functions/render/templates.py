"""Documents from templates: one that comes with the task, one that VisAPI brings along, or a tenant's."""

import base64
from importlib.resources import files
from typing import Any

from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.contracts.templates import UsedTemplate
from visapi_common.core.errors import PermanentFault, ProblemError
from visapi_common.runtime.bounded_processes import BoundedProcesses
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.templates.renderer import PATIENCE, TEMPLATE, WARM_UP, TemplateMistake, TemplateRenderer
from visapi_common.templates.requests import RenderRequest
from visapi_common.templates.stored import StoredTemplate, StoredTemplates
from visapi_pdf_worker.functions.render.rules.document import HTML_MAX, Document, InlineTemplate


class TemplateProcess:
    """Renders in bounded processes; `user` is whom they become, empty for nobody else. Without `stored` no
    tenant has templates.
    """

    def __init__(self, user: str, metrics: Metrics, stored: StoredTemplates | None = None) -> None:
        self.processes = BoundedProcesses([TEMPLATE], metrics, warm_up=[WARM_UP], user=user, limits=PATIENCE)
        self._renderer = TemplateRenderer(self.processes)
        self._stored = stored
        self._builtin = {
            entry.name.removesuffix(".html"): entry.read_text(encoding="utf-8")
            for entry in files("visapi_pdf_worker").joinpath("templates").iterdir()
            if entry.name.endswith(".html")
        }

    async def html_of(self, task: TaskMessage, document: Document) -> tuple[str, UsedTemplate | None]:
        """The HTML of a document with a template, and the tenant's template that made it. Raises
        `ProblemError` for what is wrong with the template or its data, and the faults of stored templates.
        """
        template = document.template
        assert template is not None, "the document has a template"
        if isinstance(template, InlineTemplate) or template in self._builtin:
            return await self.render(task.tenant, template, document.data), None
        if self._stored is None:
            raise PermanentFault("this worker reads no templates of tenants")
        found = await self._stored.open(task, template, document.locale, "pdf")
        html = await self._html(task.tenant, found.parts.html or "", document.data, _addresses(found))
        return html, found.used

    async def render(self, tenant: str, template: str | InlineTemplate, data: Any) -> str:
        """The HTML of a source, or of a template that VisAPI brings along."""
        source = template.source if isinstance(template, InlineTemplate) else self._builtin[template]
        return await self._html(tenant, source, data, {})

    async def _html(self, tenant: str, source: str, data: Any, assets: dict[str, str]) -> str:
        request = RenderRequest(
            sources={"html": source},
            data=data,
            escaped=["html"],
            trim=True,
            assets=assets,
            output_max=HTML_MAX,
        )
        try:
            return (await self._renderer.render(tenant, request))["html"]
        except TemplateMistake as wrong:
            mistake = wrong.mistake
            raise ProblemError(mistake.code, f"template: {mistake.detail}", status=422) from None

    async def stop(self) -> None:
        """End the processes."""
        await self.processes.close()


def _addresses(template: StoredTemplate) -> dict[str, str]:
    """The assets as `data:` addresses, which pages without a network show, and headers and footers too."""
    return {
        name: f"data:{asset.media_type};base64,{base64.b64encode(asset.data).decode()}"
        for name, asset in template.assets.items()
    }
