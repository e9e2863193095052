"""Install a release in a cluster, look whether it serves, and go back by itself where it does not.

    python tools/deploy_release.py --strategy rolling --published out/release --values FILE --url https://…
    python tools/deploy_release.py --strategy blue-green --route visapi --preview https://preview.… …

`rolling` upgrades one release of Helm in place and rolls it back. `blue-green` installs the colour that is
not live beside the live one, on the same stores, tries it under its preview address, and switches the
HTTPRoute in one step, there and back. Both run tools/smoke.py and then ask tools/slo_check.py for --watch
seconds.

Exit codes: 0 it serves; 1 refused, nothing was changed; 2 wrong arguments; 4 it did not serve, and what
served before serves again; 5 what served before does not serve either, and somebody has to look.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster import Chart, Cluster, ClusterError

ROOT = Path(__file__).resolve().parent.parent
COLOURS = {"blue": "green", "green": "blue"}
SERVED, REFUSED, WENT_BACK, LOST = 0, 1, 4, 5


class RefusedError(Exception):
    """The deployment does not begin; nothing was changed."""


class UnfitError(Exception):
    """The new release does not serve; the message says what was seen."""


@dataclass(frozen=True)
class Plan:
    """What is installed, where, and how it is judged."""

    cluster: Cluster
    chart: Chart
    release: str
    url: str
    preview: str
    route: str
    smoke: Sequence[str]
    slo: Sequence[str]
    watching: Sequence[str]
    logs: Path = field(default=ROOT / "out/deploy/logs.txt")

    def colour(self, colour: str) -> str:
        return f"{self.release}-{colour}"

    def gateway(self, colour: str) -> str:
        """The service of a colour's gateway, as the chart names it."""
        return f"{self.colour(colour)}-gateway"


def main() -> int:
    strategy, plan = parsed()
    try:
        return strategy(plan)
    except (RefusedError, ClusterError) as error:
        say(f"refused, nothing was changed: {error}")
        return REFUSED


