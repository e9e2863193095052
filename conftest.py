"""Test settings of the whole workspace: markers by folder, and how many examples Hypothesis tries.

`VISAPI_TEST_EXAMPLES=10000 make test` is the nightly depth.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["kit.fixtures"]

ROOT = Path(__file__).parent
LAYERS = (
    "unit",
    "property",
    "contract",
    "integration",
    "simulation",
    "conformance",
    "e2e",
    "faults",
    "load",
    "attacks",
    "images",
    "deploy",
)

E2E_TIMEOUT_S = 300
"""A stack starts within 90 s, and a machine under load may be slow."""

settings.register_profile(
    "visapi",
    max_examples=int(os.environ.get("VISAPI_TEST_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("visapi")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with its layer, the innermost folder that names one."""
    for item in items:
        for part in reversed(Path(item.path).relative_to(ROOT).parts):
            if part in LAYERS:
                item.add_marker(part)
                if part == "e2e" and item.get_closest_marker("timeout") is None:
                    item.add_marker(pytest.mark.timeout(E2E_TIMEOUT_S))
                break
