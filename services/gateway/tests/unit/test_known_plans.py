"""The plan of a program is made once, and few are kept."""

from visapi_engine.compile.compiler import compile_definition
from visapi_gateway.runs.commands.known_plans import KNOWN_MAX, KnownPlans


def program(name: str) -> bytes:
    source = f"document: {{dsl: '1.0.3', namespace: n, name: {name}, version: '1.0.0'}}\ndo: [{{s: {{set: {{a: 1}}}}}}]"
    return compile_definition(source.encode(), "application/yaml").body


def test_a_program_is_planned_once_however_many_runs_name_it():
    plans = KnownPlans()
    body = program("a")
    assert plans(body) is plans(bytes(bytearray(body)))


def test_the_plan_used_longest_ago_is_let_go():
    plans = KnownPlans()
    kept, old = plans(program("kept")), plans(program("old"))
    for number in range(KNOWN_MAX - 1):
        plans(program(f"n{number}"))
        assert plans(program("kept")) is kept
    assert plans(program("old")) is not old
