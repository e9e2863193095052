"""What must hold after releases were switched under load, and the numbers behind it."""

import json
import os

from faults.checker import judge
from upgrade.background import Background
from upgrade.cluster import Cluster
from upgrade.traffic import Traffic

PER_SECOND = float(os.environ.get("VISAPI_TEST_UPGRADE_RATE", "4"))
"""Runs started per second; each is read, its history too, and some are cancelled."""
_SETTLE_S = 180.0


def judged(name: str, cluster: Cluster, background: Background, load: Traffic) -> None:
    """Wait until everything is quiet, print the counts, and hold the promise against them."""
    background.run(load.settle(timeout_s=_SETTLE_S))
    seen = background.run(load.observe())
    verdict = judge(seen)
    told = {
        "requests": dict(load.requests),
        "failed": len(load.failed),
        **verdict.counts,
        "lost": len(load.accepted)
        - sum(verdict.counts[end] for end in ("completed", "faulted", "cancelled")),
        "doubled": sum(
            "different" in one or "mails" in one or "effect keys" in one for one in verdict.violations
        ),
        "slowest request s": round(load.slowest_s, 2),
        "streams of followers": [follower.streams for follower in load.followers],
    }
    print(f"\n{name}: {json.dumps(told)}")
    for failure in load.failed:
        print(f"  failed: {failure}")
    if load.failed or verdict.violations:
        print("\n".join([*cluster.timeline, *cluster.complaints()[:80]]))
    assert load.failed == []
    assert verdict.violations == []
    assert [flaw for follower in load.followers for flaw in follower.flaws] == []