def parsed() -> tuple[Callable[[Plan], int], Plan]:
    parser = argparse.ArgumentParser(description="Install a release, and go back where it does not serve.")
    parser.add_argument("--strategy", choices=STRATEGIES, default="rolling")
    parser.add_argument(
        "--published", type=Path, default=ROOT / "out/release", help="what release_set.py wrote"
    )
    parser.add_argument(
        "--values", type=Path, action="append", default=[], help="of the environment; may be repeated"
    )
    parser.add_argument("--release", default="visapi")
    parser.add_argument("--namespace", default="visapi")
    parser.add_argument("--url", required=True, help="the public address of the API")
    parser.add_argument(
        "--preview", default="", help="blue-green: the address of the colour that is not live"
    )
    parser.add_argument(
        "--route", default="visapi", help="blue-green: the HTTPRoute that leads to the live colour"
    )
    parser.add_argument("--prometheus", default=os.environ.get("VISAPI_PROMETHEUS_URL", ""))
    parser.add_argument("--settle", default="120", help="seconds before the first look at the objectives")
    parser.add_argument("--watch", default="600", help="seconds for which the objectives must be kept")
    parser.add_argument("--timeout", type=int, default=600, help="seconds that Helm waits for the pods")
    given = parser.parse_args()
    if given.strategy == "blue-green" and not given.preview.startswith(("http://", "https://")):
        parser.error("--strategy blue-green needs --preview, the address of the colour that is not live")
    if missing := [str(path) for path in given.values if not path.is_file()]:
        parser.error(f"--values: no file {', '.join(missing)}")
    try:
        chart = published(given.published, given.values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        parser.error(f"--published: {given.published} holds no release: {error!r}; run `make release-set`")
    return STRATEGIES[given.strategy], Plan(
        cluster=Cluster(given.namespace, given.timeout),
        chart=chart,
        release=given.release, url=given.url, preview=given.preview, route=given.route,
        smoke=[sys.executable, str(ROOT / "tools/smoke.py")],
        slo=[sys.executable, str(ROOT / "tools/slo_check.py"), "--prometheus", given.prometheus],
        watching=["--settle", given.settle, "--watch", given.watch],
    )  # fmt: skip


def published(folder: Path, values: Sequence[Path]) -> Chart:
    """The chart by its digest, with the images by theirs, whatever the environment's values say."""
    chart = json.loads((folder / "release.json").read_text(encoding="utf-8"))["chart"]
    return Chart(f"oci://{chart['reference']}@{chart['digest']}", (*values, folder / "images.values.yaml"))


def rolling(plan: Plan) -> int:
    """Replace the pods of one release."""
    cluster, namespace = plan.cluster, f'namespace="{plan.cluster.namespace}"'
    before = cluster.revision(plan.release)
    prepare(plan, plan.release, serves=before is not None)
    say(f"{plan.release}: upgrading from {f'revision {before}' if before else 'nothing'}")
    try:
        with changing():
            cluster.upgrade(plan.release, plan.chart)
        try_out(plan, plan.url)
        watch(plan, namespace)
    except UnfitError as error:
        say(f"{plan.release} does not serve: {error}")
        keep_logs(plan, plan.release)
        if before is None:
            say("there is no revision to go back to; it stays as it is")
            return LOST
        return back(plan, lambda: cluster.rollback(plan.release, before), f"revision {before}")
    say(f"{plan.release} serves")
    return SERVED


def blue_green(plan: Plan) -> int:
    """Install the other colour beside the live one, and switch the route."""
    cluster = plan.cluster
    live, other = colours(plan)
    sets = [
        f'httpRoute.hostnames=["{plan.preview.split("://")[1].split(":")[0].strip("/")}"]',
        "httpRoute.enabled=true",
    ]
    prepare(plan, plan.colour(other), sets, serves=True)
    say(f"{live} is live; installing {other} beside it")
    try:
        with changing():
            cluster.upgrade(plan.colour(other), plan.chart, sets)
        try_out(plan, plan.preview)
        with changing():
            cluster.switch(plan.route, plan.gateway(live), plan.gateway(other))
        say(f"the route leads to {other}")
        try_out(plan, plan.url)
        watch(plan, f'namespace="{cluster.namespace}", pod=~"{plan.colour(other)}-.*"')
    except UnfitError as error:
        say(f"{other} does not serve: {error}")
        keep_logs(plan, plan.colour(other))

        def undo() -> None:
            if cluster.backend(plan.route) != plan.gateway(live):
                cluster.switch(plan.route, plan.gateway(other), plan.gateway(live))
            cluster.uninstall(plan.colour(other))

        return back(plan, undo, live)
    retire(plan, live)
    say(f"{other} serves")
    return SERVED


STRATEGIES: dict[str, Callable[[Plan], int]] = {"rolling": rolling, "blue-green": blue_green}


def colours(plan: Plan) -> tuple[str, str]:
    """The live colour and the other one."""
    backend = plan.cluster.backend(plan.route)
    for live, other in COLOURS.items():
        if backend == plan.gateway(live):
            return live, other
    raise RefusedError(
        f"the HTTPRoute {plan.route} leads to {backend}, which is neither {plan.gateway('blue')} nor "
        f"{plan.gateway('green')}; docs/how-to/deploy-by-the-pipeline.md says how to begin with blue-green"
    )


def prepare(plan: Plan, release: str, sets: Sequence[str] = (), *, serves: bool) -> None:
    """What must hold before anything changes: right values, and a Prometheus that judges what serves."""
    plan.cluster.template(release, plan.chart, sets)
    asked = subprocess.run([*plan.slo, "--selector", f'namespace="{plan.cluster.namespace}"'], check=False)
    if serves and asked.returncode not in (0, 1):
        raise RefusedError(
            "Prometheus cannot judge what runs now, so that it could not judge the release either"
        )


@contextmanager
def changing() -> Generator[None]:
    """From here on a failure of the cluster is a failure of the release."""
    try:
        yield
    except ClusterError as error:
        raise UnfitError(str(error)) from error


def try_out(plan: Plan, url: str) -> None:
    if subprocess.run([*plan.smoke, "--url", url], check=False).returncode != 0:
        raise UnfitError(f"the smoke test of {url} failed")


def watch(plan: Plan, selector: str) -> None:
    asked = subprocess.run([*plan.slo, "--selector", selector, *plan.watching], check=False)
    if asked.returncode != 0:
        raise UnfitError(
            "it misses an objective" if asked.returncode == 1 else "its objectives are not known"
        )


def back(plan: Plan, undo: Callable[[], None], place: str) -> int:
    """Undo, and see whether what served before serves."""
    say(f"going back to {place}")
    try:
        undo()
        try_out(plan, plan.url)
    except (ClusterError, UnfitError) as error:
        say(f"going back to {place} failed: {error}; look at the cluster now")
        return LOST
    say(f"{place} serves again")
    return WENT_BACK


def retire(plan: Plan, colour: str) -> None:
    """Remove the colour that no longer serves; where that fails, the new one serves all the same."""
    try:
        plan.cluster.uninstall(plan.colour(colour))
    except ClusterError as error:
        say(f"{plan.colour(colour)} could not be removed: {error}; remove it with helm uninstall")


def keep_logs(plan: Plan, release: str) -> None:
    plan.logs.parent.mkdir(parents=True, exist_ok=True)
    plan.logs.write_text(plan.cluster.logs(release), encoding="utf-8")
    say(f"the last lines of its containers are in {plan.logs}")


def say(text: str) -> None:
    print(f"deploy: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
