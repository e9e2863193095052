"""Artifacts."""

from functools import partial

from visapi_common.adapters.artifacts import ArtifactStore
from visapi_gateway.artifacts import routes
from visapi_gateway.artifacts.routes import ArtifactRoutes
from visapi_gateway.artifacts.service import Artifacts
from visapi_gateway.artifacts.store import ArtifactSource, record_alone
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    source = ArtifactSource(ArtifactStore.open(kernel.settings.artifacts_url, kernel.settings.s3))
    record = partial(record_alone, kernel.pool)
    return ArtifactRoutes(Artifacts(source, record, kernel.settings.link_secret, kernel.clock)).routes()


SLICE = Slice([routes], open_routes)
