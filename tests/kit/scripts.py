"""Scripts of `tools/` as a test runs or imports them."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

from kit.deploy_tools import ROOT


def run_tool(
    name: str, *arguments: object, environ: dict[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a script to its end; the caller reads its exit code."""
    command = [sys.executable, str(ROOT / "tools" / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=100, env=environ, input=stdin
    )


def imported(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with the modules beside it within reach."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module(name)
