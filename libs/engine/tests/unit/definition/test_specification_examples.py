"""The specification's 68 example documents: which this release takes, and where it refuses the others.

The documents are not part of this repository; without them beside the checkout the test is skipped.
"""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from visapi_engine.compile.compiler import DefinitionInvalid, compile_definition
from visapi_engine.source.yaml_source import read_yaml

_ROOT = Path(__file__).parents[5]
_FOUND = [
    folder
    for folder in (_ROOT / "spec/open-workflow", _ROOT.parent / "shared/spec/open-workflow")
    if (folder / "examples").is_dir()
]

pytestmark = pytest.mark.skipif(not _FOUND, reason="the specification's examples are not beside the checkout")

VERDICTS: dict[str, list[str] | None] = {
    "accumulate-room-readings": None,
    "authentication-bearer-uri-format": None,
    "authentication-bearer": None,
    "authentication-oauth2-secret": None,
    "authentication-oauth2": None,
    "authentication-oidc-secret": None,
    "authentication-oidc": None,
    "authentication-reusable": None,
    "call-asyncapi-publish": ["/do/0/findPet/call"],
    "call-asyncapi-subscribe-consume-amount": ["/do/0/getNotifications/call"],
    "call-asyncapi-subscribe-consume-forever-foreach": ["/do/0/getNotifications/call"],
    "call-asyncapi-subscribe-consume-until": ["/do/0/getNotifications/call"],
    "call-asyncapi-subscribe-consume-while": ["/do/0/getNotifications/call"],
    "call-custom-function-cataloged": ["/do/0/log/call"],
    "call-custom-function-inline": None,
    "call-grpc": ["/do/0/greet/call"],
    "call-http-endpoint-interpolation-shorthand": None,
    "call-http-endpoint-interpolation": None,
    "call-http-query-headers-expressions": None,
    "call-http-query-parameters": None,
    "call-http-redirect": None,
    "call-mcp": ["/do/0/publishMessageToSlack/call"],
    "call-openapi-redirect": None,
    "call-openapi": None,
    "conditional-task": None,
    "do-multiple": None,
    "do-single": None,
    "emit": None,
    "for-inline-array": None,
    "for": None,
    "fork": None,
    "listen-to-all read-envelope": None,
    "listen-to-all": None,
    "listen-to-any-filter": None,
    "listen-to-any-forever-foreach": None,
    "listen-to-any-until-condition": None,
    "listen-to-any-until-consumed": None,
    "listen-to-any": None,
    "listen-to-one": None,
    "mock-service-extension": None,
    "raise-inline": None,
    "raise-reusable": None,
    "run-container-cleanup-always": ["/do/0/runContainer/run/container"],
    "run-container-cleanup-eventually": ["/do/0/runContainer/run/container"],
    "run-container-stdin-and-arguments": ["/do/1/runContainer/run/container"],
    "run-container-with-name": ["/do/0/runContainer/run/container"],
    "run-container-with-pull-policy": ["/do/0/runContainer/run/container"],
    "run-container": ["/do/0/runContainer/run/container"],
    "run-return-all": ["/do/0/runContainer/run/container"],
    "run-return-code": ["/do/0/runContainer/run/container"],
    "run-return-none": ["/do/0/runContainer/run/container"],
    "run-return-stderr": ["/do/0/runContainer/run/container"],
    "run-script-with-stdin-and-arguments": ["/do/0/runScript/run/script"],
    "run-shell-stdin-and-arguments": ["/do/1/runShell/run/shell"],
    "run-subflow": None,
    "schedule-cron": None,
    "schedule-event-driven": None,
    "set-expression": None,
    "set": None,
    "star-wars-homeworld": None,
    "switch-then-string": None,
    "try-catch-retry-inline": None,
    "try-catch-retry-reusable": None,
    "try-catch-then-directive": None,
    "try-catch-then": None,
    "try-catch": None,
    "wait-duration-inline": None,
    "wait-duration-iso8601": None,
}
"""None: deployed. Otherwise the pointers of all that is refused."""


def read(name: str) -> bytes:
    return (_FOUND[0] / "examples" / f"{name}.yaml").read_bytes()


def test_the_table_is_complete() -> None:
    assert sorted(VERDICTS) == sorted(path.stem for path in (_FOUND[0] / "examples").glob("*.yaml"))
    assert len(VERDICTS) == 68


@pytest.mark.parametrize("name", VERDICTS)
def test_an_example_is_deployed_or_refused_with_its_reason(name: str) -> None:
    expected = VERDICTS[name]
    if expected is None:
        assert compile_definition(read(name), "application/yaml").program.children
        return
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition(read(name), "application/yaml")
    assert [error.pointer for error in caught.value.errors] == expected
    assert all(error.detail.startswith("not in this release: ") for error in caught.value.errors)


def test_what_the_schema_of_the_specification_refuses_we_refuse() -> None:
    schema = read_yaml((_FOUND[0] / "workflow.schema.yaml").read_text(), depth_max=200, values_max=100_000)
    validator = jsonschema_rs.Draft202012Validator(schema)
    document = read_yaml(read("try-catch-retry-inline").decode(), depth_max=64, values_max=1000)
    catch = document["do"][0]["tryGetPet"]["catch"]
    for holder, key in (
        (document, "document"),
        (document["do"][0]["tryGetPet"], "catch"),
        (catch["retry"], "delay"),
    ):
        kept = holder[key]
        for wrong in (7, [], "x y"):
            holder[key] = wrong
            assert not validator.is_valid(document)
            with pytest.raises(DefinitionInvalid):
                compile_definition(json.dumps(document).encode(), "application/json")
        holder[key] = kept
