"""What a deployment asks of Helm and kubectl: one method for each thing, each with a deadline."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BACKEND = "/spec/rules/0/backendRefs/0/name"
QUESTION_S = 60


class ClusterError(Exception):
    """Helm or kubectl failed; the message holds what they said."""


@dataclass(frozen=True)
class Chart:
    """Which chart is installed, with which values."""

    place: str
    values: tuple[Path, ...]

    def arguments(self, sets: Sequence[str] = ()) -> list[str]:
        files = [part for path in self.values for part in ("--values", str(path))]
        return [self.place, *files, *(part for each in sets for part in ("--set-json", each))]


@dataclass(frozen=True)
class Cluster:
    """One namespace of one cluster, as the current context of kubectl reaches it."""

    namespace: str
    timeout_s: int
    helm: Path = ROOT / ".tools/bin/helm4"
    kubectl: Path = ROOT / ".tools/bin/kubectl"

    def template(self, release: str, chart: Chart, sets: Sequence[str] = ()) -> None:
        """Render without the cluster, so that a wrong value is named before anything is changed."""
        self._helm("template", release, *chart.arguments(sets), deadline_s=QUESTION_S)

    def revision(self, release: str) -> int | None:
        """The revision that is deployed; `None` where the release is not installed, or never was deployed."""
        listed = self._helm("list", "--filter", f"^{release}$", "--output", "json", deadline_s=QUESTION_S)
        if not json.loads(listed or "[]"):
            return None
        printed = self._helm("history", release, "--max", "50", "--output", "json", deadline_s=QUESTION_S)
        deployed = [each["revision"] for each in json.loads(printed) if each["status"] == "deployed"]
        return max(deployed, default=None)

    def upgrade(self, release: str, chart: Chart, sets: Sequence[str] = ()) -> None:
        """Install or upgrade, and wait until all of it is ready."""
        self._helm("upgrade", release, "--install", *chart.arguments(sets), *self._waiting())

    def rollback(self, release: str, revision: int) -> None:
        self._helm("rollback", release, str(revision), *self._waiting())

    def uninstall(self, release: str) -> None:
        self._helm("uninstall", release, "--ignore-not-found", *self._waiting())

    def backend(self, route: str) -> str:
        """The service that the route leads to."""
        printed = self._kubectl("get", "httproute", route, "--output", "json")
        found: Any = json.loads(printed)
        return found["spec"]["rules"][0]["backendRefs"][0]["name"]

    def switch(self, route: str, before: str, after: str) -> None:
        """Lead the route to another service in one step; refused where it leads elsewhere than `before`."""
        patch = [
            {"op": "test", "path": BACKEND, "value": before},
            {"op": "replace", "path": BACKEND, "value": after},
        ]
        self._kubectl("patch", "httproute", route, "--type", "json", "--patch", json.dumps(patch))

    def logs(self, release: str) -> str:
        """The last lines of each container, or why there are none."""
        try:
            return self._kubectl(
                "logs", f"--selector=app.kubernetes.io/instance={release}", "--all-containers", "--prefix",
                "--tail=200", "--ignore-errors", "--max-log-requests=50",
            )  # fmt: skip
        except ClusterError as error:
            return f"{error}\n"

    def _waiting(self) -> list[str]:
        return ["--wait", "--timeout", f"{self.timeout_s}s"]

    def _helm(self, verb: str, *arguments: str, deadline_s: int = 0) -> str:
        return _run([str(self.helm), verb, *arguments, "--namespace", self.namespace],
                    deadline_s or self.timeout_s + QUESTION_S)  # fmt: skip

    def _kubectl(self, verb: str, *arguments: str) -> str:
        return _run([str(self.kubectl), verb, *arguments, "--namespace", self.namespace], QUESTION_S)


def _run(command: list[str], deadline_s: int) -> str:
    asked = f"`{Path(command[0]).name} {' '.join(command[1:4])} …`"
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=deadline_s)
    except FileNotFoundError as error:
        raise ClusterError(
            f"{asked}: {command[0]} is not there; run `make deploy-tools SETS=chart`"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{asked} did not end within {deadline_s} s") from error
    if done.returncode != 0:
        raise ClusterError(
            f"{asked} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout
