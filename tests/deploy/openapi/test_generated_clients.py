"""Two public generators make clients of the API's description, and each runs a workflow on a stack."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.deploy_tools import ROOT, TOOLS, run
from kit.running_stack import RunningStack, view_of
from kit.stack import StackProcess

pytestmark = pytest.mark.xdist_group("generated-clients")

HERE = Path(__file__).parent
DESCRIPTION = ROOT / "tests/contract/openapi.json"
FOUND = {
    "version": "1.0.0",
    "status": "completed",
    "output": {"said": "hi"},
    "seconds": True,
    "listed": True,
    "missing": [404, "run_not_found"],
}
OTHER_TYPES = {"text/plain", "application/x-ndjson", "application/yaml"}
"""Bodies that openapi-python-client does not read; it says so, and the operation is there without them."""
TYPESCRIPT = {
    "compilerOptions": {
        "target": "ES2022", "module": "CommonJS", "moduleResolution": "Node10", "strict": True, "skipLibCheck": False,
        "outDir": "out", "lib": ["ES2022", "DOM", "DOM.Iterable"], "types": [],
    },
    "include": ["*.ts"],
}  # fmt: skip


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    made = StackProcess()
    try:
        made.start()
        yield view_of(made)
    finally:
        made.close()


def test_a_python_client_runs_a_workflow(stack: RunningStack, tmp_path: Path) -> None:
    # The generator formats the client with the `ruff` of its own environment.
    path = {"PATH": f"{TOOLS / 'openapi/python/bin'}:/usr/bin:/bin"}
    made = run(
        "openapi-python-client",
        "generate",
        "--path",
        DESCRIPTION,
        "--output-path",
        tmp_path / "made",
        environ=path,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    said = made.stdout + made.stderr
    assert said.count("WARNING") == len(OTHER_TYPES), said
    assert all(kind in said for kind in OTHER_TYPES)
    assert "removal" not in said
    done = run(
        "generated-client-python", HERE / "python_client.py", stack.gateway, stack.api_key,
        environ={"PYTHONPATH": str(tmp_path / "made")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout) == FOUND


def test_a_typescript_client_compiles_strictly_and_runs_a_workflow(
    stack: RunningStack, tmp_path: Path
) -> None:
    made = run(
        "openapi-ts", "-i", DESCRIPTION, "-o", tmp_path / "made", "-c", "@hey-api/client-fetch", "--no-log-file",
        cwd=tmp_path,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    shutil.copy(HERE / "typescript_client.ts", tmp_path / "made")
    (tmp_path / "made/tsconfig.json").write_text(json.dumps(TYPESCRIPT), encoding="utf-8")
    compiled = run("tsc", "-p", tmp_path / "made")
    assert compiled.returncode == 0, compiled.stdout
    done = run("node", tmp_path / "made/out/typescript_client.js", stack.gateway, stack.api_key)
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout) == FOUND
