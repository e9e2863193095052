"""What the tools say that bring docker-compose.yml up, when podman-compose fails them."""

import os
from pathlib import Path

import pytest

from kit.scripts import run_tool

PODMAN_COMPOSE = """#!/bin/sh
case "$*" in
*" up "*) {up}; echo "{error}" >&2; exit 125 ;;
*" down "*) {down} ;;
esac
"""

PODMAN = """#!/bin/sh
case "$*" in
"volume ls"*) echo {volume} ;;
"volume rm"*) echo "$3" >>{folder}/removed ;;
esac
"""


def played(
    folder: Path,
    tool: str = "compose_demo",
    *,
    up: str = ":",
    down: str = ":",
    error: str = "no space left on device",
    volume: str = "",
) -> tuple[str, str]:
    """What a tool prints and complains of where podman-compose is a stand-in that fails at `up`."""
    for name, text in {
        "podman": PODMAN.format(volume=volume, folder=folder),
        "docker": "#!/bin/sh\nexit 1\n",
        "podman-compose": PODMAN_COMPOSE.format(up=up, down=down, error=error),
    }.items():
        (folder / name).write_text(text, encoding="ascii")
        (folder / name).chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "VISAPI_PODMAN_COMPOSE": str(folder / "podman-compose"),
    }
    done = run_tool(tool, environ=environ)
    assert done.returncode == 1
    return done.stdout, done.stderr


@pytest.mark.parametrize("tool", ["compose_demo", "compose_backup", "compose_rotation"])
def test_the_first_error_is_told_under_the_name_of_the_tool_where_the_project_was_taken_down(
    tool: str, tmp_path: Path
):
    said, complaint = played(tmp_path, tool)
    name = tool.replace("_", "-")
    assert complaint.startswith(f"{name}: ")
    assert "no space left on device" in complaint
    assert said == f"{name}: taken down, with its volumes\n"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ({"down": "echo volume is in use >&2; exit 1"}, "volume is in use"),
        ({"up": 'rm "$0"'}, "podman-compose cannot be run: No such file or directory"),
    ],
    ids=["down ends with 1", "down cannot be run"],
)
def test_the_first_error_is_told_where_the_project_cannot_be_taken_down(
    failure: dict[str, str], reason: str, tmp_path: Path
):
    said, complaint = played(tmp_path, **failure)
    assert "no space left on device" in complaint
    assert reason not in complaint
    assert reason in said
    assert "could not be taken down" in said
    assert "taken down, with its volumes" not in said


def test_an_error_of_podman_that_names_no_program_is_told_with_the_package_that_mends_it(tmp_path: Path):
    _, complaint = played(
        tmp_path, error="unable to start container: netavark: No such file or directory (os error 2)"
    )
    assert "apt-get install iptables" in complaint


def test_a_volume_that_podman_compose_leaves_is_removed_and_those_of_other_projects_stay(tmp_path: Path):
    played(tmp_path, volume="visapi-demo_postgres another_postgres visapi-demo-2_postgres")
    assert (tmp_path / "removed").read_text() == "visapi-demo_postgres\n"
