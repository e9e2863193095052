"""From a document to a program: the entry point of deployment.

Reading stops at the first mistake, because the text after it is uncertain. Mistakes of compilation are
collected, so that an author sees all of them at once.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.task_messages import EffectClass, FunctionSpec
from visapi_engine.checks.shapes import as_object, check_keys
from visapi_engine.compile.build import Build, Place
from visapi_engine.compile.data_flow import read_timeout, read_transform
from visapi_engine.compile.document import read_document, read_evaluate, read_use
from visapi_engine.compile.registry import CONSTRUCTS
from visapi_engine.compile.schedule import read_schedule
from visapi_engine.compile.settings import read_settings
from visapi_engine.compile.tasks.lists import compile_list
from visapi_engine.compile.templates import SECRETS, WORKFLOW_INPUT, WORKFLOW_OUTPUT, check_with_libjq
from visapi_engine.model.parts import with_parts
from visapi_engine.model.program import CallNode, Program, encode_program
from visapi_engine.source.findings import DefinitionInvalid
from visapi_engine.source.reading import locate, read_source

__all__ = ["Compiled", "DefinitionInvalid", "compile_definition"]

_KEYS = ("document", "input", "use", "do", "timeout", "output", "schedule", "evaluate")
_ROOT = Place(pointer="", source="", name="", parent=None)


class Compiled(msgspec.Struct, frozen=True):
    """A definition that can be deployed. `body` is the encoded program, `hash` its SHA-256 in hex; `parts`
    are further programs that are stored with it. `reads` are the called functions that were announced
    without effect.
    """

    program: Program
    body: bytes
    hash: str
    source_hash: str
    warnings: list[FieldError]
    parts: list[bytes] = []
    reads: list[str] = []


def compile_definition(
    source: bytes, media_type: str, announced: Mapping[str, FunctionSpec] | None = None
) -> Compiled:
    """Validate and compile a document. Raises `DefinitionInvalid` listing all its mistakes.

    `announced` are the functions of workers by name, where they are known. libjq compiles unusual
    expressions in this process; run it off the event loop.
    """
    build = Build(constructs=CONSTRUCTS, announced=announced)
    data = read_source(source, media_type)
    program = _compile(build, data)
    check_with_libjq(build)
    if program is None or build.findings.errors:
        raise DefinitionInvalid(locate(build.findings.errors, source, media_type))
    program, parts = with_parts(program)
    program, body = _with_definitions(build, program, data)
    return Compiled(
        program=program,
        body=body,
        parts=parts,
        hash=hashlib.sha256(body).hexdigest(),
        source_hash=hashlib.sha256(source).hexdigest(),
        warnings=locate(build.findings.warnings, source, media_type),
        reads=_reads(build, program),
    )


def _reads(build: Build, program: Program) -> list[str]:
    called = {node.function for node in program.nodes.values() if isinstance(node, CallNode)}
    known = [build.announced[name] for name in sorted(called) if name in build.announced]
    return [spec.name for spec in known if spec.effect is EffectClass.NONE]


def _with_definitions(build: Build, program: Program, data: dict[str, Any]) -> tuple[Program, bytes]:
    """Keep the text of the document, or of its tasks, if an expression may read it."""
    body = encode_program(program)
    changes: dict[str, Any] = {}
    if b"$workflow" in body and b"definition" in body:
        changes["definition"] = data
    if b"$task" in body:
        kept = build.definitions
        changes["definitions"] = {pointer: kept[pointer] for pointer in program.nodes if pointer in kept}
    if not changes:
        return program, body
    program = msgspec.structs.replace(program, **changes)
    return program, encode_program(program)


def _compile(build: Build, data: Any) -> Program | None:
    """The program, invalid if there are findings; None for a document that is no object."""
    root = as_object(build.findings, data, "", "the document")
    if root is None:
        return None
    check_keys(build.findings, root, "", _KEYS, required=("document", "do"))
    document = read_document(build.findings, root["document"]) if "document" in root else {}
    build.loose = "evaluate" in root and read_evaluate(build.findings, root["evaluate"]) == "loose"
    if "use" in root:
        read_use(build, root["use"])
    input_schema, input_from = read_transform(build, root, ("input", "from"), "", WORKFLOW_INPUT | SECRETS)
    output_schema, output_as = read_transform(build, root, ("output", "as"), "", WORKFLOW_OUTPUT)
    schedule, on = read_schedule(build, root)
    children = compile_list(build, _ROOT, root["do"], "do") if "do" in root else []
    return Program(
        namespace=str(document.get("namespace")),
        name=str(document.get("name")),
        version=str(document.get("version")),
        children=children,
        nodes=build.nodes,
        document=document,
        input_schema=input_schema,
        input_from=input_from,
        output_as=output_as,
        output_schema=output_schema,
        timeout=read_timeout(build, root, "", WORKFLOW_OUTPUT),
        settings=read_settings(build, document),
        schedule=schedule,
        schedule_on=on,
        secrets=sorted(list(path) for path in build.secrets),
    )
