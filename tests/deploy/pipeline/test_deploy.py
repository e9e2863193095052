"""A deployment that does not serve is undone, by what a real Prometheus says; Helm and kubectl stop at the cluster."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kit.chart import CHART
from kit.deploy_tools import ROOT, run, tool
from kit.prometheus import prometheus
from kit.release_metrics import ReleaseMetrics
from kit.scripts import imported, run_tool

STANDIN = Path(__file__).with_name("standin_cluster.py")
URL, PREVIEW = "https://visapi.example.com", "https://preview.visapi.example.com"
SMOKE = """
import json, sys
state = json.load(open({state!r}))
sys.exit(1 if sys.argv[2] in state["broken"] and any("new-" in each["content"] for each in state["releases"].values()) else 0)
"""


class World:
    """The stand-in's state, and the metrics of whichever release serves."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"
        self.bad = ""
        self._pages = {"old": ReleaseMetrics(), "new": ReleaseMetrics()}
        self.begin({"visapi": {"revision": 3, "content": "old-visapi"}}, "visapi-blue-gateway")

    def begin(self, releases: dict[str, Any], route: str) -> None:
        self.bad = ""
        self.write(releases=releases, route=route, fails=[], broken=[], calls=[])

    def write(self, **changes: Any) -> None:
        known = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.path.with_suffix(".written").write_text(json.dumps(known | changes))
        self.path.with_suffix(".written").replace(self.path)

    def read(self) -> dict[str, Any]:
        return json.loads(self.path.read_text())

    def page(self) -> str:
        """What the serving release shows: half of its answers fail where it is the bad one."""
        state = self.read()
        serving = state["route"].removesuffix("-gateway")
        content = state["releases"].get(serving, state["releases"].get("visapi", {"content": ""}))["content"]
        metrics = self._pages["new" if content.startswith("new-") else "old"]
        metrics.pod = f"{serving if serving in state['releases'] else 'visapi'}-gateway-1"
        metrics.failing = 0.5 if content and content == self.bad else 0.0
        return metrics.page()

    @property
    def commands(self) -> list[str]:
        """What changed something, in short."""
        return [" ".join(call[1:3]) for call in self.read()["calls"]
                if call[1] in ("upgrade", "rollback", "uninstall", "patch")]  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    world = World(tmp_path_factory.mktemp("cluster"))
    with prometheus(world.page) as url:
        yield world, url


@pytest.fixture
def world(served: tuple[World, str]) -> World:
    served[0].begin({"visapi": {"revision": 3, "content": "old-visapi"}}, "visapi-blue-gateway")
    return served[0]


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return imported("deploy_release", monkeypatch)


