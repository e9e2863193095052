"""What a Prometheus and an Alertmanager beside the stack see: two releases at once, and a silence that is too wide."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from alerts.monitoring import monitoring
from alerts.receivers import Loop, Receivers
from drills.patient import Patient
from drills.typing_pages import Typist
from kit.deploy_tools import TOOLS, cannot_run_here
from kit.waiting import eventually

_NEEDED = ("prometheus", "alertmanager")
_OLDER = "0.0.1"
_BEAT_S = 12
"""How often the watchdog is sent: a minute, as committed, would have to be waited for."""
_MIXED = "count(count by (version) (visapi_build_info)) > 1"


class Watched:
    """The monitoring of one drill."""

    def __init__(self, patient: Patient, **more: str) -> None:
        """`more` are processes beside those of the stack, with the addresses of their metrics. Blocks."""
        missing = [name for name in _NEEDED if not (TOOLS / "bin" / name).exists()]
        if missing:
            cannot_run_here(f"{', '.join(missing)} not installed: run `make deploy-tools SETS=prometheus`")
        folder = patient.folder / f"monitoring-{len(patient.environ)}"
        folder.mkdir()
        loop = Loop()
        patient.beside.callback(loop.close)
        self.receivers = Receivers(loop)
        self.receivers.start()
        patient.beside.callback(self.receivers.stop)
        metrics = {**patient.stack.stack.ready.metrics, **more}
        self.programs = patient.beside.enter_context(monitoring(folder, metrics, self.receivers, _BEAT_S))
        patient.environ["VISAPI_PROMETHEUS_URL"] = self.programs.near.url
        patient.environ["ALERTMANAGER_URL"] = self.programs.alertmanager.url


async def old_release(patient: Patient) -> None:
    """A notifier that names an older version as its package's, as a replica does that an upgrade has left behind."""
    package = patient.folder / "older" / f"visapi_common-{_OLDER}.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: visapi-common\nVersion: {_OLDER}\n")
    old = contextlib.ExitStack()
    patient.beside.callback(old.close)
    port = old.enter_context(patient.stack.replica("notifier", {"PYTHONPATH": str(package.parent)}))
    watched = await asyncio.to_thread(Watched, patient, **{"notifier@old": f"http://127.0.0.1:{port}"})
    patient.kept["old"] = old

    async def mixed() -> bool:
        return bool(await asyncio.to_thread(watched.programs.query, _MIXED))

    await eventually(mixed, within_s=60, what="two releases seen")


async def upgrade_goes_on(patient: Patient, typist: Typist) -> None:
    """The deployment ends the old replica once the page only waits."""

    async def waits() -> bool:
        return typist.waits_for_its_check("versions-mixed")

    await eventually(waits, within_s=120, what="the page waiting for one release")
    await asyncio.to_thread(patient.kept["old"].close)


async def silenced(patient: Patient) -> None:
    """Heartbeats come, until somebody silences everything."""
    watched = await asyncio.to_thread(Watched, patient)
    patient.kept["receivers"] = watched.receivers
    await eventually(lambda: watched.receivers.beats, within_s=90, what="the first heartbeat")
    url = f"{watched.programs.alertmanager.url}/api/v2"
    async with httpx.AsyncClient(trust_env=False) as client:
        unrelated = _silence("alertname", "DiskFull", comment="a disk is being replaced")
        answer = await client.post(f"{url}/silences", json=unrelated)
        assert answer.is_success, answer.text
        patient.kept["unrelated"] = f"{url}/silence/{answer.json()['silenceID']}"
        wide = _silence("alertname", ".+", comment="quiet during the upgrade")
        answer = await client.post(f"{url}/silences", json=wide)
    assert answer.is_success, answer.text


def _silence(label: str, pattern: str, *, comment: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "matchers": [{"name": label, "value": pattern, "isRegex": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=8)).isoformat(),
        "createdBy": "somebody",
        "comment": comment,
    }


async def beats_again(patient: Patient) -> None:
    """The switch hears the watchdog, of which it heard nothing while the silence lasted; an unrelated silence stays."""
    receivers: Receivers = patient.kept["receivers"]
    before = len(receivers.beats)
    await eventually(lambda: len(receivers.beats) > before, within_s=90, what="another heartbeat")
    async with httpx.AsyncClient(trust_env=False) as client:
        unrelated = (await client.get(patient.kept["unrelated"])).json()
    assert unrelated["status"]["state"] == "active"
