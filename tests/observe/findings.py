"""What is wrong with the rules that a Prometheus evaluates, and with the pages of metrics that it reads."""

import httpx

from alerts.ground import Ground
from alerts.monitoring import Monitoring
from kit.deploy_tools import run

CONVENTIONAL = ("db_client_connection_count ",)
"""Names of OpenTelemetry's semantic conventions, which promtool would have otherwise."""


def wrong_rules(watching: Monitoring) -> list[str]:
    """Rules that Prometheus did not load, or could not evaluate."""
    answer = httpx.get(f"{watching.near.url}/api/v1/rules", trust_env=False, timeout=20).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert rules, "Prometheus has loaded no rules"
    return [
        f"rule {rule['name']}: {rule.get('lastError') or rule['health']}"
        for rule in rules
        if rule["health"] != "ok"
    ]


def wrong_pages(ground: Ground) -> list[str]:
    """What promtool says of the page of each service."""
    found: list[str] = []
    for service, url in ground.stack.ready.metrics.items():
        text = httpx.get(f"{url}/metrics", trust_env=False, timeout=20).text
        done = run("promtool", "check", "metrics", stdin=text)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        found += [f"metrics of {service}: {line}" for line in lines if not line.startswith(CONVENTIONAL)]
    return found
