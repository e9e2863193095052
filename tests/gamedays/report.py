"""The page of a game day, written from what was measured. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faults.checker import Verdict
from gamedays.door import Entry
from gamedays.figures import Ends, Figures


@dataclass(frozen=True)
class Heard:
    """One notice of an alert: its span, the seconds since the span began, the receiver."""

    span: str
    after_s: float
    alert: str
    receiver: str


@dataclass(frozen=True)
class Day:
    """Everything that was measured."""

    number: int
    target: str
    """The command that held it."""
    held_at: str
    machine: str
    took_s: float
    runs_per_s: float
    journal: Mapping[str, Any]
    """What Chaos Toolkit wrote: the hypothesis before and after, and each activity."""
    entries: Sequence[Entry]
    figures: Sequence[Figures]
    heard: Sequence[Heard]
    verdict: Verdict
    never_accepted: int


def failures(day: Day) -> list[str]:
    """Why the day is not passed, each one sentence; empty when it is."""
    found = list(day.verdict.violations)
    if day.never_accepted:
        found.append(f"{day.never_accepted} starts were never accepted")
    wrong = sum(figures.refused.get(500, 0) for figures in day.figures)
    if wrong:
        found.append(f"{wrong} starts were answered 500, which is a defect")
    for when in ("before", "after"):
        found += [
            f"the hypothesis did not hold {when} the blows: {probe['activity']['name']} was {_said(probe)}"
            for probe in _probes(day, when)
            if not probe["tolerance_met"]
        ]
        if not _probes(day, when):
            found.append(f"the hypothesis was not tried {when} the blows")
    for entry in day.entries:
        found += [
            f"{entry.name}: {how} did not tell" for how, after_s in entry.detected.items() if after_s is None
        ]
        found += [
            f"{entry.name}: {what} were still held"
            for what, after_s in entry.released.items()
            if after_s is None
        ]
        if entry.recovered_s is None:
            found.append(f"{entry.name}: runs from before were still open when the time was over")
    found += [
        f"{run['activity']['name']}: {run['status']}"
        for run in day.journal.get("run", [])
        if run["status"] != "succeeded"
    ]
    return found


def page(day: Day) -> str:
    """The report in Markdown."""
    experiment = day.journal["experiment"]
    return "\n".join([
        f"# Game day {day.number}: {experiment['title'].lower()}",
        "",
        f"Written by `{day.target}` from what it measured; [what the words mean](README.md).",
        "",
        experiment["description"].strip(),
        "",
        f"Held on {day.held_at} on {day.machine}, in {day.took_s:.0f} s, with {day.runs_per_s:g} starts a second.",
        "",
        *_outcome(day),
        "## Hypothesis",
        "",
        *_hypothesis(day),
        "## Blows",
        "",
        *_blows(day.entries),
        "## What clients saw",
        "",
        *_clients(day.figures),
        "## Alerts",
        "",
        *_alerts(day.heard),
        "## Account",
        "",
        *_table(("", "count"), [(name, str(count)) for name, count in day.verdict.counts.items()]),
        f"Lost or doubled: {len(day.verdict.violations)}.",
        "",
    ])  # fmt: skip


def _outcome(day: Day) -> Iterator[str]:
    found = failures(day)
    yield "## Outcome"
    yield ""
    if day.verdict.violations:
        yield f"**LOST OR DOUBLED: {len(day.verdict.violations)}.**"
    else:
        yield "Nothing was lost and nothing was doubled."
    yield "**Not passed.**" if found else "Passed."
    yield ""
    if found:
        yield from (f"- {sentence}" for sentence in found)
        yield ""


def _hypothesis(day: Day) -> list[str]:
    after = {probe["activity"]["name"]: probe for probe in _probes(day, "after")}
    rows: list[tuple[str, ...]] = []
    for probe in _probes(day, "before"):
        name = probe["activity"]["name"]
        low, high = probe["activity"]["tolerance"]["range"]
        rows.append((name, f"{low:g} to {high:g}", _said(probe), _said(after[name]) if name in after else "not tried"))  # fmt: skip
    return _table(("probe", "must be", "before", "after"), rows)


def _blows(entries: Sequence[Entry]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for entry in entries:
        lasted = entry.healed_at - entry.struck_at
        seen = [
            f"{_code(how)} {'NOT HEARD' if after_s is None else f'after {after_s:.1f} s'}"
            for how, after_s in entry.detected.items()
        ]
        recovered = "NOT WITHIN THE TIME" if entry.recovered_s is None else f"{entry.recovered_s:.1f} s"
        seen += [
            f"{what}: {'HELD' if after_s is None else f'ended after {after_s:.1f} s'}"
            for what, after_s in entry.released.items()
        ]
        rows.append((
            entry.what, f"{lasted:.0f} s" if lasted else "heals by itself", "<br>".join(seen), recovered,
        ))  # fmt: skip
    return _table(("blow", "lasted", "detected", "recovered after"), rows)


def _clients(figures: Sequence[Figures]) -> list[str]:
    rows = [
        (
            each.span, str(each.starts), _answers(each.refused), f"{each.slowest_start_s:.2f} s",
            _took(each.inside), _took(each.outside),
        )
        for each in figures
    ]  # fmt: skip
    return _table(
        ("from this blow to the next", "starts", "answers that were no `202`", "slowest start",
         "runs inside: median, slowest", "runs with effects: median, slowest"),
        rows,
    )  # fmt: skip


def _alerts(heard: Sequence[Heard]) -> list[str]:
    rows = [(each.span, f"{each.after_s:.1f} s", each.alert, each.receiver) for each in heard]
    return _table(("blow", "after", "alert", "receiver"), rows) if rows else ["None was heard.", ""]


def _answers(refused: Mapping[int, int]) -> str:
    said = {status: str(status) if status else "no answer" for status in refused}
    return ", ".join(f"{said[status]}: {count}" for status, count in refused.items()) or "none"


def _took(ends: Ends) -> str:
    return f"{ends.median_s:.2f} s, {ends.slowest_s:.2f} s (of {ends.ended})" if ends.ended else "none ended"


def _probes(day: Day, when: str) -> list[Any]:
    state = day.journal.get("steady_states", {}).get(when)
    return list(state["probes"]) if state else []


def _said(probe: Mapping[str, Any]) -> str:
    output = probe["output"]
    text = str(output["body"]) if output else "no answer"
    try:
        return f"{float(text):.3g}"
    except ValueError:
        return text


def _code(how: str) -> str:
    kind, _, name = how.partition(" ")
    return f"{kind} `{name}`" if kind == "alert" else f"`{how}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(cell.replace('|', ' ') for cell in line)} |" for line in lines), ""]
