"""What is installed is what the locks name; a package that somebody planted, changed or swapped is found."""

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kit.scripts import run_tool


def test_what_is_installed_is_what_the_locks_name(tmp_path: Path) -> None:
    done = run_tool("check_installed", "--sbom", tmp_path / "sbom.json")
    assert done.returncode == 0, done.stderr
    components = json.loads((tmp_path / "sbom.json").read_text())["components"]
    assert {"litestar", "asyncpg", "nats-py"} <= {component["name"] for component in components}


class Site:
    """A folder of installed packages, and a lock that names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site"
        self.folder.mkdir()
        self.lock = folder / "some.lock"
        self.lock.write_text("honest==1.0 \\\n    --hash=sha256:00\n")
        self.install("honest", "1.0")

    def install(self, name: str, version: str, extra: dict[str, str] | None = None) -> None:
        files = {f"{name}.py": "ANSWER = 1\n", **(extra or {})}
        folder = self.folder / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        for path, text in files.items():
            (self.folder / path).write_text(text)
        (folder / "RECORD").write_text(
            "".join(f"{path},sha256={digest(text)},\n" for path, text in files.items())
        )

    def check(self) -> subprocess.CompletedProcess[str]:
        return run_tool("check_installed", "--site", self.folder, "--lock", self.lock, "--files")


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_an_environment_of_locked_packages_has_no_difference(site: Site) -> None:
    assert site.check().returncode == 0


def test_a_planted_package_is_found(site: Site) -> None:
    site.install("asyncpgg", "0.30.0")
    done = site.check()
    assert done.returncode == 1
    assert "asyncpgg 0.30.0 is installed and in no lock" in done.stderr


def test_another_version_than_the_locked_one_is_found(site: Site) -> None:
    site.lock.write_text("honest==1.1\n")
    assert "honest is 1.0, the lock says 1.1" in site.check().stderr


def test_a_file_that_was_changed_after_its_installation_is_found(site: Site) -> None:
    (site.folder / "honest.py").write_text("ANSWER = 2\n")
    assert "honest.py of honest is not the file that was installed" in site.check().stderr


def test_code_that_runs_at_each_start_of_python_and_belongs_to_nobody_is_found(site: Site) -> None:
    (site.folder / "litellm_init.pth").write_text("import os; os.environ\n")
    assert "litellm_init.pth is run at each start of Python" in site.check().stderr


def wheel(folder: Path, text: str) -> str:
    """A package `honest` 1.0; answers its SHA-256."""
    folder.mkdir()
    path = folder / "honest-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: honest\nVersion: 1.0\n"
    kind = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("honest.py", text)
        archive.writestr("honest-1.0.dist-info/METADATA", about)
        archive.writestr("honest-1.0.dist-info/WHEEL", kind)
        archive.writestr("honest-1.0.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(folder: Path, lock: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """As setup does: only what the lock names, by its hash."""
    options = [
        "--isolated",
        "--no-index",
        "--find-links",
        folder,
        "--require-hashes",
        "--no-deps",
        "--target",
        target,
    ]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *options,
        "-r",
        lock,
    ]
    return subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)


def test_a_package_of_the_right_name_and_version_with_other_contents_is_not_installed(tmp_path: Path) -> None:
    locked = wheel(tmp_path / "good", "ANSWER = 1\n")
    wheel(tmp_path / "bad", "import os\n")
    lock = tmp_path / "some.lock"
    lock.write_text(f"honest==1.0 --hash=sha256:{locked}\n")
    refused = install(tmp_path / "bad", lock, tmp_path / "refused")
    assert refused.returncode != 0
    assert "HASH" in refused.stderr.upper()
    assert install(tmp_path / "good", lock, tmp_path / "taken").returncode == 0
