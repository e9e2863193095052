"""Each runbook beside the fault that it is about: its blocks are typed as written, and its own check says healed.

One stack takes all faults, one after the other: `make runbooks`, which ends with a table. `make test` tries three.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from drills.ailments import AILMENTS
from drills.full_disk import folder_of_drills
from drills.patient import Patient
from drills.typing_pages import Typist
from faults.harness import fault_stack
from kit.forms import FULL, variants

_LIMIT_S = 150.0
_SICK_S = 4.0
SHORT = ["uncertain-effects"]

pytestmark = [pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]
_table: list[str] = []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def patient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Patient]:
    with folder_of_drills(small_disk=FULL) as folder:
        async with fault_stack(folder, {"VISAPI_PDF_TIMEOUT_S": "2"}) as stack:
            patient = Patient(stack, tmp_path_factory.mktemp("typed"))
            try:
                await asyncio.to_thread(Typist(patient.folder, patient.data.root).prepare)
                yield patient
            finally:
                await patient.close()
                print("\n" + "\n".join(_table))


@pytest.mark.parametrize("title", variants(AILMENTS, short=SHORT))
async def test_a_runbook_heals_what_it_is_about(patient: Patient, title: str) -> None:
    ailment = AILMENTS[title]
    typist = Typist(patient.folder, patient.data.root, ailment.page)
    await ailment.begin(patient)
    typist.environ = patient.environ
    if ailment.lasts:
        assert not await asyncio.to_thread(typist.healed, title, within_s=_SICK_S), "the check sees nothing"
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        if ailment.meanwhile is not None:
            group.create_task(ailment.meanwhile(patient, typist))
        findings = await asyncio.to_thread(typist.section, title, limit_s=_LIMIT_S)
    took_s = time.monotonic() - began
    _table.append(
        f"{title:20} {ailment.what:45} {'healed' if not findings else 'NOT HEALED'} after {took_s:5.1f} s"
    )
    assert findings == [], "\n\n".join(findings)
    if ailment.after is not None:
        await ailment.after(patient)
