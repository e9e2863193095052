"""docker compose or podman-compose, whichever is there, for one project of its own."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from build_images import run_quietly, works

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 600
"""How long one command of compose or of the engine may take; on a busy machine they start slowly."""


PROFILES = ("demo", "tools", "s3", "observability")
"""Those of docker-compose.yml: what is not named is not started, and what was started is taken down."""
WITHOUT_HEALTH = ("partner", "slack", "s3", "prometheus", "alertmanager")
"""Containers whose health nothing asks for."""
HINTS = {
    "netavark: No such file or directory": "podman's network calls a program that is missing; on Debian: "
    "apt-get install iptables",
}
"""What mends an error of an engine that does not say so itself."""


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
        profiles = [part for profile in PROFILES for part in ("--profile", profile)]
        command = [*self._command, *self._files, "-p", self.project, *profiles, *arguments]
        done = _ran(command, cwd=ROOT, env=self._environ, input=given)
        if check and done.returncode != 0:
            hints = "\n".join(hint for sign, hint in HINTS.items() if sign in done.stderr)
            raise DemoError(
                f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}{hints}"
            )
        return done

    def on(self, service: str, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Something the engine does with a service's container."""
        return _ran([self.engine, *verb.split(), *arguments, self.container(service)])

    def say(self, text: str) -> None:
        """Print a line of the tool that has the project: `visapi-demo` is that of compose-demo."""
        print(f"compose-{self.project.removeprefix('visapi-')}: {text}", flush=True)

    def volumes(self) -> list[str]:
        """The volumes of the project, by their names in the compose files."""
        listed = _ran([self.engine, "volume", "ls", "--format", "{{.Name}}"]).stdout.split()
        start = f"{self.project}_"
        return [name.removeprefix(start) for name in listed if name.startswith(start)]

    def remove_volume(self, name: str) -> None:
        command = [self.engine, "volume", "rm", f"{self.project}_{name}"]
        done = _ran(command)
        if done.returncode != 0:
            raise DemoError(f"`{' '.join(command)}`: {done.stderr}")

    def container(self, service: str) -> str:
        pattern = f"^{self.project}[-_]{service}[-_]1$"
        listed = _ran([self.engine, "ps", "--all", "--format", "{{.Names}}"])
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
        return service not in WITHOUT_HEALTH


def _ran(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=LIMIT_S, **options
        )
    except subprocess.TimeoutExpired as late:
        raise DemoError(f"`{' '.join(command)}` did not end within {LIMIT_S} s") from late
    except OSError as error:
        raise DemoError(f"{command[0]} cannot be run: {error.strerror}") from error


def _engine() -> tuple[str, list[str]]:
    if works("docker") and run_quietly(["docker", "compose", "version"]):
        return "docker", ["docker", "compose"]
    ours = ROOT / ".tools/bin/podman-compose"
    found = os.environ.get("VISAPI_PODMAN_COMPOSE") or (
        str(ours) if ours.exists() else shutil.which("podman-compose")
    )
    if works("podman") and found:
        return "podman", [found, "--no-ansi"]
    raise DemoError(
        "needs docker with compose, or podman with podman-compose; on Debian: apt-get install podman runc "
        "netavark aardvark-dns iptables; make deploy-tools SETS=containers"
    )
