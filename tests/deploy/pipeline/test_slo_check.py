"""The objectives of a release, asked of a real Prometheus."""

import os
import re
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from kit.deploy_tools import ROOT
from kit.prometheus import prometheus
from kit.release_metrics import ReleaseMetrics
from kit.scripts import run_tool
from visapi.stack.processes import wait_for

OBJECTIVES = ROOT / "deploy/observability/objectives.toml"
WATCHED = ("--window", "3s", "--every", "0.4")
HERE = ("--selector", 'namespace="visapi"')


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[ReleaseMetrics, str]]:
    metrics = ReleaseMetrics()
    with prometheus(metrics.page) as url:
        yield metrics, url


def wait_until_every_objective_is_kept(url: str) -> None:
    """Wait until the window that is asked holds nothing of an earlier test."""
    names = [each["name"] for each in tomllib.loads(OBJECTIVES.read_text())["objective"]]

    def kept() -> bool:
        done = run_tool("slo_check", "--prometheus", url, *HERE, *WATCHED)
        assert [line.split(" ")[2].rstrip(":") for line in done.stdout.splitlines()[:-1]] == names
        return done.returncode == 0

    wait_for(kept, timeout_s=60, what="every objective kept")


def test_a_stack_that_serves_keeps_every_objective(world: tuple[ReleaseMetrics, str]):
    wait_until_every_objective_is_kept(world[1])


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"failing": 0.2}, "api-errors"),
        ({"slow": True}, "acceptance, transitions"),
        ({"connected": 0}, "connected"),
    ],
)
def test_a_stack_that_gets_worse_misses_what_it_misses(
    world: tuple[ReleaseMetrics, str], change: dict[str, float], missed: str
):
    metrics, url = world
    wait_until_every_objective_is_kept(url)
    before = {name: getattr(metrics, name) for name in change}
    vars(metrics).update(change)
    try:
        done = run_tool("slo_check", "--prometheus", url, *HERE, *WATCHED, "--watch", "30", "--strikes", "5")
    finally:
        vars(metrics).update(before)
    assert done.returncode == 1
    assert missed in done.stdout.splitlines()[-1]


def test_a_short_disturbance_is_no_miss(world: tuple[ReleaseMetrics, str]):
    """One answer out of bounds is not enough while it watches; twenty in a row are never reached."""
    metrics, url = world
    wait_until_every_objective_is_kept(url)
    metrics.connected = 0
    try:
        done = run_tool("slo_check", "--prometheus", url, *HERE, *WATCHED, "--watch", "1", "--strikes", "20")
    finally:
        metrics.connected = 1
    assert done.returncode == 0


def test_a_selector_of_another_stack_knows_nothing(world: tuple[ReleaseMetrics, str]):
    done = run_tool("slo_check", "--prometheus", world[1], "--selector", 'namespace="elsewhere"', *WATCHED)
    assert done.returncode == 3
    assert "no series; is the stack scraped, and is the selector right?" in done.stdout


def test_a_selector_that_is_no_promql_knows_nothing(world: tuple[ReleaseMetrics, str]):
    done = run_tool("slo_check", "--prometheus", world[1], "--selector", "namespace=", *WATCHED)
    assert done.returncode == 3
    assert "Prometheus refuses the query" in done.stdout


def test_an_absent_prometheus_knows_nothing():
    done = run_tool("slo_check", "--prometheus", "http://127.0.0.1:9", *WATCHED)
    assert done.returncode == 3
    assert "does not answer" in done.stdout


def test_the_token_is_sent_and_a_refusal_names_it():
    seen: list[str] = []

    class Guard(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(401)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base names it so)
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Guard) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            done = run_tool(
                "slo_check", "--prometheus", url, environ={**os.environ, "VISAPI_PROMETHEUS_TOKEN": "t0ken"}
            )
        finally:
            server.shutdown()
            thread.join()
    assert done.returncode == 3
    assert "answers 401 and no JSON; set VISAPI_PROMETHEUS_TOKEN" in done.stdout
    assert set(seen) == {"Bearer t0ken"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[objective]]\nname='a'\nsays='b'\nquery='c'\n", "objective a has neither at_most nor at_least"),
        ("[[objective]]\nname='a'\nat_most=1\n", "not a list of"),
        ("[[objective\n", "not a list of"),
        ("", "not a list of"),
    ],
)
def test_wrong_objectives_are_refused(text: str, said: str, tmp_path: Path):
    (tmp_path / "objectives.toml").write_text(text)
    done = run_tool(
        "slo_check", "--prometheus", "http://127.0.0.1:9", "--objectives", tmp_path / "objectives.toml"
    )
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    "arguments", [(), ("--prometheus", "prometheus:9090"), ("--prometheus", "http://x", "--every", "0")]
)
def test_wrong_arguments_are_refused(arguments: tuple[str, ...]):
    environ = {name: value for name, value in os.environ.items() if name != "VISAPI_PROMETHEUS_URL"}
    assert run_tool("slo_check", *arguments, environ=environ).returncode == 2


def test_the_objectives_ask_for_metrics_that_exist():
    queries = "".join(each["query"] for each in tomllib.loads(OBJECTIVES.read_text())["objective"])
    asked = {re.sub("_(bucket|count)$", "", name) for name in re.findall(r"\b([a-z_]+)\{", queries)}
    known = re.findall(r"(?m)^\| `([a-z_]+)` \|", (ROOT / "docs/reference/metrics.md").read_text())
    assert len(asked) >= 7
    assert asked <= set(known)
    labels = set(re.findall(r"\{([a-z_]+)=", queries))
    assert labels == {"http_response_status_code"}
    [line] = [
        line
        for line in (ROOT / "docs/reference/metrics.md").read_text().splitlines()
        if line.startswith("| `http_server_request_duration_seconds`")
    ]
    assert all(f"`{label}`:" in line for label in labels)
