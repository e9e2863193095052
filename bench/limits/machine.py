"""All limits of the machine, each measured beside nothing else."""

from dataclasses import dataclass

from bench.limits import flow, http, ledger
from bench.report import Row, row
from bench.sizes import Sizes
from kit.servers import NatsServer, PostgresServer, run_async


@dataclass
class Limits:
    """What the machine can do without the product, per second."""

    commits: float
    batched_rows: float
    bare_flow: float
    litestar: float

    def rows(self) -> list[Row]:
        return [
            row("limit: single-row commits", self.commits, "/s"),
            row("limit: rows in batches of 64", self.batched_rows, "/s"),
            row("limit: bare 3-step flow", self.bare_flow, "/s"),
            row("limit: Litestar POST 1 KB", self.litestar, "/s"),
        ]


def measure_limits(sizes: Sizes) -> Limits:
    postgres, nats = PostgresServer(durable=True), NatsServer()
    try:
        postgres.start()
        nats.start()
        postgres.prepare_template()
        url = postgres.create().superuser
        return Limits(
            commits=run_async(ledger.single_row_commits(url, seconds=sizes.limit_s)),
            batched_rows=run_async(ledger.batched_rows(url, seconds=sizes.limit_s)),
            bare_flow=run_async(flow.bare_flow(url, nats.url(), workflows=sizes.flow)),
            litestar=run_async(http.litestar_posts(total=sizes.flow * 4)),
        )
    finally:
        nats.close()
        postgres.close()
