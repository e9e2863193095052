"""Each runbook beside the fault that it is about: its blocks are typed as written, and its own check says healed.

One stack takes all faults, one after the other: `make runbooks`, which ends with a table. `make test` tries three.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from drills.ailments import AILMENTS, Patient
from drills.typing_pages import Typist
from faults.harness import fault_stack
from kit.forms import variants

_LIMIT_S = 150.0
_SICK_S = 4.0
SHORT = ["uncertain-effects"]

pytestmark = [pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]
_table: list[str] = []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def patient() -> AsyncIterator[Patient]:
    async with fault_stack() as stack:
        patient = Patient(stack)
        try:
            await asyncio.to_thread(Typist(stack.stack.folder, patient.data.root).prepare)
            yield patient
        finally:
            await patient.close()
            print("\n" + "\n".join(_table))


@pytest.mark.parametrize("title", variants(AILMENTS, short=SHORT))
async def test_a_runbook_heals_what_it_is_about(patient: Patient, title: str) -> None:
    ailment = AILMENTS[title]
    typist = Typist(patient.stack.stack.folder, patient.data.root)
    await ailment.begin(patient)
    if ailment.lasts:
        assert not await asyncio.to_thread(typist.healed, title, within_s=_SICK_S), "the check sees nothing"
    began = time.monotonic()
    findings = await asyncio.to_thread(typist.section, title, limit_s=_LIMIT_S)
    took_s = time.monotonic() - began
    _table.append(
        f"{title:20} {ailment.what:45} {'healed' if not findings else 'NOT HEALED'} after {took_s:5.1f} s"
    )
    assert findings == [], "\n\n".join(findings)
