"""Test settings of the whole workspace: markers by folder, examples of Hypothesis, parts of the suite.

`VISAPI_TEST_EXAMPLES=10000 make test` is the nightly depth; `make test SHARD=1/3` runs a third of the suite.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from kit.forms import skip_full
from kit.layers import LAYERS

pytest_plugins = ["kit.cpu", "kit.fixtures", "kit.shards"]

ROOT = Path(__file__).parent
E2E_TIMEOUT_S = 300
"""A stack starts within 90 s, and a machine under load may be slow."""

settings.register_profile(
    "visapi",
    max_examples=int(os.environ.get("VISAPI_TEST_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("visapi")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its layer, the innermost folder that names one; skip the full form in the short."""
    skip_full(items)
    for item in items:
        for part in reversed(Path(item.path).relative_to(ROOT).parts):
            if part in LAYERS:
                item.add_marker(part)
                if part == "e2e" and item.get_closest_marker("timeout") is None:
                    item.add_marker(pytest.mark.timeout(E2E_TIMEOUT_S))
                break
