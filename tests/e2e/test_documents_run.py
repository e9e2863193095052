"""What the pages tell people to type works, typed in their order into one shell."""

import asyncio
import os
import re
import sys
import textwrap
from pathlib import Path

from kit.running_stack import running_stack

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"```(sh|yaml)\n(.*?)```", re.DOTALL)
STARTED_ALREADY = ("make setup", "visapi up")


YAML = {"Content-Type": "application/yaml"}
WAITING = """
document: { dsl: "1.0.3", namespace: e2e, name: waiting, version: "1.0.0" }
do:
  - pause: { wait: { hours: 1 } }
"""


def blocks_of(page: str, wanted: str) -> list[str]:
    found = BLOCK.findall(textwrap.dedent((ROOT / page).read_text()))
    return [textwrap.dedent(text) for language, text in found if language == wanted]


def script_of(page: Path, saved_as: str) -> str:
    """The page's shell blocks as one script; its first YAML block is saved as the page says."""
    lines = ["set -euo pipefail"]
    saved = False
    for language, text in BLOCK.findall(page.read_text()):
        if language == "yaml" and not saved:
            lines.append(f"cat > {saved_as} <<'SAVED'\n{text}SAVED")
            saved = True
        elif language == "sh" and not any(word in text for word in STARTED_ALREADY):
            lines.append(text)
    return "\n".join(lines).replace(".venv/bin/", f"{BIN}/")


async def run(script: str, folder: Path, **variables: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("VISAPI_")}
    environ |= {"VISAPI_DATA_DIR": str(folder / "data"), **variables}
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script, cwd=folder, env=environ,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(90):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_the_first_run_runs(tmp_path: Path):
    page = ROOT / "docs/tutorials/first-run.md"
    async with running_stack(tmp_path, {}):
        said = await run(script_of(page, "welcome.yaml"), tmp_path)
    # Three runs were followed or awaited to their end, and one input was refused with its reason.
    assert said.count('"for":"Anna"') == 3
    assert said.count("workflow.completed") == 2
    assert '"name" is a required property' in said


async def test_the_own_worker_serves_its_function_and_a_run_can_be_held_repeated_and_cancelled(
    tmp_path: Path,
):
    credit = blocks_of("docs/how-to/add-your-own-worker.md", "yaml")[0]
    async with running_stack(tmp_path, {}) as stack, stack.client() as client:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "examples/own_worker.py"), env={"VISAPI_NATS_URL": stack.nats},
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        for definition in (credit, WAITING):
            deployed = await client.post("/v1/workflows", content=definition, headers=YAML)
            assert deployed.status_code == 201, deployed.text
        scored = await client.post("/v1/workflows/acme/credit/runs", headers={"Prefer": "wait=20"})
        assert (scored.status_code, scored.json()["output"]) == (200, {"score": 2500.0}), scored.text
        worker.terminate()
        assert await worker.wait() == 0

        started = (await client.post("/v1/workflows/e2e/waiting/runs")).json()["id"]
        hold = "\n".join(blocks_of("docs/how-to/hold-or-repeat-a-run.md", "sh")).replace(
            ".venv/bin/", f"{BIN}/"
        )
        said = await run(f"set -e\n{hold}", tmp_path, RUN=started)
        assert f"asked {started} to suspend" in said
        repeated = (await client.get(f"/v1/runs/{said.splitlines()[-1]}")).json()
        assert repeated["workflow"]["name"] == "waiting", repeated
        assert repeated["id"] != started
        page = "\n".join(blocks_of("docs/how-to/cancel-a-run.md", "sh")).replace(".venv/bin/", f"{BIN}/")
        await run(page, tmp_path, RUN=started, URL=stack.gateway, KEY=stack.api_key)
        history = await client.get(f"/v1/runs/{started}/history", headers={"Accept": "text/event-stream"})
        for word in ("suspended", "resumed", "cancelled"):
            assert f"workflow.{word}" in history.text
        assert (await client.get(f"/v1/runs/{started}")).json()["status"] == "cancelled"

        await client.post("/v1/workflows/e2e/waiting/runs")
        many = "\n".join(blocks_of("docs/how-to/command-many-runs.md", "sh")).replace(".venv/bin/", f"{BIN}/")
        # Each command counts what the one before has done by then.
        said = await run("set -e\n" + many.strip().replace("\n", "\nsleep 1\n"), tmp_path)
        assert said.count("0 had been before, 0 left as they are") == 4, said

        kept = "\n".join(blocks_of("docs/how-to/keep-runs-longer-or-shorter.md", "sh"))
        said = await run(
            "set -e\n" + kept.replace(".venv/bin/", f"{BIN}/"), tmp_path, URL=stack.gateway, KEY=stack.api_key
        )
        assert "ended runs of howto that start from now on are kept for 7 days" in said
        assert '"days":7' in said
        assert "howto has the default again" in said
