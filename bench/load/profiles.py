"""The profiles of `make load`: how many starts per minute, when, of what, and what must hold. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Work = Literal["three-steps", "paper"]


@dataclass(frozen=True)
class Stage:
    """The rate goes to `per_minute` within `ramp_s` and stays there for `seconds`."""

    per_minute: int
    seconds: float
    ramp_s: float = 0.0


@dataclass(frozen=True)
class Limits:
    """What must hold at the end. `None`: it is printed only."""

    p95_ms: float | None = 200.0
    errors_share: float | None = 0.001
    jobs_per_minute: float | None = None
    services_mb: float | None = None


@dataclass(frozen=True)
class Profile:
    name: str
    stages: Sequence[Stage]
    limits: Limits = Limits()
    work: Work = "three-steps"
    give_up_ms: float | None = None
    """The load ends when the 95th percentile of all starts so far is above this."""

    @property
    def seconds(self) -> float:
        return sum(stage.ramp_s + stage.seconds for stage in self.stages)

    @property
    def planned(self) -> int:
        """How many starts the stages add up to."""
        total, before = 0.0, 0
        for stage in self.stages:
            total += (
                before + stage.per_minute
            ) / 2 * stage.ramp_s / 60 + stage.per_minute * stage.seconds / 60
            before = stage.per_minute
        return round(total)

    @property
    def jobs_per_run(self) -> int:
        """Tasks that leave the orchestrator for each start."""
        return 3 if self.work == "three-steps" else 2


NAMES = ("sustained", "spike", "soak", "breakpoint", "mixed")
SUSTAINED_PER_MINUTE = 5000


def profile(name: str, *, minutes: float, per_minute: int | None = None) -> Profile:
    """One of `NAMES`, stretched to so many minutes. Raises `ValueError` for another name."""
    seconds = minutes * 60
    match name:
        case "sustained":
            return Profile(name, [Stage(per_minute or SUSTAINED_PER_MINUTE, seconds)])
        case "soak":
            return Profile(name, [Stage(per_minute or SUSTAINED_PER_MINUTE // 2, seconds)])
        case "spike":
            calm = per_minute or 1200
            return Profile(
                name,
                [Stage(calm, seconds / 3), Stage(10 * calm, seconds / 6, 1), Stage(calm, seconds / 2, 1)],
                Limits(p95_ms=None),
            )
        case "breakpoint":
            top = per_minute or 120_000
            limits = Limits(p95_ms=None, errors_share=None)
            return Profile(name, [Stage(600, 5), Stage(top, 0, seconds)], limits, give_up_ms=500)
        case "mixed":
            limits = Limits(jobs_per_minute=1200, services_mb=512)
            return Profile(name, [Stage(per_minute or 720, seconds)], limits, work="paper")
        case _:
            raise ValueError(f"there is no profile {name!r}; there are {', '.join(NAMES)}")


def k6_scenario(load: Profile) -> dict[str, Any]:
    """The scenario of k6: an open loop, whose arrivals do not wait for answers."""
    shared = {"timeUnit": "1m", "preAllocatedVUs": 300, "maxVUs": 2000, "gracefulStop": "30s"}
    if len(load.stages) == 1:
        [stage] = load.stages
        return {
            "executor": "constant-arrival-rate",
            "rate": stage.per_minute,
            "duration": f"{stage.seconds:.0f}s",
            **shared,
        }
    stages: list[dict[str, Any]] = []
    for stage in load.stages:
        stages += [{"target": stage.per_minute, "duration": f"{stage.ramp_s:.0f}s"}]
        stages += [{"target": stage.per_minute, "duration": f"{stage.seconds:.0f}s"}]
    kept = [stage for stage in stages if stage["duration"] != "0s"]
    return {
        "executor": "ramping-arrival-rate",
        "startRate": load.stages[0].per_minute,
        "stages": kept,
        **shared,
    }


def k6_thresholds(load: Profile) -> dict[str, Any]:
    """When k6 ends before its time. What must hold at the end is judged by `account.py`, on all answers."""
    if load.give_up_ms is None:
        return {}
    give_up = {"threshold": f"p(95)<{load.give_up_ms:.0f}", "abortOnFail": True, "delayAbortEval": "10s"}
    return {"http_req_duration": [give_up]}
