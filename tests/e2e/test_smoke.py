"""The smoke test of a release passes on a stack that serves, and says what is wrong with one that does not."""

import os
import subprocess
import sys
from pathlib import Path

from kit.stack import StackProcess

ROOT = Path(__file__).parents[2]


def smoke(url: str, key: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "tools/smoke.py", "--url", url]
    environ = {**os.environ, "VISAPI_API_KEY": key}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)


def test_every_service_takes_part_in_the_smoke_test(stack: StackProcess):
    done = smoke(stack.ready.gateway, stack.ready.api_key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 6
    assert (
        smoke(stack.ready.gateway, stack.ready.api_key).returncode == 0
    )  # and again: nothing of it is in the way


def test_a_wrong_key_and_a_wrong_address_are_named(stack: StackProcess):
    kind, _, rest = stack.ready.api_key.partition("_admin_")
    refused = smoke(stack.ready.gateway, f"{kind}_admin_{rest[::-1]}")
    assert refused.returncode == 1
    assert "401" in refused.stderr or "key" in refused.stderr
    away = smoke("http://127.0.0.1:9", stack.ready.api_key)
    assert away.returncode == 1
    assert "http://127.0.0.1:9" in away.stderr
    assert smoke("visapi.example.com", stack.ready.api_key).returncode == 2
    assert smoke(stack.ready.gateway, "").returncode == 2
