"""docker compose or podman-compose, whichever is there, for one project of its own."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from build_images import run_quietly, works

ROOT = Path(__file__).resolve().parent.parent


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class Compose:
    """One project of docker compose or podman-compose."""

    def __init__(self, environ: dict[str, str], project: str, files: tuple[str, ...] = ()) -> None:
        self.engine, self._command = _engine()
        self.project = project
        self._files = [part for file in files for part in ("-f", file)]
        self._environ = environ

    def do(
        self, *arguments: str, check: bool = True, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command of compose; `given` is what its program reads."""
        command = [*self._command, *self._files, "-p", self.project,
                   "--profile", "demo", "--profile", "tools", *arguments]  # fmt: skip
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            input=given,
        )
        if check and done.returncode != 0:
            raise DemoError(
                f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def on(self, service: str, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Something the engine does with a service's container."""
        return subprocess.run([self.engine, *verb.split(), *arguments, self.container(service)], check=False,
                              capture_output=True, text=True, timeout=120)  # fmt: skip

    def remove_volume(self, name: str) -> None:
        command = [self.engine, "volume", "rm", f"{self.project}_{name}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise DemoError(f"`{' '.join(command)}`: {done.stderr}")

    def container(self, service: str) -> str:
        pattern = f"^{self.project}[-_]{service}[-_]1$"
        listed = subprocess.run([self.engine, "ps", "--all", "--format", "{{.Names}}"], check=True,
                                capture_output=True, text=True)  # fmt: skip
        found = [name for name in listed.stdout.split() if re.match(pattern, name)]
        if not found:
            raise DemoError(f"{service} has no container")
        return found[0]

    def healthy(self, service: str) -> bool:
        if self.engine == "podman":
            return self.on(service, "healthcheck run").returncode == 0
        state = self.on(service, "inspect", "--format", "{{.State.Health.Status}}")
        return state.stdout.strip() == "healthy"

    def has_health(self, service: str) -> bool:
        return service not in ("partner", "slack")


def _engine() -> tuple[str, list[str]]:
    if works("docker") and run_quietly(["docker", "compose", "version"]):
        return "docker", ["docker", "compose"]
    ours = ROOT / ".tools/bin/podman-compose"
    found = os.environ.get("VISAPI_PODMAN_COMPOSE") or (
        str(ours) if ours.exists() else shutil.which("podman-compose")
    )
    if works("podman") and found:
        return "podman", [found, "--no-ansi"]
    raise DemoError("needs docker with compose, or podman with podman-compose (PyPI)")
