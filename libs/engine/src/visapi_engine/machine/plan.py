"""A program prepared for execution: everything that follows from it alone, computed once per process.

Nothing here is stored; a plan is rebuilt from the program's bytes whenever they are loaded.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs
import msgspec

from visapi_engine.model.program import (
    ApproveNode,
    Attribute,
    CallNode,
    Common,
    DoNode,
    EmitNode,
    ExtendNode,
    ForkNode,
    ForNode,
    ListenNode,
    Literal,
    MapNode,
    Node,
    Program,
    RaiseNode,
    RunNode,
    SetNode,
    SwitchNode,
    Template,
    TryNode,
    Validated,
    WaitNode,
    encode_program,
)

ROOT = ""

Violation = Callable[[Any], str | None]
"""What is wrong with a value under one schema, or None."""


class Plan(msgspec.Struct, frozen=True):
    """`widths` is the length of each node's full iteration vector, `places` its index among siblings.

    `uses_*` say whether any expression reads the variable; a state keeps no variable that none reads.
    """

    program: Program
    nodes: Mapping[str, Node]
    widths: Mapping[str, int]
    places: Mapping[str, int]
    schemas: Mapping[str, Violation]
    uses_context: bool
    uses_task: bool
    uses_workflow: bool
    attributes: Mapping[str, Attribute]
    attributes_change: bool
    """Whether some attribute is evaluated again after the start."""


def make_plan(program: Program) -> Plan:
    """Index a program and compile its schemas. Raises `ValueError` for a schema that is none."""
    root = DoNode(
        pointer=ROOT,
        name=program.name,
        parent=None,
        common=Common(
            output_as=program.output_as, output_schema=program.output_schema, timeout=program.timeout
        ),
        children=program.children,
    )
    nodes: dict[str, Node] = {ROOT: root, **program.nodes}
    widths: dict[str, int] = {ROOT: 0}
    places: dict[str, int] = {}
    _place(root, nodes, widths, places)
    source = encode_program(program)
    attributes = {} if program.settings is None else program.settings.attributes
    return Plan(
        program=program,
        nodes=nodes,
        widths=widths,
        places=places,
        schemas=_schemas(program),
        uses_context=b"$context" in source,
        uses_task=b"$task" in source,
        uses_workflow=b"$workflow" in source,
        attributes=attributes,
        attributes_change=any(one.reads_context or one.reads_output for one in attributes.values()),
    )


def pointer_of(plan: Plan, path: str) -> str:
    """The pointer of a path; a task's name may itself contain `@`."""
    return path if path in plan.nodes else path.rpartition("@")[0]


def reads_input_again(plan: Plan, common: Common) -> bool:
    """Whether a task's input is needed after its body ended."""
    return plan.uses_task or (not _is_constant(common.output_as)) or (not _is_constant(common.export_as))


def _is_constant(template: Template | None) -> bool:
    return template is None or isinstance(template, Literal)


def _place(node: Node, nodes: Mapping[str, Node], widths: dict[str, int], places: dict[str, int]) -> None:
    for children, deeper in _lists(node):
        for place, pointer in enumerate(children):
            widths[pointer] = widths[node.pointer] + deeper
            places[pointer] = place
            _place(nodes[pointer], nodes, widths, places)


def _lists(node: Node) -> list[tuple[list[str], int]]:
    """The lists of tasks in a node, and whether each adds a number to the vector."""
    match node:
        case DoNode() | ForNode():
            return [(node.children, 1)]
        case TryNode():
            return [(node.children, 1), (node.catch_children, 1)]
        case ForkNode():
            return [(node.branches, 0)]
        case MapNode():
            return [([pointer], 1) for pointer in (node.each, node.part) if pointer is not None]
        case ListenNode():
            return [] if node.foreach is None else [(node.foreach.children, 1)]
        case ApproveNode():
            more = None if node.escalation is None else node.escalation.notify
            return [([pointer for pointer in (node.notify, more) if pointer], 0)]
        case ExtendNode():
            return [(node.before, 1), ([node.target], 0), (node.after, 1)]
        case SetNode() | CallNode() | SwitchNode() | RaiseNode() | WaitNode() | EmitNode() | RunNode():
            return []


def _schemas(program: Program) -> dict[str, Violation]:
    found = [program.input_schema, program.output_schema]
    for node in program.nodes.values():
        found += [node.common.input_schema, node.common.output_schema, node.common.export_schema]
        if isinstance(node, ListenNode) and node.foreach is not None:
            found += [node.foreach.output_schema, node.foreach.export_schema]
    return {schema.pointer: _compile(schema) for schema in found if schema is not None}


def _compile(schema: Validated) -> Violation:
    validator = jsonschema_rs.Draft202012Validator(schema.schema, retriever=_refuse)

    def violation(value: Any) -> str | None:
        if validator.is_valid(value):
            return None
        first = next(iter(validator.iter_errors(value)))
        where = "".join(f"/{part}" for part in first.instance_path)
        return f"{first.message} (at {where or 'the root'} of the value, schema {schema.pointer})"

    return violation


def _refuse(uri: str) -> Any:
    raise ValueError(f"schemas may not refer to {uri}: nothing is fetched while a workflow runs")
