"""Spectral with the rules of OWASP, and Redocly, find nothing in the API's description, and something in worse ones.

OWASP's rules about lengths, sizes and ranges are asked of what clients send: a response is as long as what is stored.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.deploy_tools import ROOT, TOOLS, run

DESCRIPTION = ROOT / "tests/contract/openapi.json"
OWASP = TOOLS / "openapi/node_modules/@stoplight/spectral-owasp-ruleset/dist/ruleset.mjs"
SIZES = (
    "owasp:api4:2023-string-limit", "owasp:api4:2023-integer-limit", "owasp:api4:2023-integer-format",
    "owasp:api4:2023-array-limit",
)  # fmt: skip
RATES = "owasp:api4:2023-rate-limit"
ORIGINS = "owasp:api8:2023-define-cors-origin"
IN_URLS = "owasp:api2:2023-no-credentials-in-url"
NOT_OURS = {
    "owasp:api4:2023-string-restricted": "Texts of people have no pattern; their lengths are bounded.",
    "operation-description": "A summary says all there is to say of many operations.",
    "info-contact": "Whoever runs an installation is its contact.",
}
"""Rules that are off, and why."""
OF_PUBLIC = (
    "owasp:api2:2023-read-restricted", "owasp:api2:2023-write-restricted", "owasp:api8:2023-define-error-responses-401",
    "owasp:api4:2023-rate-limit-responses-429", RATES, ORIGINS,
)  # fmt: skip
"""Rules about keys, rates of keys and other origins; an operation without a key has none of these."""
SIGNED_LINKS = ("/approve/{token}", "/v1/hooks/in/{address}")
"""Their URLs hold a secret on purpose: a link in a mail, and Meta's handshake."""
OUTPUTS = ("WorkflowError",)
"""What a simulation is given as a task's error, and what responses show; the body's limit bounds its texts."""


def description() -> Any:
    return json.loads(DESCRIPTION.read_text(encoding="utf-8"))


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def requests_alone(document: Any) -> Any:
    """The description without responses, and without schemas that only responses use."""
    document = copy.deepcopy(document)
    for _, _, operation in operations(document):
        operation["responses"] = {}
    document["components"] |= {"headers": {}, "responses": {}}
    schemas = document["components"]["schemas"]
    used: set[str] = set()
    unseen = [document["paths"]]
    while unseen:
        named = {name for name in schemas if f'"#/components/schemas/{name}"' in json.dumps(unseen)} - used
        used |= named
        unseen = [schemas[name] for name in named]
    document["components"]["schemas"] = {name: schemas[name] for name in used}
    return document


def is_meant(document: Any, rule: str, place: list[str]) -> bool:
    """Whether the rule does not apply to this place."""
    match place:
        case ["paths", path, method, *_] if document["paths"][path][method].get("security") == []:
            return rule in OF_PUBLIC or (rule == IN_URLS and path in SIGNED_LINKS)
        case [*_, "settings", "headers"] if "example" in place:
            return rule == ORIGINS  # A field that is called `headers`.
        case ["paths", _, _, "responses", "401", *_]:
            return rule == RATES  # The key is not known.
        case ["components", "responses", "Unauthorized", *_]:
            return rule == RATES
        case ["components", "schemas", name, *_]:
            # `HookSettings` has such a field, too.
            return rule == ORIGINS or (name in OUTPUTS and rule in SIZES)
        case ["components", "headers", *_] | ["components", "headers"]:
            return rule == ORIGINS
        case _:
            return False


def spectral(document: Any, folder: Path, *, sizes: bool) -> list[str]:
    """Rule and place of each finding, warnings included: of the rules about sizes, or of all others."""
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    if sizes:
        ruleset = {"extends": [[str(OWASP), "off"]], "rules": dict.fromkeys(SIZES, "error")}
    else:
        off = dict.fromkeys((*NOT_OURS, *SIZES), "off")
        ruleset = {"extends": ["spectral:oas", str(OWASP)], "rules": off}
    (folder / "ruleset.json").write_text(json.dumps(ruleset), encoding="utf-8")
    done = run("spectral", "lint", "-q", "-f", "json", "-r", "ruleset.json", "openapi.json", cwd=folder)
    assert done.returncode in (0, 1), done.stderr[-4000:]
    found = [(each["code"], [str(part) for part in each["path"]]) for each in json.loads(done.stdout or "[]")]
    return [f"{rule} at {'/'.join(place)}" for rule, place in found if not is_meant(document, rule, place)]


def redocly(document: Any, folder: Path) -> list[str]:
    """Rule and message of each finding, warnings included."""
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    rules = {
        # `letter` and `hook` are no word that stands in their place: a UUID, and names that are refused.
        "no-ambiguous-paths": "off",
    }
    (folder / "redocly.yaml").write_text(
        json.dumps({"extends": ["recommended"], "rules": rules}), encoding="utf-8"
    )
    done = run(
        "redocly", "lint", "--format=json", "openapi.json",
        cwd=folder, environ={"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr[-4000:]
    found = json.loads(done.stdout[done.stdout.index("{") :])["problems"]
    return [f"{each['ruleId']}: {each['message']}" for each in found]


@pytest.mark.timeout(300)
def test_spectral_finds_nothing_in_the_description(tmp_path: Path) -> None:
    assert spectral(description(), tmp_path, sizes=False) == []


def test_all_that_a_client_sends_has_a_bound(tmp_path: Path) -> None:
    assert spectral(requests_alone(description()), tmp_path, sizes=True) == []


def test_redocly_finds_nothing_in_the_description(tmp_path: Path) -> None:
    only_redirects = "operation-2xx-response: Operation must have at least one `2XX` response."
    assert [found for found in redocly(description(), tmp_path) if found != only_redirects] == []


def keys_alone() -> Any:
    """The part of the description that is about `/v1/keys`."""
    document = description()
    document["paths"] = {"/v1/keys": document["paths"]["/v1/keys"]}
    return document


def test_a_body_without_a_bound_is_found(tmp_path: Path) -> None:
    worse = keys_alone()
    fields = worse["components"]["schemas"]["NewKey"]["properties"]
    fields |= {
        "note": {"type": "string"},
        "count": {"type": "integer"},
        "list": {"type": "array", "items": {}},
    }
    found = {line.split(" ")[0] for line in spectral(requests_alone(worse), tmp_path, sizes=True)}
    assert found == set(SIZES)


def test_an_operation_that_forgets_its_key_or_its_rates_is_found(tmp_path: Path) -> None:
    worse = keys_alone()
    responses = worse["paths"]["/v1/keys"]["get"]["responses"]
    del (
        responses["401"],
        responses["200"]["headers"]["RateLimit"],
        responses["200"]["headers"]["RateLimit-Policy"],
    )
    found = {line.split(" ")[0] for line in spectral(worse, tmp_path, sizes=False)}
    assert {"owasp:api8:2023-define-error-responses-401", RATES} <= found


def test_an_operation_without_a_name_and_a_tag_without_a_meaning_are_found(tmp_path: Path) -> None:
    worse = keys_alone()
    del worse["paths"]["/v1/keys"]["get"]["operationId"], worse["tags"][0]["description"]
    found = {line.split(":")[0] for line in redocly(worse, tmp_path)}
    assert {"operation-operationId", "tag-description"} <= found
