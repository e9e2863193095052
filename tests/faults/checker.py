"""What must hold after a fault run: a pure judgement over what was accepted, stored and received.

It checks the promises of docs/explanation/delivery-protocol.md and effects-and-uncertainty.md: an accepted run
ends or is held with a reason; a keyed effect has one key and one body; a once effect happens at most once;
nothing happens that nobody asked for; history is dense and ends once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ENDED = frozenset({"completed", "faulted", "cancelled"})


@dataclass(frozen=True)
class RunSeen:
    """A run as the API shows it once everything is quiet."""

    id: str
    status: str
    held: bool
    """An uncertain effect of this run is open in the dead letters."""
    history: Sequence[tuple[int, str]]
    """`(seq, type)` in order."""
    error: str = ""
    """What the run says of its fault, for the reader of a violation."""


@dataclass(frozen=True)
class EffectSeen:
    """One call that a receiver recorded."""

    run: str
    key: str
    body_hash: str


@dataclass
class Observation:
    """Everything an outsider can know about one fault run."""

    accepted: frozenset[str]
    unknown: int
    """Starts whose answer was lost: they may or may not have been accepted."""
    runs: Mapping[str, RunSeen]
    webhooks: Sequence[EffectSeen] = field(default_factory=list[EffectSeen])
    mails: Sequence[EffectSeen] = field(default_factory=list[EffectSeen])
    cancelled: frozenset[str] = frozenset()
    """Runs that were asked to cancel, and whose request was accepted: they may end so."""
    without_effects: frozenset[str] = frozenset()
    """Accepted runs of a workflow that calls nobody: each effect of theirs is one too many."""


@dataclass
class Verdict:
    violations: list[str]
    counts: dict[str, int]

    @property
    def holds(self) -> bool:
        return not self.violations


def judge(seen: Observation) -> Verdict:
    """Every violation of the promise, each one sentence, and the counts behind the judgement."""
    hooks, mails = _by_run(seen.webhooks), _by_run(seen.mails)
    violations = [
        *_accepted_runs_end_or_are_held(seen),
        *_keyed_effects_have_one_key(seen, hooks),
        *_once_effects_happen_once(seen, mails),
        *_nothing_happens_unasked(seen, hooks, mails),
        *_histories_are_dense(seen),
    ]
    statuses = [run.status for run in seen.runs.values() if run.id in seen.accepted]
    counts = {
        "accepted": len(seen.accepted),
        "unknown": seen.unknown,
        "completed": statuses.count("completed"),
        "faulted": statuses.count("faulted"),
        "cancelled": statuses.count("cancelled"),
        "held": sum(1 for run in seen.runs.values() if run.held),
        "webhook calls": len(seen.webhooks),
        "webhook keys": len({effect.key for effect in seen.webhooks}),
        "mails": len(seen.mails),
    }
    return Verdict(violations, counts)


def _by_run(effects: Sequence[EffectSeen]) -> dict[str, list[EffectSeen]]:
    grouped: dict[str, list[EffectSeen]] = defaultdict(list)
    for effect in effects:
        grouped[effect.run].append(effect)
    return grouped


def _accepted_runs_end_or_are_held(seen: Observation) -> list[str]:
    found: list[str] = []
    for run in sorted(seen.accepted):
        view = seen.runs.get(run)
        if view is None:
            found.append(f"run {run} was accepted and is gone")
        elif view.status == "faulted":
            found.append(f"run {run} faulted although every receiver was healthy: {view.error}")
        elif view.status == "cancelled":
            if run not in seen.cancelled:
                found.append(f"run {run} was cancelled by nobody")
        elif view.status != "completed" and not view.held:
            found.append(f"run {run} is stuck in {view.status} and nothing explains it")
    return found


def _keyed_effects_have_one_key(seen: Observation, hooks: Mapping[str, list[EffectSeen]]) -> list[str]:
    found: list[str] = []
    for run in sorted(seen.accepted):
        calls = hooks.get(run, [])
        keys, bodies = {call.key for call in calls}, {call.body_hash for call in calls}
        view = seen.runs.get(run)
        if run in seen.without_effects:
            continue
        if not calls and view is not None and view.status == "completed":
            found.append(f"run {run} completed and its webhook was never called")
        if len(keys) > 1:
            found.append(f"run {run} reached its webhook under {len(keys)} effect keys")
        if len(bodies) > 1:
            found.append(f"run {run} reached its webhook with {len(bodies)} different bodies")
    return found


def _once_effects_happen_once(seen: Observation, mails: Mapping[str, list[EffectSeen]]) -> list[str]:
    found: list[str] = []
    for run in sorted(seen.accepted):
        count, view = len(mails.get(run, [])), seen.runs.get(run)
        if count > 1:
            found.append(f"run {run} sent {count} mails")
        if count == 0 and view is not None and view.status == "completed" and run not in seen.without_effects:
            found.append(f"run {run} completed and sent no mail")
    return found


def _nothing_happens_unasked(
    seen: Observation, hooks: Mapping[str, list[EffectSeen]], mails: Mapping[str, list[EffectSeen]]
) -> list[str]:
    strangers = (set(hooks) | set(mails)) - set(seen.accepted)
    found = [
        f"run {run} has an effect and calls nobody"
        for run in sorted(seen.without_effects & (set(hooks) | set(mails)))
    ]
    if len(strangers) > seen.unknown:
        found.append(
            f"{len(strangers)} runs had effects, were not accepted, and only {seen.unknown} are unknown"
        )
    return found


def _histories_are_dense(seen: Observation) -> list[str]:
    found: list[str] = []
    for run in seen.runs.values():
        numbers = [seq for seq, _ in run.history]
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"run {run.id} has a history that is not dense: {numbers[:20]}")
        ends = [
            kind for _, kind in run.history if kind.removeprefix("workflow.") in ENDED and "workflow" in kind
        ]
        if run.status in ENDED and len(ends) != 1:
            found.append(f"run {run.id} is {run.status} and its history ends {len(ends)} times")
    return found
