"""House rules for the workflows and composite actions of .github, which their linters do not know.

`findings(root)` says what breaks them. Every command of the pipeline is a make target, so that a person can run it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kit.makefiles import Targets

Map = dict[str, Any]

PINNED = re.compile(r"uses: (?P<action>[\w.-]+/[\w./-]+)@(?P<sha>[0-9a-f]{40}) # v\d+\.\d+\.\d+$")
USES = re.compile(r"^\s*(?:- )?uses: (?P<what>.+)$")
MAKE = re.compile(r"make(?P<words>( [a-z][a-z-]*)+)(?P<variables>( [A-Z_]+=\"\$[A-Z_]+\")*)")
FORBIDDEN_EVENTS = {"pull_request_target", "workflow_run"}
RUNNERS = {"ubuntu-24.04"}
MINUTES_MAX = 120
MAY_WRITE = {
    "codeql": {"security-events"},
    "workflows": {"security-events"},
    "scorecard": {"security-events"},
    "publish": {"packages", "id-token", "attestations"},
    "image": {"packages", "id-token", "attestations"},
    "chart": {"packages", "id-token", "attestations"},
    "announce": {"contents"},
    "deploy": {"id-token"},
}
"""What the token of a job may write, by the job; every other job only reads."""


def findings(root: Path) -> list[str]:
    """What breaks the rules in a checkout, a line each."""
    targets = Targets.read(root)
    found: list[str] = []
    for path in sorted((root / ".github").rglob("*.yml")):
        if path.parent.name != "workflows" and path.name != "action.yml":
            continue
        text, where = path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
        found += [f"{where}:{line}" for line in _uses(root, text)]
        given: Map = yaml.safe_load(text)
        if path.name == "action.yml":
            found += [f"{where}: {line}" for line in _steps(given["runs"]["steps"], targets, {})]
        else:
            found += [f"{where}: {line}" for line in _workflow(given, targets)]
    return found


def _uses(root: Path, text: str) -> Iterator[str]:
    """Everything that is used is ours, or is pinned to a commit whose version stands beside it."""
    for number, line in enumerate(text.splitlines(), 1):
        found = USES.match(line)
        if found is None:
            continue
        what = found["what"].strip()
        if what.startswith("./"):
            place = root / what
            if not (place.is_file() or (place / "action.yml").is_file()):
                yield f"{number}: {what} does not exist"
        elif PINNED.search(line) is None:
            yield f"{number}: {what} is not pinned to a commit with its version beside it"


def _workflow(given: Map, targets: Targets) -> Iterator[str]:
    # YAML 1.1 reads the key `on` as true.
    raw: Any = {str(key): value for key, value in given.items()}.get("True")
    events: Map = raw if isinstance(raw, dict) else dict.fromkeys([raw] if isinstance(raw, str) else raw)
    for event in sorted(FORBIDDEN_EVENTS & events.keys()):
        yield f"{event} runs with rights on what strangers wrote"
    if given.get("permissions") != {}:
        yield "permissions at the top are not {}"
    if "group" not in given.get("concurrency", {}):
        yield "no concurrency group"
    for name, job in given["jobs"].items():
        for line in _job(name, job, targets):
            yield f"job {name}: {line}"
        if job.get("environment") == "production" and set(events) != {"workflow_dispatch"}:
            yield f"job {name}: production is deployed by hand only"


def _job(name: str, job: Map, targets: Targets) -> Iterator[str]:
    yield from _permissions(name, job.get("permissions"))
    if "secrets" in job:
        yield "hands secrets on"
    if "uses" in job:
        return
    if not 0 < job.get("timeout-minutes", 0) <= MINUTES_MAX:
        yield f"no timeout-minutes of at most {MINUTES_MAX}"
    if job.get("runs-on") not in RUNNERS:
        yield f"runs on {job.get('runs-on')}, which is not one of {', '.join(sorted(RUNNERS))}"
    if "continue-on-error" in job:
        yield "may fail unnoticed"
    if "secrets." in str(job) and "environment" not in job:
        yield "uses secrets without an environment that guards them"
    if not any(_works(step) for step in job["steps"]):
        yield "does nothing: neither a make target nor a pinned action"
    yield from _steps(job["steps"], targets, job.get("env", {}))


def _permissions(name: str, given: Any) -> Iterator[str]:
    if not isinstance(given, dict):
        yield "permissions are not listed"
        return
    allowed = MAY_WRITE.get(name, set())
    for scope, right in given.items():
        if right not in ("read", "none") and scope not in allowed:
            yield f"may write {scope}"


def _works(step: Map) -> bool:
    preparing = ("actions/checkout@", "./.github/actions/environment")
    return "run" in step or not str(step.get("uses", "")).startswith(preparing)


def _steps(steps: list[Map], targets: Targets, around: Map) -> Iterator[str]:
    for step in steps:
        title = step.get("id") or step.get("uses") or step.get("run", "?").split("\n")[0]
        if "continue-on-error" in step:
            yield f"step {title}: may fail unnoticed"
        if (
            str(step.get("uses", "")).startswith("actions/checkout@")
            and step.get("with", {}).get("persist-credentials") is not False
        ):
            yield f"step {title}: leaves the token in the checkout"
        if "run" in step:
            for line in _command(step["run"].strip(), {*around, *step.get("env", {})}, targets):
                yield f"step {title}: {line}"


def _command(command: str, environ: set[str], targets: Targets) -> Iterator[str]:
    """A command is `make` with targets that exist, and with every variable that they need."""
    if "${{" in command:
        yield "takes an expression into a shell; hand it over in env"
    found = MAKE.fullmatch(command)
    if found is None:
        yield "runs something else than a make target"
        return
    given = environ | {each.split("=")[0] for each in found["variables"].split()}
    for target in found["words"].split():
        if target not in targets.needs:
            yield f"there is no make target {target}"
            continue
        if missing := sorted(targets.needs[target] - given):
            yield f"make {target} needs {', '.join(missing)}"
