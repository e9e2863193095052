"""Writes the generated parts of docs/reference from the code, and the client's class for each problem.

    python tools/reference.py            write what changed
    python tools/reference.py --check    1 when a page is stale (a test and a hook run this)

A part stands between `<!-- generated: NAME -->` and `<!-- end generated -->`; the rest of a page is
written by hand and stays.
"""

import ast
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import run_states

from visapi.admin.settings import AdminSettings
from visapi_common.runtime.connections import LedgerSettings, NatsSettings
from visapi_common.runtime.settings import PREFIX, CommonSettings, is_secret
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.instruments import declared_in

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
ERRORS = ROOT / "libs" / "visapi" / "src" / "visapi" / "client" / "errors.py"
OPENAPI = ROOT / "tests" / "contract" / "openapi.json"

BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end generated -->)", re.DOTALL)

GENERAL_CODES = ("bad_request", "unauthenticated", "forbidden", "not_found")
"""What several problems of one status have in common."""
METHODS = {"get", "post", "put", "patch", "delete", "head"}
OWN_REFUSALS = {404, 409, 422}
"""Statuses that say something of one operation; the page's head lists those that any may answer."""

SERVICES = {
    "gateway": "visapi_gateway",
    "orchestrator": "visapi_orchestrator",
    "pdf-worker": "visapi_pdf_worker",
    "notifier": "visapi_notifier",
}


def main() -> int:
    """Write or check every page."""
    check = "--check" in sys.argv[1:]
    stale: list[str] = []
    for page in [*sorted(PAGES.glob("*.md")), ERRORS]:
        before = page.read_text()
        if page == ERRORS:
            after = "\n".join(error_classes())
        else:
            after = BLOCK.sub(lambda found: f"{found[1]}{render(found[2])}\n{found[3]}", before)
        if after != before:
            stale.append(page.relative_to(ROOT).as_posix())
            if not check:
                page.write_text(after)
    for name in stale:
        print(f"{name}: {'stale; run python tools/reference.py' if check else 'written'}")
    return 1 if check and stale else 0


def render(name: str) -> str:
    """One generated part."""
    return "\n".join(PARTS[name]())


def metrics() -> Iterator[str]:
    yield "| name | kind | labels | meaning |"
    yield "|---|---|---|---|"
    for metric in sorted(declared_in(Metrics), key=lambda declared: declared.name):
        labels = "; ".join(f"`{label}`: {values}" for label, values in metric.labels.items())
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |"


def settings() -> Iterator[str]:
    yield "### Every service\n"
    yield from _settings_table(CommonSettings)
    yield from _settings_rows(NatsSettings, CommonSettings)
    yield "\n### gateway, orchestrator and notifier\n"
    yield from _settings_table(LedgerSettings, NatsSettings)
    for service, package in SERVICES.items():
        module = importlib.import_module(f"{package}.settings")
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, CommonSettings) and kind.__module__ == module.__name__:
                yield f"\n### {service}\n"
                shared = LedgerSettings if issubclass(kind, LedgerSettings) else NatsSettings
                yield from _settings_table(kind, shared)


def admin_settings() -> Iterator[str]:
    yield from _settings_table(AdminSettings)


def problems() -> Iterator[str]:
    catalogue = importlib.import_module("visapi_gateway.kernel.problems")
    told = importlib.import_module("visapi_gateway.kernel.problem_guidance")
    yield "| status | `code` | title | what to do |"
    yield "|---|---|---|---|"
    for code, kind in sorted(catalogue.KINDS.items(), key=lambda item: (item[1].status, item[0])):
        yield f"| {kind.status} | `{code}` | {kind.title} | {told.guidance(code)} |"


def error_classes() -> Iterator[str]:
    """The module of the client with a class for each code; those of a status that has a general code are
    subclasses of its class.
    """
    kinds: dict[str, Any] = importlib.import_module("visapi_gateway.kernel.problems").KINDS
    general: dict[int, str] = {kinds[code].status: code for code in GENERAL_CODES}
    yield '"""The class of each problem, by its code. Made by tools/reference.py."""\n'
    yield "from visapi.client.failures import ApiError"
    for code in sorted(kinds, key=lambda code: (code not in GENERAL_CODES, code)):
        above = general.get(kinds[code].status, code)
        parent = "ApiError" if above == code else _class_of(above)
        yield f'\n\nclass {_class_of(code)}({parent}, code="{code}"): ...'
    yield ""


def _class_of(code: str) -> str:
    return "".join(word.capitalize() for word in code.removesuffix("_error").split("_")) + "Error"


def operations() -> Iterator[str]:
    document: dict[str, Any] = json.loads(OPENAPI.read_text())
    for path, item in sorted(document["paths"].items()):
        for method, operation in item.items():
            if method in METHODS:
                yield f"### `{method.upper()} {path}`\n"
                yield (
                    f"{operation['summary'].rstrip('.')}. {operation.get('description', '')}".rstrip() + "\n"
                )
                yield from _parameters(operation)
                yield from _answers(operation)
                yield ""


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", []):
        if parameter["in"] != "path":
            described = " ".join((parameter.get("description") or "").split())
            yield f"- `{parameter['name']}` ({parameter['in']}){': ' + described if described else ''}"


