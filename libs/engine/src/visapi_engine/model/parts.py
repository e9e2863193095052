"""The programs of the parts of large maps (`machine/nodes/map_.py`): the map alone, controlled by its input.

They are stored with the program of the workflow, which names them by their hashes. Their runs have the
same workflow and version, so that people see where they belong.
"""

import hashlib

import msgspec

from visapi_engine.model.program import (
    Common,
    Jq,
    MapNode,
    Node,
    Program,
    RunNode,
    encode_program,
)

PART = 256
"""Items of a map in one run; a larger map is split into parts of this size."""
CONCURRENCY_MAX = 1000


def with_parts(program: Program) -> tuple[Program, list[bytes]]:
    """The program with its parts named, and their encoded programs."""
    nodes: dict[str, Node] = dict(program.nodes)
    bodies: list[bytes] = []
    for pointer, node in program.nodes.items():
        if isinstance(node, MapNode) and node.part is not None:
            body = encode_program(_part_of(program, node))
            bodies.append(body)
            asker = nodes[node.part]
            assert isinstance(asker, RunNode), f"{pointer} has no part"
            nodes[node.part] = msgspec.structs.replace(
                asker,
                namespace=program.namespace,
                workflow=program.name,
                version=program.version,
                program=hashlib.sha256(body).hexdigest(),
            )
    return (msgspec.structs.replace(program, nodes=nodes) if bodies else program), bodies


def without_parts(program: Program) -> Program:
    """The program without parts: each map executes all items itself, as in a dry run."""
    nodes: dict[str, Node] = {}
    for pointer, node in program.nodes.items():
        if isinstance(node, MapNode):
            nodes[pointer] = msgspec.structs.replace(node, part=None)
        elif not (isinstance(node, RunNode) and node.program is not None):
            nodes[pointer] = node
    return msgspec.structs.replace(program, nodes=nodes)


def _part_of(program: Program, node: MapNode) -> Program:
    each = msgspec.structs.replace(program.nodes[node.each], parent=node.pointer)
    part = MapNode(
        pointer=node.pointer,
        name=node.name,
        parent=None,
        common=Common(),
        each=node.each,
        items=Jq(".items"),
        concurrency=Jq(".concurrency"),
        tolerate=Jq(".tolerate"),
        first=Jq(".first"),
    )
    return Program(
        namespace=program.namespace,
        name=program.name,
        version=program.version,
        children=[node.pointer],
        nodes={node.pointer: part, node.each: each},
        document=program.document,
    )
