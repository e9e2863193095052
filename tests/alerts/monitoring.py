"""A real Prometheus and a real Alertmanager, on the configuration that is committed.

What differs, and why:
- targets come from a file, because every stack has ports of its own;
- receivers are Slack's API and a webhook instead of compose's mail server; routes, groups and inhibitions are
  the committed ones;
- windows and waits of at least 5 minutes are divided by `FACTOR` (at least 30 s): a ticket about 10 minutes is
  tried in 1. Pages keep their own times, but for the windows of burn rates.
"""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from alerts.receivers import Receivers
from kit.deploy_tools import ROOT, tool
from visapi.stack.ports import any_free
from visapi.stack.processes import tail, wait_for

FACTOR = 10
SCALED_FROM_S = 300
SHORTEST_S = 30
SLACK_TITLE = "{{ .Status }}{{ range .Alerts }} {{ .Labels.alertname }}{{ end }}"
RESEND_S = 10
"""How often Prometheus repeats a firing alert; Alertmanager forgets one after four times as long."""
_PLACE = ROOT / "deploy/observability"
_TEMPLATES = ROOT / ".tools/prometheus/debian/usr/share/prometheus/alertmanager"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = r"(\d+)([smhd])"


class Program:
    """One process of the monitoring, restartable on its port and data."""

    def __init__(self, program: Path, folder: Path, *options: str, called: str) -> None:
        self.folder = folder / called
        self.folder.mkdir()
        self.url = f"http://127.0.0.1:{any_free()}"
        self._command = [program, *options, f"--web.listen-address={self.url.removeprefix('http://')}"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=_TEMPLATES)
        try:
            wait_for(self._is_ready, timeout_s=30, what=f"{self.folder.name} ready")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; its log ends:\n{tail(self.folder / 'log')}") from None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


class Monitoring:
    """Prometheus, a second one that it writes to, and Alertmanager."""

    def __init__(
        self, folder: Path, metrics: dict[str, str], receivers: Receivers, beat_s: int | None = None
    ) -> None:
        self._targets = folder / "targets.json"
        self._metrics = metrics
        self.alertmanager = Program(
            _alertmanager(folder), folder, f"--config.file={_written(folder, 'alertmanager', _routes(receivers, beat_s))}",
            f"--storage.path={folder}/silences", "--cluster.listen-address=",
            called="alertmanager",
        )  # fmt: skip
        self.far = Program(
            tool("prometheus"), folder, f"--config.file={_written(folder, 'far', {})}",
            f"--storage.tsdb.path={folder}/far-data", "--web.enable-remote-write-receiver", "--log.level=warn",
            called="far",
        )  # fmt: skip
        self.near = Program(
            tool("prometheus"), folder, f"--config.file={_written(folder, 'near', self._scraping(folder))}",
            f"--storage.tsdb.path={folder}/near-data", f"--rules.alert.resend-delay={RESEND_S}s", "--log.level=warn",
            called="near",
        )  # fmt: skip

    def start(self) -> None:
        self.discover(*self._metrics)
        for program in (self.alertmanager, self.far, self.near):
            program.start()
        wait_for(self._has_scraped, timeout_s=60, what="Prometheus scraping all services")

    def stop(self) -> None:
        for program in (self.near, self.far, self.alertmanager):
            program.stop()

    def discover(self, *services: str) -> None:
        """Let Prometheus know these services and no others. After an `@`, a name says which one of several."""
        draft = self._targets.with_suffix(".part")
        draft.write_text(json.dumps([
            {"targets": [self._metrics[name].removeprefix("http://")], "labels": {"service": name.partition("@")[0]}}
            for name in services
        ]))  # fmt: skip
        draft.rename(self._targets)

    def query(self, expression: str, *, of: Program | None = None) -> list[Any]:
        """The result of an instant query; none while Prometheus is away."""
        try:
            answer = httpx.get(
                f"{(of or self.near).url}/api/v1/query",
                params={"query": expression},
                timeout=10,
                trust_env=False,
            ).json()
        except (httpx.TransportError, ValueError):
            return []
        return answer["data"]["result"] if answer["status"] == "success" else []

    def firing(self, severity: str = "page") -> set[str]:
        found = self.query(f'ALERTS{{alertstate="firing", severity="{severity}"}}')
        return {each["metric"]["alertname"] for each in found}

    def _has_scraped(self) -> bool:
        return len(self.query("up == 1")) >= len(self._metrics)

    def _scraping(self, folder: Path) -> dict[str, Any]:
        committed = yaml.safe_load((_PLACE / "prometheus.yml").read_text())
        job = {
            "job_name": "visapi",
            "file_sd_configs": [{"files": [str(self._targets)], "refresh_interval": "2s"}],
        }
        alertmanager = self.alertmanager.url.removeprefix("http://")
        return {
            "global": committed["global"],
            "rule_files": [str(_written(folder, path.stem, scaled(path))) for path in sorted(_PLACE.glob("rules/*.yaml"))],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            "scrape_configs": [job],
            "remote_write": [{"url": f"{self.far.url}/api/v1/write"}],
        }  # fmt: skip


