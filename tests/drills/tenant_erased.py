"""A tenant is erased: what the page of procedures types, an hour that nobody waits for, and what may stay."""

from datetime import timedelta

from drills.patient import Patient
from drills.typing_pages import Typist
from kit.ledger_rows import move_back
from kit.owned_rows import KEPT, owned
from kit.waiting import eventually
from visapi_common.adapters.artifacts import ArtifactStore

TENANT = "leaving"
SECTION = "Tenant erasure"


async def begin(patient: Patient) -> None:
    """The page makes the tenant and its work."""
    assert await owned(await patient.connection("visapi_owner"), TENANT) == {}


async def an_hour_passes(patient: Patient, typist: Typist) -> None:
    """The times of the erasure are set back once the page only waits, so that nobody has to wait for them."""

    async def waits() -> bool:
        return typist.waits_for_its_check(SECTION)

    await eventually(waits, what="the page waiting for the end of the erasure", within_s=120)
    owner = await patient.connection("visapi_owner")
    assert set(await owned(owner, TENANT)) >= KEPT
    hour = timedelta(hours=1, minutes=1)
    assert await move_back(owner, "tenant_erasures", hour, "requested_at", "next_at", tenant=TENANT) == 1
    await move_back(owner, "tenants", hour, "disabled_at", id=TENANT)


async def nothing_stays(patient: Patient) -> None:
    """Neither in the tables, nor in the artifact store; the id, the erasure and the audit do."""
    owner = await patient.connection("visapi_owner")
    assert set(await owned(owner, TENANT)) == KEPT
    store = ArtifactStore.open(patient.data.artifacts.as_uri())
    assert [name async for name in store.names(TENANT)] == []
