"""Policies judge what the chart makes, and every security line of a template is one that a policy misses when it goes."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit.chart import CHART, VALUE_SETS, Object, copy_chart, objects, rendered
from kit.chart_policies import denials

Mutation = Callable[[str], str]


def gone(_line: str) -> str:
    return ""


def instead(pattern: str, by: str) -> Mutation:
    return lambda line: re.sub(pattern, by, line)


SECURITY: dict[str, Mutation] = {
    r"^\s*runAsNonRoot: true": gone,
    r"^\s*(runAsUser|runAsGroup|fsGroup): ": gone,
    r"^\s*type: \{\{ \.type \}\}": instead(r"\{\{.*", "Unconfined"),
    r'include "visapi\.seccomp"': gone,
    r"^\s*allowPrivilegeEscalation: false": gone,
    r"^\s*privileged: false": instead("false", "true"),
    r"^\s*readOnlyRootFilesystem: true": gone,
    r"^\s*drop: \[ALL\]": instead("ALL", "NET_RAW"),
    r'include "visapi\.(podSecurityContext|containerSecurityContext)"': instead(r"\{\{-.*\}\}", " {}"),
    r"^\s*automountServiceAccountToken: false": gone,
    r"^\s*enableServiceLinks: false": gone,
    r"policyTypes: \[Ingress, Egress\]": instead("Ingress, Egress", "Ingress"),
    r"except: \S*": instead(r", except: (\[.*?\]|\{\{.*?\}\})", ""),
    r"defaultMode: 0440": instead("0440", "0444"),
    r"emptyDir: \{.*sizeLimit": instead(r",? ?sizeLimit: ([\w.]+|\{\{.*?\}\})", ""),
    r"items: \[\{key": instead(r",? ?items: \[.*\]", ""),
    r"httpGet: \{path: /livez": instead("/livez", "/readyz"),
    r"^\s*terminationGracePeriodSeconds: ": gone,
    r"^\s*sleep: \{seconds": instead(r"seconds: .*\}", "seconds: 0}"),
    r"limits: \{cpu": instead("limits: ", "requests: "),
    r"^\s*topologyKey: ": instead("topologyKey: .*", "topologyKey: rack"),
}
"""What makes a line one of security, and how it is broken."""


WITH_A_KEY = ('artifacts.s3.existingSecret="s3"', 'artifacts.s3.caSecret="s3-ca"')
"""Of S3, so that its volumes are there, too."""


def broken_lines() -> dict[str, tuple[Path, int, str]]:
    """By name, each security line of a template: its file, its number, what takes its place."""
    found: dict[str, tuple[Path, int, str]] = {}
    for path in sorted(CHART.glob("templates/**/*")):
        for number, line in enumerate(
            path.read_text(encoding="utf-8").splitlines() if path.is_file() else ()
        ):
            for pattern, mutation in SECURITY.items():
                if re.search(pattern, line) and not line.lstrip().startswith("{{/*"):
                    name = f"{path.relative_to(CHART / 'templates')}:{number + 1} {line.strip()}"
                    found[name] = (path.relative_to(CHART), number, mutation(line))
    return found


def mutant(place: Path, path: Path, number: int, line: str) -> list[Object]:
    """What the chart makes with one line broken; nothing when it makes nothing any more."""
    chart = copy_chart(place)
    lines = (chart / path).read_text(encoding="utf-8").splitlines()
    lines[number] = line
    (chart / path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    name = "dev" if path.match("templates/dev/*") else "production"
    return rendered(chart, *VALUE_SETS[name], sets=() if name == "dev" else WITH_A_KEY)


def test_no_policy_has_anything_against_any_value_set():
    names = list(VALUE_SETS)
    found = dict(zip(names, denials([objects(name) for name in names]), strict=True))
    assert found == {name: [] for name in names}


def test_the_policies_have_a_rule_against_an_empty_pod():
    pod = {
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "visapi"},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }
    [found] = denials([[pod]])
    assert len(found) > 12


def test_each_kind_of_security_line_stands_in_some_template():
    texts = "\n".join(
        path.read_text(encoding="utf-8") for path in CHART.glob("templates/**/*") if path.is_file()
    )
    assert [pattern for pattern in SECURITY if not re.search(pattern, texts, re.MULTILINE)] == []


@pytest.mark.timeout(600)
def test_breaking_any_security_line_of_a_template_is_denied(tmp_path: Path):
    lines = broken_lines()
    assert len(lines) > 40
    with ThreadPoolExecutor(2) as pool:
        renders = list(
            pool.map(
                lambda numbered: mutant(tmp_path / str(numbered[0]), *numbered[1]), enumerate(lines.values())
            )
        )
    answers = dict(zip(lines, denials(renders), strict=True))
    assert [name for name, found in answers.items() if not found] == []
