"""What a release consists of agrees with itself: versions, notes, digests, signatures."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kit.chart import CHART, rendered
from kit.deploy_tools import ROOT, run
from kit.oci_registry import oci_registry
from kit.scripts import run_tool

MIGRATIONS = "libs/common/src/visapi_common/sql/migrations"
NAMES = ("gateway", "orchestrator", "pdf-worker", "notifier", "admin")
CHANGELOG = """# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-01

### Added

- A thing.

## [0.1.0]

The first version.

[0.2.0]: https://example.com
"""


@pytest.mark.parametrize(
    ("version", "notes"), [("v0.2.0", "### Added\n\n- A thing.\n"), ("0.1.0", "The first version.\n")]
)
def test_the_notes_are_the_section_of_the_version(version: str, notes: str, tmp_path: Path):
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    done = run_tool(
        "release_notes", version, "--changelog", tmp_path / "CHANGELOG.md", "--out", tmp_path / "a/notes.md"
    )
    assert done.returncode == 0
    assert (tmp_path / "a/notes.md").read_text() == notes


@pytest.mark.parametrize(("version", "said"), [("0.3.0", "no section [0.3.0]"), ("Unreleased", "is empty")])
def test_a_version_that_nobody_described_has_no_notes(version: str, said: str, tmp_path: Path):
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    done = run_tool("release_notes", version, "--changelog", tmp_path / "CHANGELOG.md")
    assert done.returncode == 1
    assert said in done.stderr


def test_every_package_and_the_chart_have_one_version():
    done = run_tool("check_versions")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What the check of versions reads."""
    for path in [
        *ROOT.glob("libs/*/pyproject.toml"),
        *ROOT.glob("services/*/pyproject.toml"),
        *ROOT.glob("services/*/Dockerfile"),
        CHART / "Chart.yaml",
        CHART / "UPGRADING.md",
    ]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    shutil.copytree(ROOT / MIGRATIONS, tmp_path / MIGRATIONS)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def test_a_tag_that_says_another_version_is_refused(tree: Path):
    done = run_tool("check_versions", "v0.2.0", "--root", tree)
    assert done.returncode == 1
    places = [*tree.glob("*/*/pyproject.toml"), *tree.glob("services/*/Dockerfile")]
    assert done.stderr.count("the tag 0.2.0") == len(places) + 2
    assert "UPGRADING.md has no section `## 0.2.0`" in done.stderr
    undescribed = run_tool("check_versions", "v9.9.9", "--root", tree)
    assert "no section [9.9.9]" in undescribed.stderr
    assert "is no version" in run_tool("check_versions", "latest", "--root", tree).stderr


def test_one_package_with_another_version_is_found(tree: Path):
    path = tree / "services/notifier/pyproject.toml"
    version = run_tool("check_versions", "--root", tree).stdout.split(": ")[1].strip()
    path.write_text(path.read_text().replace(f'version = "{version}"', 'version = "7.0.0"'))
    done = run_tool("check_versions", "--root", tree)
    said = "versions: services/notifier/pyproject.toml version says 7.0.0, the others"
    assert done.stderr == f"{said} {version}\n"


def test_a_new_version_is_written_everywhere(tree: Path):
    done = run_tool("check_versions", "--set", "0.2.0", "--root", tree)
    assert (done.returncode, done.stdout) == (0, "versions: 0.2.0\n")
    refused = run_tool("check_versions", "v0.2.0", "--root", tree).stderr
    assert "the tag" not in refused
    assert run_tool("check_versions", "--set", "next", "--root", tree).returncode == 2


def test_a_release_lists_its_migrations_and_is_refused_until_it_does(tree: Path):
    folder = tree / MIGRATIONS
    (folder / "0998_more.sql").write_text("create table more (id integer)")
    (folder / "0999_more.index.sql").write_text("create index concurrently a on tenants (created_at)")
    refused = run_tool("check_versions", "v0.2.0", "--root", tree)
    for name in ("0998_more.sql", "0999_more.index.sql"):
        assert f"versions: {name} is in no release" in refused.stderr

    done = run_tool("released_migrations", "v0.2.0", "--root", tree)
    assert done.stdout.endswith("0998_more.sql, 0999_more.index.sql\n")
    listed = (folder / "released.sha256").read_text()
    assert "# 0.2.0\n" in listed
    assert subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "released.sha256"], cwd=folder, check=False).returncode == 0  # fmt: skip
    assert "is in no release" not in run_tool("check_versions", "v0.2.0", "--root", tree).stderr
    # Again, nothing is added.
    assert run_tool("released_migrations", "0.2.0", "--root", tree).returncode == 0
    assert (folder / "released.sha256").read_text() == listed


def test_a_migration_that_was_changed_after_its_release_is_not_listed_anew(tree: Path):
    path = tree / MIGRATIONS / "0001_baseline.sql"
    path.write_text(path.read_text() + "-- edited\n")
    done = run_tool("released_migrations", "0.2.0", "--root", tree)
    assert done.returncode == 1
    assert "0001_baseline.sql was changed after its release; restore the file" in done.stderr


