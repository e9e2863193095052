"""Profiles of docker-compose.yml and secrets of an operator, as compose_demo.py starts and examines them."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compose_engine import Compose, DemoError

ARTIFACTS = """\
import os
print(sum(len(files) for _, _, files in os.walk('/var/lib/visapi/artifacts')))
"""
ASK = """\
import json, urllib.request as http
def ask(path):
    return json.load(http.urlopen('http://prometheus:9090/api/v1/' + path, timeout=5))['data']
up = ask('query?query=up%7Bjob%3D%22visapi%22%7D')['result']
print(json.dumps({
    'up': sorted(each['metric']['service'] for each in up if each['value'][1] == '1'),
    'rules': len(ask('rules')['groups']),
    'alertmanagers': len(ask('alertmanagers')['activeAlertmanagers']),
}))
"""
TOKEN = "xoxb-of-an-operator"  # noqa: S105 (of no Slack)
SHOW = "print(open('/run/visapi/slack-token').read())"
SCRAPED = ["gateway", "notifier", "orchestrator", "pdf-worker"]
SCRAPED_S = 60.0


@dataclass(frozen=True)
class Profile:
    """Containers that start beside PostgreSQL, settings of the services, and what holds after the demo."""

    services: tuple[str, ...]
    check: Callable[[Compose], str]
    """Says what was found; raises `DemoError`."""
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    killed: tuple[str, ...] = ()


def check_s3(compose: Compose) -> str:
    """The demo has read its document back, and no file lies in the volume in place of S3."""
    found = _in_service(compose, "gateway", ARTIFACTS)
    if found != "0":
        raise DemoError(f"{found} files lie in the volume `artifacts`, and none should with the profile s3")
    return "all artifacts lie in S3, none in the volume"


def check_observability(compose: Compose) -> str:
    """Prometheus has scraped each service with the token, knows the rules and reaches Alertmanager."""
    deadline, found = time.monotonic() + SCRAPED_S, {}
    while time.monotonic() < deadline:
        found = json.loads(_in_service(compose, "gateway", ASK))
        if found["up"] == SCRAPED and found["rules"] and found["alertmanagers"] == 1:
            return f"Prometheus scrapes {', '.join(SCRAPED)}, and holds {found['rules']} groups of rules"
        time.sleep(2)
    raise DemoError(f"Prometheus has after {SCRAPED_S:.0f} s: {found}")


def write_own_secrets(folder: Path) -> dict[str, str]:
    """A token in a folder of an operator, readable by its owner only; the settings that name both."""
    (folder / "slack-token").touch(mode=0o600)
    (folder / "slack-token").write_text(TOKEN, encoding="ascii")
    return {
        "VISAPI_OPERATOR_SECRETS": str(folder),
        "VISAPI_SLACK_TOKEN_FILE": "/run/visapi/slack-token",
    }


def check_own_secrets(compose: Compose) -> str:
    """The notifier, which would not have started without the file, has a copy that it may read."""
    if _in_service(compose, "notifier", SHOW) != TOKEN:
        raise DemoError("the notifier has another token than the folder of the operator")
    return "the notifier reads the operator's token"


def _in_service(compose: Compose, service: str, code: str) -> str:
    return compose.do("exec", "-T", service, "/usr/bin/python3.11", "-c", code).stdout.strip()


PROFILES = {
    "s3": Profile(
        ("s3",),
        check_s3,
        {"VISAPI_ARTIFACTS_URL": "s3://visapi", "VISAPI_S3_ENDPOINT": "http://s3:8333"},
        killed=("s3",),
    ),
    "observability": Profile(("prometheus", "alertmanager"), check_observability),
}
"""Grafana and the collector are left out: neither has a stand-in where no registry can be reached."""