@pytest.fixture
def plan(
    deploy: ModuleType, served: tuple[World, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    cluster = imported("cluster", monkeypatch)
    programs: list[Path] = []
    for name in ("helm", "kubectl"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STANDIN}" "{served[0].path}" {name} "$@"\n')
        program.chmod(0o755)
        programs.append(program)
    smoke = tmp_path / "smoke.py"
    smoke.write_text(SMOKE.format(state=str(served[0].path)))
    gateways = tmp_path / "gateways.yaml"
    gateways.write_text("httpRoute: {parentRefs: [{name: public}]}\n")
    slo = [
        sys.executable,
        str(ROOT / "tools/slo_check.py"),
        "--prometheus",
        served[1],
        "--window",
        "3s",
        "--every",
        "0.3",
        "--strikes",
        "5",
    ]
    return deploy.Plan(
        cluster=cluster.Cluster("visapi", 30, *programs),
        chart=cluster.Chart(str(CHART), (CHART / "ci/minimal-values.yaml", gateways)),
        release="visapi", url=URL, preview=PREVIEW, route="visapi",
        smoke=[sys.executable, str(smoke)], slo=slo, watching=["--settle", "0.3", "--watch", "3"],
        logs=tmp_path / "logs.txt",
    )  # fmt: skip


def coloured(world: World) -> None:
    world.begin({"visapi-blue": {"revision": 7, "content": "old-visapi-blue"}}, "visapi-blue-gateway")


def test_a_release_that_serves_stays(deploy: ModuleType, plan: Any, world: World):
    assert deploy.rolling(plan) == 0
    assert world.commands == ["upgrade visapi"]


def test_a_release_that_misses_its_objectives_is_rolled_back(
    deploy: ModuleType, plan: Any, world: World, capfd: Any
):
    world.bad = "new-visapi"
    assert deploy.rolling(plan) == 4
    assert world.commands == ["upgrade visapi", "rollback visapi"]
    assert world.read()["calls"][-1][1:4] == ["rollback", "visapi", "3"]
    assert "the last words of the release" in plan.logs.read_text()
    printed = capfd.readouterr().out
    assert "missed: api-errors" in printed
    assert "revision 3 serves again" in printed


def test_a_release_that_does_not_become_ready_is_rolled_back(deploy: ModuleType, plan: Any, world: World):
    world.write(fails=[["upgrade", "visapi"]])
    assert deploy.rolling(plan) == 4
    assert world.commands == ["upgrade visapi", "rollback visapi"]


def test_a_release_whose_smoke_test_fails_is_rolled_back(deploy: ModuleType, plan: Any, world: World):
    world.write(broken=[URL])
    assert deploy.rolling(plan) == 4
    assert world.commands[-1] == "rollback visapi"


def test_a_rollback_that_fails_calls_for_somebody(deploy: ModuleType, plan: Any, world: World, capfd: Any):
    world.write(broken=[URL], fails=[["rollback", "visapi"]])
    assert deploy.rolling(plan) == 5
    assert "look at the cluster now" in capfd.readouterr().out


def test_a_first_release_that_does_not_serve_stays_to_be_looked_at(
    deploy: ModuleType, plan: Any, world: World
):
    world.write(releases={}, broken=[URL])
    assert deploy.rolling(plan) == 5
    assert world.commands == ["upgrade visapi"]


@pytest.mark.parametrize("strategy", ["rolling", "blue_green"])
def test_wrong_values_are_refused_before_anything_changes(
    deploy: ModuleType, plan: Any, world: World, tmp_path: Path, strategy: str, capfd: Any
):
    coloured(world)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("gateway: {replicas: -1}\n")
    chart = type(plan.chart)(plan.chart.place, (*plan.chart.values, wrong))
    deploying: Callable[[Any], int] = getattr(deploy, strategy)
    with pytest.raises(deploy.ClusterError, match="/gateway/replicas"):
        deploying(dataclasses.replace(plan, chart=chart))
    assert world.commands == []


def test_without_prometheus_nothing_is_changed(deploy: ModuleType, plan: Any, world: World):
    blind = [*plan.slo, "--prometheus", "http://127.0.0.1:9"]
    with pytest.raises(deploy.RefusedError, match="cannot judge what runs now"):
        deploy.rolling(dataclasses.replace(plan, slo=blind))
    assert world.commands == []


def test_the_other_colour_is_installed_switched_to_and_the_first_removed(
    deploy: ModuleType, plan: Any, world: World
):
    coloured(world)
    assert deploy.blue_green(plan) == 0
    assert world.commands == ["upgrade visapi-green", "patch httproute", "uninstall visapi-blue"]
    assert world.read()["route"] == "visapi-green-gateway"
    [upgrade] = [call for call in world.read()["calls"] if call[1] == "upgrade"]
    assert 'httpRoute.hostnames=["preview.visapi.example.com"]' in upgrade


def test_a_colour_that_misses_its_objectives_is_switched_back_and_removed(
    deploy: ModuleType, plan: Any, world: World
):
    coloured(world)
    world.bad = "new-visapi-green"
    assert deploy.blue_green(plan) == 4
    assert world.commands == [
        "upgrade visapi-green",
        "patch httproute",
        "patch httproute",
        "uninstall visapi-green",
    ]
    assert world.read()["route"] == "visapi-blue-gateway"


def test_a_colour_that_fails_its_preview_never_serves(deploy: ModuleType, plan: Any, world: World):
    coloured(world)
    world.write(broken=[PREVIEW])
    assert deploy.blue_green(plan) == 4
    assert world.commands == ["upgrade visapi-green", "uninstall visapi-green"]


def test_a_route_to_no_colour_is_refused(deploy: ModuleType, plan: Any, world: World):
    world.write(route="visapi-gateway")
    with pytest.raises(deploy.RefusedError, match="neither visapi-blue-gateway nor visapi-green-gateway"):
        deploy.blue_green(plan)
    assert world.commands == []


def test_the_real_programs_understand_every_command(
    plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """They find no cluster, and nothing wrong with the command itself."""
    nowhere = {"clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}], "current-context": "x",
               "contexts": [{"name": "x", "context": {"cluster": "x", "user": ""}}]}  # fmt: skip
    (tmp_path / "kubeconfig").write_text(json.dumps(nowhere))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    cluster = dataclasses.replace(plan.cluster, helm=tool("helm4"), kubectl=tool("kubectl"))
    commands = {
        "list": lambda: cluster.revision("visapi"),
        "upgrade": lambda: cluster.upgrade("visapi", plan.chart, ["httpRoute.enabled=true"]),
        "rollback": lambda: cluster.rollback("visapi", 3),
        "uninstall": lambda: cluster.uninstall("visapi"),
        "get httproute": lambda: cluster.backend("visapi"),
        "patch httproute": lambda: cluster.switch("visapi", "visapi-blue-gateway", "visapi-green-gateway"),
    }
    for verb, command in commands.items():
        with pytest.raises(imported("cluster", monkeypatch).ClusterError, match=rf"{verb}[\s\S]*refused"):
            command()
    assert "refused" in cluster.logs("visapi")
    history = run(
        "helm4",
        "history",
        "visapi",
        "--max",
        "50",
        "--output",
        "json",
        environ={"KUBECONFIG": str(tmp_path / "kubeconfig")},
    )
    assert "refused" in history.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--url"),
        (("--url", URL, "--strategy", "canary"), "invalid choice"),
        (("--url", URL, "--strategy", "blue-green"), "needs --preview"),
        (("--url", URL, "--values", "nowhere.yaml"), "no file nowhere.yaml"),
        (("--url", URL, "--published", "nowhere"), "nowhere holds no release"),
    ],
)
def test_wrong_arguments_are_refused(arguments: tuple[str, ...], said: str):
    done = run_tool("deploy_release", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
