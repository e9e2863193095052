"""`python -m bench.load`: put a load on an embedded stack, then account for every start.

    make load                        5,000 starts a minute for 30 minutes
    make load PROFILE=mixed MINUTES=5

Code 1 when a limit of the profile was missed. The report goes to `bench/out/load-<profile>.json`.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec
from rich.console import Console

from bench.load import report
from bench.load.account import Seen, account, read_runs
from bench.load.k6 import run_k6
from bench.load.profiles import NAMES, Profile, profile
from bench.load.sampling import Sampler
from bench.stack import BenchStack, drain
from bench.workflows import invoice, paper, three_steps
from visapi.stack.inbox import mails, read_mail

_OUT = Path(__file__).parents[1] / "out"
_BODIES = {
    "three-steps": {"order": "@@", "note": "x" * 200},
    "paper": {"number": "@@", "html": invoice(0).replace("Invoice 0", "Invoice @@")},
}
_DRAIN_S = 600.0


def put_on(load: Profile) -> report.Measured:
    """The load, on a stack of its own."""
    with tempfile.TemporaryDirectory(prefix="visapi-load-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with BenchStack(folder, options=["--inbox"]) as stack:
            effects = folder / "effects.txt"
            effects.touch()
            stack.start_worker("bench.load.counting_worker", {"BENCH_EFFECTS": str(effects)})
            stack.deploy(three_steps("bench.count"))
            stack.deploy(paper())
            return _measure(load, stack, folder)


def _measure(load: Profile, stack: BenchStack, folder: Path) -> report.Measured:
    body, began = msgspec.json.encode(_BODIES[load.work]).decode(), time.time() - 1
    url = f"{stack.url}/v1/workflows/bench/{load.work}/runs"
    with Sampler(stack.processes(), every_s=min(5.0, load.seconds / 8)) as sampler:
        sent = run_k6(load, url=url, key=stack.key, body=body, folder=folder)
    with contextlib.suppress(SystemExit):  # what is still open is in the account
        drain(stack, timeout_s=_DRAIN_S)
    runs, left, keys = asyncio.run(read_runs(folder / "data", load, load.work, began))
    seen = Seen(runs, left, keys, _effects(load, folder))
    # Mails are once each; a rendered document is counted by its run, which completes with it.
    per_run = load.jobs_per_run if load.work == "three-steps" else 1
    return report.Measured(load, sent, seen, account(load, sent, seen, effects_per_run=per_run), sampler)


def _effects(load: Profile, folder: Path) -> Counter[str]:
    if load.work == "three-steps":
        return Counter((folder / "effects.txt").read_text().split())
    return Counter(str(read_mail(path)["subject"]) for path in mails(folder / "data" / "mail"))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="load", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--profile", choices=NAMES, default="sustained")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the load lasts")
    parser.add_argument("--per-minute", type=int, help="starts a minute, instead of the profile's")
    parser.add_argument("--out", type=Path, help="where the report goes as JSON")
    given = parser.parse_args()
    load = profile(given.profile, minutes=given.minutes, per_minute=given.per_minute)
    console = Console()
    console.print(f"{load.name}: about {load.planned:,} starts in {load.seconds / 60:.1f} minutes")
    measured = put_on(load)
    out = given.out or _OUT / f"load-{load.name}.json"
    held = report.show(measured, console)
    report.save(measured, out)
    console.print(f"{'every limit held' if held else 'a limit was MISSED'}; the report is in {out}")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
