"""What a trial found, as a table."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from alerts.ticket_faults import NOT_MADE
from alerts.trial import PAGE_WITHIN_S, Result, Trial, precision, recall


def show(trial: Trial, console: Console) -> None:
    faults = Table("alert", "fault", "for", "injection to receiver", "false pages", title="Faults")
    for result in trial.faults:
        faults.add_row(
            result.alert,
            result.what,
            "page" if result.page else "ticket",
            _time(result),
            ", ".join(result.false_pages),
        )
    console.print(faults)
    calm = Table("disturbance", "pages", title="Harmless disturbances")
    for result in trial.disturbances:
        calm.add_row(result.what, ", ".join(result.false_pages) or "none")
    console.print(calm)
    missing = Table("alert", "why", title="No fault is made for")
    for alert, why in sorted(NOT_MADE.items()):
        missing.add_row(alert, why)
    console.print(missing)
    for line in summary(trial):
        console.print(line)


def summary(trial: Trial) -> Iterable[str]:
    pages = [result for result in trial.faults if result.page]
    times = [result.after_s for result in pages if result.after_s is not None]
    yield f"{len(trial.faults)} faults ({len(pages)} of them for pages), {len(trial.disturbances)} disturbances"
    yield (
        f"precision {precision(trial.faults, trial.disturbances):.3f}, recall {recall(trial.faults):.3f} "
        f"(pages within {PAGE_WITHIN_S:.0f} s, ApiErrorsBurn within 120 s: {recall(pages):.3f})"
    )
    if times:
        yield f"pages: slowest {max(times):.0f} s, median {sorted(times)[len(times) // 2]:.0f} s"


def _time(result: Result) -> str:
    return "NOT HEARD" if result.after_s is None else f"{result.after_s:.0f} s"
