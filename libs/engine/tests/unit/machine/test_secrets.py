"""`$secrets`: opaque handles that only the worker of a call can tell from text."""

from uuid import UUID

import pytest

from simulation.session import RUN, Session, compiled
from visapi_common.core.secret_handles import handles_in, make_handle, run_key
from visapi_engine.machine.advance import advance
from visapi_engine.machine.events import Started
from visapi_engine.source.findings import DefinitionInvalid

KEY = run_key(b"s" * 32, UUID(RUN))
BODY = """
use: {secrets: [api]}
do:
  - go: {call: acme.go, with: {token: '${ "Bearer " + $secrets.api.token }', text: '${ "x\\($secrets.api.id)y" }'}}
"""


def test_an_expression_sees_handles_that_name_the_secret_and_carry_the_runs_mac() -> None:
    run = Session(BODY)
    step = advance(run.plan, None, Started(run.now, RUN, b"null"), run.evaluate, handle_key=KEY)
    arguments = step.commands[0].arguments.decode()  # pyright: ignore[reportAttributeAccessIssue]
    assert {path for _, _, path in handles_in(arguments, KEY)} == {("api", "token"), ("api", "id")}
    assert arguments.startswith('{"token":"Bearer vsec1.')


def test_a_handle_of_another_run_or_of_nobody_is_text() -> None:
    other = run_key(b"s" * 32, UUID(int=7))
    handle = make_handle(other, ["api", "token"])
    assert handles_in(handle, KEY) == []
    assert handles_in(handle, other) == [(0, len(handle), ("api", "token"))]
    assert handles_in("vsec1.WyJhcGkiXQ." + "0" * 32 + ".", KEY) == []


@pytest.mark.parametrize(
    "expression",
    [
        "$secrets.api | length",
        '$secrets.api == "x"',
        "$secrets[.name]",
        "if $secrets.api then 1 else 2 end",
        "$secrets.api as $x | $x",
        "$secrets | keys",
    ],
)
def test_what_would_work_on_the_handle_is_refused(expression: str) -> None:
    with pytest.raises(DefinitionInvalid):
        compiled(f"use: {{secrets: [api]}}\ndo: [{{a: {{set: {{x: '${{ {expression} }}'}}}}}}]")


def test_a_secret_is_used_whole_or_by_its_members() -> None:
    with pytest.raises(DefinitionInvalid, match="one way only"):
        compiled(
            "use: {secrets: [api]}\ndo: [{a: {set: {x: '${ $secrets.api }', y: '${ $secrets.api.token }'}}}]"
        )


def test_secrets_with_other_names_are_named_in_brackets() -> None:
    made = compiled("use: {secrets: [my-api]}\ndo: [{a: {set: {x: '${ $secrets[\"my-api\"].token }'}}}]")
    assert made.program.secrets == [["my-api", "token"]]