def published(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    """What publishing wrote about the images."""
    folder.mkdir()
    for number, name in enumerate(names):
        record = {
            "name": name,
            "reference": f"registry.example.com/a/visapi/{name}",
            "digest": f"sha256:{number:064}",
        }
        (folder / f"{name}.json").write_text(json.dumps(record))
        (folder / f"{name}.cdx.json").write_text("{}")
    return folder


def release_set(tmp_path: Path, *options: object) -> str:
    given = ("--version", "0.2.0", "--images", tmp_path / "images", "--out", tmp_path / "set",
             "--chart", "registry.example.com/a/charts/visapi", "--chart-digest", f"sha256:{'c' * 64}")  # fmt: skip
    done = run_tool("release_set", *given, *options)
    return done.stderr if done.returncode else ""


def test_the_chart_takes_each_published_image_by_its_digest(tmp_path: Path):
    published(tmp_path / "images")
    assert release_set(tmp_path) == ""
    files = (CHART / "ci/minimal-values.yaml", tmp_path / "set/images.values.yaml")
    images = {
        container["image"]
        for each in rendered(CHART, *files)
        if each["kind"] in ("Deployment", "Job")
        for kind in ("initContainers", "containers")
        for container in each["spec"]["template"]["spec"].get(kind, [])
    }
    assert images == {
        f"registry.example.com/a/visapi/{name}@sha256:{number:064}" for number, name in enumerate(NAMES)
    }


def test_an_image_that_was_not_published_is_missed(tmp_path: Path):
    published(tmp_path / "images", NAMES[1:])
    assert "says nothing of gateway" in release_set(tmp_path)
    assert not (tmp_path / "set").exists()


def test_an_image_without_a_digest_is_refused(tmp_path: Path):
    record = published(tmp_path / "images") / "gateway.json"
    record.write_text(record.read_text().replace("sha256:", ""))
    assert "gateway has no digest" in release_set(tmp_path)


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    with oci_registry() as host:
        yield host


def test_the_chart_is_pushed_and_fetched_by_its_digest(registry: str, tmp_path: Path):
    out = tmp_path / "out"
    packaged = run_tool("package_chart", "--out", out, "--version", "0.0.0-gabc")
    assert packaged.returncode == 0, packaged.stderr
    archive, outputs = out / "visapi-0.0.0-gabc.tgz", tmp_path / "outputs"
    pushed = run_tool(
        "publish_chart", archive, f"oci://{registry}/Owner/charts", "--plain-http", "--outputs", outputs
    )
    assert pushed.returncode == 0, pushed.stderr
    given = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
    assert given["reference"] == f"{registry}/owner/charts/visapi"
    place = f"oci://{given['reference']}@{given['digest']}"
    done = run("helm4", "template", "x", place, "--plain-http", "--values", CHART / "ci/minimal-values.yaml")
    assert done.returncode == 0, done.stderr
    [version] = {
        each["metadata"]["labels"]["app.kubernetes.io/version"]
        for each in yaml.safe_load_all(done.stdout)
        if each
    }
    assert version == "0.0.0-gabc"


@pytest.mark.parametrize(
    ("archive", "place", "said"),
    [
        ("nowhere.tgz", "oci://127.0.0.1:1/a", "no archive"),
        (__file__, "https://127.0.0.1/a", "is no registry of charts"),
    ],
)
def test_a_chart_that_cannot_be_pushed_is_refused(archive: str, place: str, said: str):
    done = run_tool("publish_chart", archive, place)
    assert done.returncode == 2
    assert said in done.stderr


def verify(place: Path, unsigned: str = "") -> subprocess.CompletedProcess[str]:
    cosign = place / "bin/cosign"
    cosign.parent.mkdir()
    # Stands in for cosign, whose transparency log is on the internet.
    cosign.write_text(
        f'#!/bin/sh\necho "$@" >> "{place}/asked"\ncase "$*" in *"{unsigned or "nothing"}"*) echo "no signatures found" >&2; exit 10;; esac\n'
    )
    cosign.chmod(0o755)
    return run_tool(
        "verify_release",
        "--release",
        place / "set/release.json",
        "--repository",
        "o/r",
        "--ref",
        "refs/tags/v0.2.0",
        environ={**os.environ, "PATH": f"{cosign.parent}:{os.environ['PATH']}"},
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [("sha256:" + "0" * 64, "sha256:" + "e" * 64), ("registry.example.com", "evil.example")],
)
def test_values_that_name_other_images_than_were_verified_are_refused(
    before: str, after: str, tmp_path: Path
):
    published(tmp_path / "images")
    assert release_set(tmp_path) == ""
    values = tmp_path / "set/images.values.yaml"
    assert before in values.read_text()
    values.write_text(values.read_text().replace(before, after))
    done = verify(tmp_path)
    assert done.returncode == 1
    assert "names other images than release.json" in done.stderr


@pytest.mark.parametrize("unsigned", ["", "notifier@", "charts/visapi@"])
def test_a_release_is_verified_digest_by_digest(unsigned: str, tmp_path: Path):
    published(tmp_path / "images")
    assert release_set(tmp_path) == ""
    done = verify(tmp_path, unsigned)
    assert done.returncode == (1 if unsigned else 0)
    asked = (tmp_path / "asked").read_text().splitlines()
    identity = "--certificate-identity https://github.com/o/r/.github/workflows/publish.yml@refs/tags/v0.2.0"
    assert all(identity in line and "@sha256:" in line for line in asked)
    if unsigned:
        assert unsigned in done.stderr
    else:
        assert len(asked) == len(NAMES) + 1
