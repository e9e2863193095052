"""Tenants."""

from visapi_common.adapters.artifacts import ArtifactStore, TemplateStore
from visapi_common.contracts import subjects
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.keys.announcing import ChangedKeys
from visapi_gateway.keys.slice import keyring
from visapi_gateway.keys.store import mint_key
from visapi_gateway.tenants import routes
from visapi_gateway.tenants.exporting import Exports
from visapi_gateway.tenants.routes import TenantRoutes
from visapi_gateway.tenants.service import Tenants
from visapi_gateway.tenants.store.exports import PgExportRows, StoredObjects
from visapi_gateway.tenants.store.tenants import PgTenantStore


def open_routes(kernel: Kernel) -> list[Route]:
    def publish(key: str) -> None:
        kernel.messages.publish(subjects.CONTROL_KEYS, key.encode())

    changed = ChangedKeys(kernel.one(keyring), publish)
    settings = kernel.settings
    artifacts = ArtifactStore.open(settings.artifacts_url, settings.s3)
    contents = TemplateStore.open(settings.artifacts_url, settings.s3)
    objects = StoredObjects(artifacts, kernel.payloads, contents)
    tenants = Tenants(
        PgTenantStore(kernel.pool),
        mint_key,
        changed,
        exports=Exports(PgExportRows(kernel.pool), objects, kernel.clock),
        peppers=settings.key_pepper,
        clock=kernel.clock,
    )
    return TenantRoutes(tenants, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
