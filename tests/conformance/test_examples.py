"""The specification's 68 example documents, each offered to a real stack: deployed, or refused for its declared reason.

The table of what became of each is `docs/reference/conformance.md`; `VISAPI_TEST_FREEZE=1` writes it anew.
The documents are not part of this repository; without them beside the checkout the tests are skipped.
"""

import os
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/conformance.md"
_PLACES = (ROOT / "spec/open-workflow/examples", ROOT.parent / "shared/spec/open-workflow/examples")
FOLDER = next((place for place in _PLACES if place.is_dir()), None)
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml")) if FOLDER else []

pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="the specification's examples are not beside the checkout"
)

REFUSED = {
    "call-asyncapi-": "AsyncAPI",
    "call-custom-function-cataloged": "functions from a URL",
    "call-grpc": "gRPC",
    "call-mcp": "MCP",
    "run-container": "container",
    "run-return-": "container",
    "run-script": "script",
    "run-shell": "shell",
}
"""What is never run (beginning of the name → reason); everything else must be deployed."""

_HEAD = """# Conformance

What became of the 68 example documents of the Open Workflow Specification 1.0.3, each posted to a running stack
(`POST /v1/workflows?dry_run=true`). This page is written by the test that checks it: `tests/conformance/test_examples.py`.
The behaviour is held by the scenarios in `tests/conformance/features`, in the vocabulary of the specification's conformance test kit.

"""


def declared(name: str) -> str | None:
    return next((reason for start, reason in REFUSED.items() if name.startswith(start)), None)


def offer(api: httpx.Client, name: str) -> list[dict[str, str]]:
    """The errors of a document; none when it would be deployed."""
    assert FOLDER is not None
    answer = api.post(
        "/v1/workflows",
        params={"dry_run": "true"},
        content=(FOLDER / f"{name}.yaml").read_bytes(),
        headers={"Content-Type": "application/yaml"},
    )
    if answer.status_code < 300:
        return []
    assert answer.status_code in (400, 422), answer.text
    return answer.json()["errors"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_deployed_or_refused_for_its_declared_reason(api: httpx.Client, name: str):
    errors = offer(api, name)
    if declared(name) is None:
        assert errors == []
    else:
        assert errors
        for error in errors:
            assert error["detail"].startswith("not in this release: "), errors
            assert str(declared(name)) in error["detail"], errors


def test_the_page_says_what_became_of_each(api: httpx.Client):
    assert len(NAMES) == 68
    rows = ["| document | what became of it |", "|---|---|"]
    deployed = 0
    for name in NAMES:
        errors = offer(api, name)
        deployed += not errors
        found = "; ".join(f"`{error['pointer']}`: {error['detail']}" for error in errors)
        rows.append(f"| `{name}` | {'refused, ' + found if found else 'deployed'} |")
    page = f"{_HEAD}{deployed} are deployed, {len(NAMES) - deployed} refused.\n\n" + "\n".join(rows) + "\n"
    if os.environ.get("VISAPI_TEST_FREEZE"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "refreeze with VISAPI_TEST_FREEZE=1"
