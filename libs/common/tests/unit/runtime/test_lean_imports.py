"""A service process leaves out packages that its libraries only prefer."""

import json
import subprocess
import sys

import pytest

_SHOW = """
import json, runpy, sys
sys.argv = ["visapi_{name}"]
try:
    runpy.run_module("visapi_{name}", run_name="__main__")
except SystemExit as ended:
    code = ended.code
print(json.dumps([code, sorted(name for name, module in sys.modules.items() if module is not None)]))
"""


@pytest.mark.parametrize("name", ["gateway", "orchestrator", "notifier", "pdf_worker"])
def test_a_service_starts_without_rich_and_pygments(name: str) -> None:
    """Without settings the process ends with 2, after all of its imports."""
    shown = subprocess.run(
        [sys.executable, "-I", "-c", _SHOW.format(name=name)],
        capture_output=True,
        check=True,
        env={},
        text=True,
    )
    code, modules = json.loads(shown.stdout)
    assert code == 2
    assert f"visapi_{name}.main" in modules
    assert {"structlog", "rich", "pygments"} & set(modules) == {"structlog"}
