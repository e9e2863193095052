"""Templates."""

from visapi_common.adapters.artifacts import ArtifactStore, TemplateStore
from visapi_common.contracts.problems import FieldError
from visapi_common.templates.renderer import CHECK_TEMPLATES, TEMPLATE, TemplateRenderer, find_flaws
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.templates import routes
from visapi_gateway.templates.previews import Previews
from visapi_gateway.templates.routes import TemplateRoutes
from visapi_gateway.templates.service import Templates
from visapi_gateway.templates.store import PgTemplateRows


def open_routes(kernel: Kernel) -> list[Route]:
    settings = kernel.settings
    contents = TemplateStore.open(settings.artifacts_url, settings.s3)
    artifacts = ArtifactStore.open(settings.artifacts_url, settings.s3)

    async def flaws(tenant: str, sources: dict[str, str]) -> list[FieldError]:
        found = await find_flaws(kernel.jobs, tenant, sources)
        return [FieldError(flaw.place, flaw.detail) for flaw in found]

    rows = PgTemplateRows(kernel.pool, kernel.quotas)
    templates = Templates(rows, contents, artifacts, flaws)
    previews = Previews(templates, contents, TemplateRenderer(kernel.jobs))
    return TemplateRoutes(templates, previews, kernel.cursors).routes()


SLICE = Slice([routes], open_routes, jobs=(TEMPLATE, CHECK_TEMPLATES))