def _answers(operation: Mapping[str, Any]) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        if int(status) < 400:
            yield f"- `{status}`: {' '.join(answer.get('description', '').split())}"
    refused = [status for status in operation["responses"] if int(status) in OWN_REFUSALS]
    if refused:
        yield f"- also {', '.join(f'`{status}`' for status in refused)}"


def exit_codes() -> Iterator[str]:
    yield "| code | meaning |"
    yield "|---|---|"
    for code, meaning in importlib.import_module("visapi.cli.output").EXIT_CODES.items():
        yield f"| {code} | {meaning} |"


def scopes() -> Iterator[str]:
    module = importlib.import_module("visapi_gateway.kernel.access.scopes")
    for scope in module.SCOPES:
        granted = "" if scope in module.DEFAULT_SCOPES else " (never by default)"
        yield f"- `{scope}`{granted}"
    for scope in module.OPERATOR_SCOPES:
        yield f"- `{scope}` (keys of kind `admin` only, and only when it is named: `*` does not include it)"


def functions() -> Iterator[str]:
    module = importlib.import_module("visapi_engine.compile.functions")
    yield "| function | arguments | needs |"
    yield "|---|---|---|"
    for name, arguments in module.BUILTINS.items():
        needs = [f"`{need}`" for need in arguments.required]
        needs += [f"exactly one of {_listed(group)}" for group in arguments.one_of]
        needs += [f"at least one of {_listed(group)}" for group in arguments.some_of]
        yield f"| `{name}` | {_listed(arguments.allowed)} | {'; '.join(needs)} |"


def refused_names() -> Iterator[str]:
    module = importlib.import_module("visapi_engine.expressions.gate")
    yield "| name | why |"
    yield "|---|---|"
    for name, reason in sorted(module.REFUSED.items()):
        yield f"| `{name}` | {reason} |"
    for name, reason in sorted(module.REFUSED_VARIABLES.items()):
        yield f"| `${name}` | {reason} |"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


PARTS: Mapping[str, Callable[[], Iterator[str]]] = {
    "metrics": metrics,
    "settings": settings,
    "admin-settings": admin_settings,
    "problems": problems,
    "operations": operations,
    "exit-codes": exit_codes,
    "scopes": scopes,
    "functions": functions,
    "refused-names": refused_names,
    "run-diagram": run_states.run_diagram,
    "run-coverage": run_states.run_coverage,
    "run-reasons": run_states.run_reasons,
    "task-diagram": run_states.task_diagram,
    "task-transitions": run_states.task_transitions,
    "task-coverage": run_states.task_coverage,
}


def _settings_table(kind: type[msgspec.Struct], shared: type[msgspec.Struct] | None = None) -> Iterator[str]:
    """The settings of `kind` without those of `shared`, which it extends."""
    yield "| name | type | default | meaning |"
    yield "|---|---|---|---|"
    yield from _settings_rows(kind, shared)


def _settings_rows(kind: type[msgspec.Struct], shared: type[msgspec.Struct] | None) -> Iterator[str]:
    described = docstrings(kind)
    left_out = {field.name for field in msgspec.structs.fields(shared)} if shared else set[str]()
    for field in msgspec.structs.fields(kind):
        if field.name not in left_out:
            name = PREFIX + field.name.upper()
            meaning = " ".join(described.get(field.name, "").split()).replace("|", "\\|")
            yield f"| `{name}` | {_type_text(field.type)} | {_default_text(field)} | {meaning} |"


def docstrings(kind: type) -> dict[str, str]:
    """The text that follows each field in the class body."""
    body = ast.parse(inspect.getsource(kind).lstrip()).body[0]
    assert isinstance(body, ast.ClassDef)
    described: dict[str, str] = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            described[ast.unparse(field.target)] = ast.literal_eval(after.value)
    return described


def _type_text(kind: Any) -> str:
    if is_secret(kind):
        return "secret"
    if hasattr(kind, "__metadata__"):
        return _type_text(get_args(kind)[0])
    members = [member for member in get_args(kind) if member is not type(None)]
    if len(members) == 1 and type(None) in get_args(kind):
        return _type_text(members[0])
    if get_origin(kind) is not None and members and all(isinstance(member, str) for member in members):
        return " or ".join(f"`{member}`" for member in members)
    origin = get_origin(kind) or kind
    names = {
        dict: "JSON object",
        list: "list, by commas",
        frozenset: "list, by commas",
        tuple: "list, by commas",
    }
    return names.get(origin, getattr(origin, "__name__", str(origin)))


def _default_text(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    value: Any = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value in (None, b"", ""):
        return "unset"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(msgspec.to_builtins(value))}`"


if __name__ == "__main__":
    sys.exit(main())
