"""`run`: another workflow (dsl-reference, Run). Containers, scripts and shell commands are refused."""

from typing import Any

from visapi_engine.checks.shapes import as_choice, as_flag, as_object, as_text, check_keys
from visapi_engine.checks.versions import is_version
from visapi_engine.compile.build import Build, Construct, Place
from visapi_engine.compile.metadata import on_retry
from visapi_engine.compile.templates import TASK, template
from visapi_engine.model.program import Common, RunNode, Template
from visapi_engine.source.findings import listed

LATEST = "latest"
REFUSED_PROCESSES = {
    "container": "containers; run them behind an HTTP service, or as a worker of your own",
    "script": "scripts; write a worker of your own, it takes ten lines",
    "shell": "shell commands; write a worker of your own, it takes ten lines",
}
_RETURNS = ("stdout", "none")


def compile_run(build: Build, place: Place, body: dict[str, Any], common: Common) -> RunNode:
    given = as_object(build.findings, body["run"], place.at("run"), "`run`") or {}
    keys = ("workflow", "await", "return")
    if isinstance(body["run"], dict):
        check_keys(build.findings, given, place.at("run"), keys, refused=REFUSED_PROCESSES)
        if not given.keys() & {"workflow", *REFUSED_PROCESSES}:
            processes = listed(["workflow", *REFUSED_PROCESSES])
            build.findings.error(place.at("run"), f"`run` needs one of {processes}")
    awaited = as_flag(build.findings, given.get("await", True), place.at("run", "await"), "`await`")
    silent = _silent(build, place, given)
    namespace, workflow, version, value = _workflow(build, place, given)
    return RunNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        namespace=namespace,
        workflow=workflow,
        version=version,
        input=value,
        awaited=awaited is not False,
        silent=silent,
        on_retry=place.on_retry or on_retry(common.metadata) or "remember",
    )


def _silent(build: Build, place: Place, given: dict[str, Any]) -> bool:
    """`return: none` gives no output. A workflow has no streams and no exit code to return."""
    if "return" not in given or "workflow" not in given:
        return False
    at = place.at("run", "return")
    return as_choice(build.findings, given["return"], at, "`return` of a workflow", _RETURNS) == "none"


def _workflow(build: Build, place: Place, given: dict[str, Any]) -> tuple[str, str, str, Template | None]:
    nowhere = ("", "", LATEST, None)
    if "workflow" not in given:
        return nowhere
    at, wanted = place.at("run", "workflow"), given["workflow"]
    texts = read_workflow(build, wanted, at, more=("input",))
    value = None
    if isinstance(wanted, dict) and "input" in wanted:
        value = template(build, wanted["input"], f"{at}/input", TASK | place.variables)
    return texts.get("namespace", ""), texts.get("name", ""), texts.get("version") or LATEST, value


def read_workflow(build: Build, value: Any, at: str, *, more: tuple[str, ...] = ()) -> dict[str, str]:
    """The namespace, the name and, if given, the version of the workflow, as far as they are valid."""
    wanted = as_object(build.findings, value, at, "`workflow`")
    if wanted is None:
        return {}
    required = ("namespace", "name")
    check_keys(build.findings, wanted, at, (*required, "version", *more), required=required)
    texts = {
        key: as_text(build.findings, wanted[key], f"{at}/{key}", f"`{key}`") or ""
        for key in ("namespace", "name", "version")
        if key in wanted
    }
    version = texts.get("version") or LATEST
    if version != LATEST and not is_version(version):
        build.findings.error(
            f"{at}/version", f'"{version}" is neither "{LATEST}" nor a semantic version such as 1.0.0'
        )
    return texts


CONSTRUCT = Construct("run", compile_run)
