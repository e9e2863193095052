"""The sections around the tasks: `document`, `use`, `evaluate` (dsl-reference, Workflow)."""

import re
from typing import Any

from visapi_engine.checks.shapes import as_choice, as_object, as_text, check_keys, kind
from visapi_engine.checks.versions import is_version
from visapi_engine.compile.authentication import read_authentication
from visapi_engine.compile.build import Build, Place, Reusables
from visapi_engine.compile.data_flow import read_timeout
from visapi_engine.compile.errors import read_error
from visapi_engine.compile.extensions import check_extension, read_extensions
from visapi_engine.compile.functions import REFUSED_CALLS
from visapi_engine.compile.retries import read_retry
from visapi_engine.compile.secrets import read_secrets
from visapi_engine.compile.tasks.lists import compile_task
from visapi_engine.compile.templates import CALL, TASK
from visapi_engine.source.findings import Findings
from visapi_engine.source.pointers import join

DSL_VERSIONS = ("1.0.0", "1.0.1", "1.0.2", "1.0.3")

_DOCUMENT_KEYS = ("dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata")
_MAPS = ("authentications", "errors", "functions", "retries", "timeouts")
_USE_KEYS = (*_MAPS, "extensions", "secrets")
_USE_REFUSED = {"catalogs": 'catalogs; functions come from the catalog "default"'}
_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")


def read_document(findings: Findings, value: Any) -> dict[str, Any]:
    """The `document` section, checked."""
    given = as_object(findings, value, "/document", "`document`")
    if given is None:
        return {}
    check_keys(findings, given, "/document", _DOCUMENT_KEYS, required=_DOCUMENT_KEYS[:4])
    for key in ("namespace", "name"):
        _check_name(findings, given.get(key), f"/document/{key}", f"`{key}`")
    if "version" in given:
        version = as_text(findings, given["version"], "/document/version", "`version`")
        if version is not None and not is_version(version):
            findings.error("/document/version", f'"{version}" is not a semantic version such as 1.0.0')
    if "dsl" in given:
        _check_dsl(findings, given["dsl"])
    for key in given.keys() & {"title", "summary"}:
        as_text(findings, given[key], f"/document/{key}", f"`{key}`")
    for key in given.keys() & {"tags", "metadata"}:
        as_object(findings, given[key], f"/document/{key}", f"`{key}`")
    return given


def _check_name(findings: Findings, value: Any, at: str, what: str) -> None:
    text = as_text(findings, value, at, what) if value is not None else None
    if text is not None and not _NAME.fullmatch(text):
        findings.error(at, f'{what} must be 1 to 63 letters, digits and inner hyphens, found "{text}"')


def _check_dsl(findings: Findings, value: Any) -> None:
    text = as_text(findings, value, "/document/dsl", "`dsl`")
    if text is not None and text not in DSL_VERSIONS:
        findings.error(
            "/document/dsl",
            f'this release speaks DSL {DSL_VERSIONS[0]} to {DSL_VERSIONS[-1]}, found "{text}"',
        )


def read_evaluate(findings: Findings, value: Any) -> str:
    """The evaluation mode; the language is always jq."""
    given = as_object(findings, value, "/evaluate", "`evaluate`") or {}
    check_keys(findings, given, "/evaluate", ("language", "mode"))
    if given.get("language", "jq") != "jq":
        findings.error(
            "/evaluate/language", f'the expression language must be "jq", found {kind(given["language"])}'
        )
    if "mode" not in given:
        return "strict"
    return as_choice(findings, given["mode"], "/evaluate/mode", "`mode`", ("strict", "loose")) or "strict"


def read_use(build: Build, value: Any) -> None:
    """The reusable components; each is checked once, whether it is used or not."""
    given = as_object(build.findings, value, "/use", "`use`")
    if given is None:
        return
    check_keys(
        build.findings,
        given,
        "/use",
        _USE_KEYS,
        refused={k: v for k, v in _USE_REFUSED.items() if given.get(k)},
    )
    kept = {
        key: as_object(build.findings, given[key], f"/use/{key}", f"`{key}`") or {}
        for key in _MAPS
        if key in given
    }
    secrets = read_secrets(build, given["secrets"]) if "secrets" in given else []
    build.use = Reusables(**kept, secrets=secrets)
    for name, policy in build.use.authentications.items():
        read_authentication(build, policy, join("/use/authentications", name), CALL, named=False)
    for name in build.use.errors:
        read_error(build, name, join("/use/errors", name), TASK)
    for name in build.use.timeouts:
        read_timeout(build, {"timeout": name}, "/use", TASK)
    for name, policy in build.use.retries.items():
        if isinstance(policy, dict):
            read_retry(build, name, join("/use/retries", name), TASK | {"error"})
        else:
            build.findings.error(
                join("/use/retries", name), f"a retry policy must be an object, found {kind(policy)}"
            )
    for name, body in build.use.functions.items():
        _check_function(build, name, body)
    if "extensions" in given:
        extensions = read_extensions(build, given["extensions"])
        for extension in extensions:
            check_extension(build, extension)
        build.extensions = extensions


def _check_function(build: Build, name: str, body: Any) -> None:
    at = join("/use/functions", name)
    if name in REFUSED_CALLS or name == "http":
        build.findings.error(at, f'"{name}" already names a kind of call; choose another name')
        return
    before = dict(build.nodes)
    compile_task(build, Place(pointer=at, source=at, name=name, parent=None, calling=(name,)), body)
    build.nodes = before
