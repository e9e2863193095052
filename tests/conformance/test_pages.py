"""Every whole workflow in the reference of keywords and in the how-tos is deployed, and run where it ends by itself."""

import re
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "docs/reference/keywords.md",
    "docs/how-to/undo-with-a-saga.md",
    "docs/how-to/fan-out-and-collect.md",
    "docs/how-to/correlate-events.md",
    "docs/how-to/ask-for-approval.md",
    "docs/how-to/check-before-you-deploy.md",
    "docs/how-to/find-runs-again.md",
    "docs/how-to/limit-how-much-runs-at-once.md",
    "docs/how-to/follow-runs-by-lifecycle-events.md",
]
_BLOCK = re.compile(r"```yaml[^\n]*\n(document:.*?)```", re.DOTALL)
BLOCKS = [(page, text) for page in PAGES for text in _BLOCK.findall((ROOT / page).read_text())]
_YAML = {"Content-Type": "application/yaml"}

ENDS = {
    "do": {"text": "Hello, world"},
    "switch": {"size": "big"},
    "for": {"sum": 6, "last": 2},
    "fork": {"first": "quick"},
    "try": {"text": "Sorry: Sold out"},
    "data": 2,
    "run": {"text": "Hello, world"},
    "extensions": {"mocked": True},
    "evaluate": {"doubled": [2, 4], "text": "no expression, just text"},
    "use": {"authenticated": True},
    "call": {"id": 1, "name": "Pet 1", "status": "available"},
    "fan-out": {"price": 12, "stock": 3},
    "claim": {"decision": "accepted"},
    "limited": {"customer": "nobody"},
    "many-letters": ["Dear Anna", "Dear Ben", "Dear Cid"],
    "each": {"letters": ["Dear Anna", "Dear Ben"]},
}
"""The outputs of those whose output does not depend on the moment."""


@pytest.mark.parametrize(
    "number", range(len(BLOCKS)), ids=[f"{Path(p).stem}-{n}" for n, (p, _) in enumerate(BLOCKS)]
)
def test_an_example_of_the_pages_is_deployed_and_does_what_it_says(api: httpx.Client, number: int):
    deployed = api.post("/v1/workflows", content=BLOCKS[number][1].encode(), headers=_YAML)
    assert deployed.status_code in (200, 201), deployed.text
    name = deployed.json()["name"]
    if name in ENDS:
        path = f"/v1/workflows/{deployed.json()['namespace']}/{name}/runs"
        run = api.post(path, headers={"Prefer": "wait=15"}).json()
        assert (run["status"], run["output"]) == ("completed", ENDS[name]), run


def test_the_saga_undoes_what_was_done_and_says_that_it_failed(api: httpx.Client):
    (source,) = (text for page, text in BLOCKS if page.endswith("saga.md"))
    api.post("/v1/workflows", content=source.encode(), headers=_YAML)
    run = api.post("/v1/workflows/howto/saga/runs", headers={"Prefer": "wait=15"}).json()
    assert (run["status"], run["error"]["title"]) == ("faulted", "The trip was not booked")
    history = api.get(f"/v1/runs/{run['id']}/history").json()["items"]
    undone = [
        item for item in history if item["type"] == "task.completed" and item["task"]["name"] == "cancelHotel"
    ]
    assert undone[0]["data"]["output"] == {"cancelled": "h-1"}


def test_every_keyword_of_the_language_has_an_example():
    reference = "\n".join(text for page, text in BLOCKS if page.endswith("keywords.md"))
    keywords = "do set call switch then if for while fork compete try catch retry raise wait timeout emit listen correlate read foreach run input output export schema secrets metadata extensions evaluate functions authentications errors retries timeouts"
    assert [word for word in keywords.split() if not re.search(rf"\b{word}:", reference)] == []
