"""`visapi rate current|list|set|remove|key`: the rates of keys."""

from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import USAGE, as_json, done, fail
from visapi.cli.tables import Table
from visapi.client import rate_operations as operations
from visapi_common.contracts.rates import Rate, SetNamedRate, SetRate

rates = typer.Typer(no_args_is_help=True, help="See and set how many requests and runs keys may take.")

PerSecond = Annotated[float | None, typer.Option(min=0.001, max=1_000_000, help="Requests per second.")]
Burst = Annotated[
    int | None, typer.Option(min=1, max=10_000_000, help="Requests at once; else two seconds' worth.")
]
RunsPerDay = Annotated[int | None, typer.Option(min=0, help="Runs started in a day of UTC.")]
RunsPerMonth = Annotated[int | None, typer.Option(min=0, help="Runs started in a month of UTC.")]
Reason = Annotated[str | None, typer.Option(help="The reason, for the audit.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@rates.command()
def current(url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """Show the rates of this command's key, and what remains of each."""
    with connected(url, data_dir) as client:
        found = client.send(operations.current_rates())
    if json:
        as_json(found.items)
        return
    shown = Table("policy", "per second", "at once", "remaining", "all of it in")
    for one in found.items:
        quota = f"{one.quota:,}" if one.unit == "requests" else f"{one.quota:,} runs"
        per_s = "" if one.per_s is None else f"{one.per_s:g}"
        shown.add_row(one.policy, per_s, quota, f"{one.remaining:,}", f"{one.reset_s:,} s")
    shown.show()


@rates.command(name="list")
def list_(url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """List the rates that are set. Everything else has the operator's defaults."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_rates())
    if json:
        as_json(page.items)
        return
    shown = Table("of", "id", "per second", "at once", "runs/day", "runs/month", "keys", elastic=("keys",))
    for one in page.items:
        limits = [one.per_s, one.burst, one.runs_per_day, one.runs_per_month]
        cells = ["" if value is None else f"{value:,}" for value in limits]
        shown.add_row(one.of, one.id, *cells, " ".join(one.keys))
    shown.show()


@rates.command(name="set")
def set_(  # noqa: PLR0913 (each is an option of the command)
    name: Annotated[str, typer.Argument(help="1 to 32 lower-case letters, digits and inner dashes.")],
    *,
    key: Annotated[list[str], typer.Option(help="The id of a key that shares the rate; may be repeated.")],
    per_s: PerSecond = None,
    burst: Burst = None,
    runs_per_day: RunsPerDay = None,
    runs_per_month: RunsPerMonth = None,
    reason: Reason = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Limit the total of several keys. Each key also keeps its own rate."""
    wanted = SetNamedRate(
        keys=key,
        per_s=per_s,
        burst=burst,
        runs_per_day=runs_per_day,
        runs_per_month=runs_per_month,
        reason=reason,
    )
    with connected(url, data_dir) as client:
        rate = client.send(operations.set_rate(name, wanted))
    done(f"{len(rate.keys)} keys share {rate.id}: {_told(rate)}")


@rates.command()
def remove(
    name: Annotated[str, typer.Argument(help="The name of the rate.")],
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Remove a rate that several keys share."""
    with connected(url, data_dir) as client:
        client.send(operations.remove_rate(name))
    done(f"removed {name}")


@rates.command(name="key")
def key_(  # noqa: PLR0913 (each is an option of the command)
    key: Annotated[str, typer.Argument(help="The key's id: the third part of `visapi_live_<id>_…`.")],
    *,
    per_s: PerSecond = None,
    burst: Burst = None,
    runs_per_day: RunsPerDay = None,
    runs_per_month: RunsPerMonth = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to the operator's defaults.")] = False,
    reason: Reason = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Set the rate of one key. Options that are not given keep the operator's default."""
    wanted = SetRate(
        per_s=per_s, burst=burst, runs_per_day=runs_per_day, runs_per_month=runs_per_month, reason=reason
    )
    if reset == (wanted != SetRate(reason=reason)):
        fail("give limits, or --reset", code=USAGE)
    with connected(url, data_dir) as client:
        if reset:
            client.send(operations.reset_rate_of_key(key))
            done(f"the key {key} has the operator's defaults again")
        else:
            rate = client.send(operations.set_rate_of_key(key, wanted))
            done(f"the key {rate.id} has {_told(rate)}")


def _told(rate: Rate) -> str:
    limits = (
        (rate.per_s, "requests per second"),
        (rate.burst, "at once"),
        (rate.runs_per_day, "runs per day"),
        (rate.runs_per_month, "runs per month"),
    )
    return ", ".join(f"{value:,g} {what}" for value, what in limits if value is not None)