@contextmanager
def monitoring(
    folder: Path, metrics: dict[str, str], receivers: Receivers, beat_s: int | None = None
) -> Iterator[Monitoring]:
    """`beat_s`: how often the watchdog is heard, where not as often as committed."""
    made = Monitoring(folder, metrics, receivers, beat_s)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def scaled(path: Path) -> Any:
    """The rules of a file, long windows and waits divided by `FACTOR`. Names of recorded series stay."""
    rules = yaml.safe_load(path.read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule["expr"] = re.sub(rf"(?<=\[){_DURATION}(?=\])", _shorter, rule["expr"])
        rule["expr"] = re.sub(rf"(?<=offset ){_DURATION}", _shorter, rule["expr"])
        if "for" in rule:
            rule["for"] = re.sub(_DURATION, _shorter, rule["for"])
    return rules


def _shorter(found: re.Match[str]) -> str:
    seconds = int(found[1]) * _UNITS[found[2]]
    return found[0] if seconds < SCALED_FROM_S else f"{max(SHORTEST_S, seconds // FACTOR)}s"


def _routes(receivers: Receivers, beat_s: int | None) -> dict[str, Any]:
    """The committed routes, with receivers that a trial can read."""
    committed = yaml.safe_load((_PLACE / "alertmanager.yml").read_text())
    for route in committed["route"]["routes"]:
        if route["receiver"] == "watchdog" and beat_s is not None:
            route |= {"group_interval": f"{beat_s}s", "repeat_interval": f"{beat_s - 2}s"}
    webhook = {"send_resolved": True, "max_alerts": 0}
    slack = {"api_url": f"{receivers.slack_url}/services/T0/B0/x", "channel": "#tickets", "title": SLACK_TITLE,
             "send_resolved": True}  # fmt: skip
    return {
        "route": committed["route"],
        "inhibit_rules": committed["inhibit_rules"],
        "receivers": [
            {"name": "pager", "webhook_configs": [{**webhook, "url": f"{receivers.webhook_url}/pager"}]},
            {"name": "tickets", "slack_configs": [slack]},
            {
                "name": "watchdog",
                "webhook_configs": [{**webhook, "url": f"{receivers.webhook_url}/heartbeat"}],
            },
        ],
    }


def _alertmanager(folder: Path) -> Path:
    """Debian's build reads its templates below `/usr/share`, where a package that is only unpacked has none; this copy
    reads them from its working directory.
    """
    copy = folder / "alertmanager-program"
    wanted = b"/usr/share/prometheus/alertmanager"
    copy.write_bytes(tool("alertmanager").read_bytes().replace(wanted, b"./" * (len(wanted) // 2)))
    copy.chmod(0o755)
    return copy


def _written(folder: Path, name: str, content: Any) -> Path:
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(content))
    return path
