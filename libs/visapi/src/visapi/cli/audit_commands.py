"""`visapi audit list|verify`: who did what, and whether the record of it is whole."""

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, console, done, fail, say
from visapi.cli.tables import Table
from visapi.client import operations
from visapi_common.contracts.audit import AuditPage, AuditRecord
from visapi_common.core.audit_chain import ChainCheck, Head

audit = typer.Typer(no_args_is_help=True, help="Read and verify the audit log.")
_PAGE = 1000


@audit.command(name="list")
def list_(
    *,
    action: Annotated[str | None, typer.Option(help="Only this action, such as run.cancel.")] = None,
    target: Annotated[
        str | None, typer.Option(help="Only entries about this target: run:<id>, key:<id>.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=1000)] = 50,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List audit entries, newest first."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_audit(action=action, target=target, limit=limit))
    if json:
        as_json(page.items)
        return
    shown = Table("#", "time", "actor", "action", "target", "reason", elastic=("reason", "actor"))
    for row in page.items:
        time = f"{row.time:%Y-%m-%d %H:%M:%S}"
        shown.add_row(str(row.seq), time, row.actor, row.action, row.target, row.reason or "")
    shown.show()


@audit.command()
def verify(
    expect: Annotated[
        str | None, typer.Option(help="A head that this command printed before, <number>:<hash>.")
    ] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify the whole chain; print its head, or the first row that was changed.

    Rows removed from the end leave no trace: keep the head elsewhere and give it next time.
    """
    check = ChainCheck(_head(expect))
    with connected(url, data_dir) as client:
        read_chain(check, lambda cursor: client.send(operations.list_audit(limit=_PAGE, cursor=cursor)))
    broken = check.end()
    if broken is not None:
        fail(
            f"row {broken.seq}: {broken.why}",
            hint="Compare with a backup; somebody changed the table itself.",
        )
    if check.head is None:
        say("the audit is empty")
        return
    done(f"{check.rows} rows, each as it was written")
    if check.cut is not None:
        say(f"rows 1 to {check.cut.last} were deleted for their age: visapi audit list --action audit.cut")
    if check.unproven:
        say("the expected row is one of them: compare it with the artifact that the cut names")
    head = f"{check.head.seq}:{check.head.hash}"
    if json:
        as_json({"rows": check.rows, "head": head})
    else:
        console().print(head)


def read_chain(check: ChainCheck, page_of: Callable[[str | None], AuditPage]) -> None:
    """Read the audit, newest first, into the check. Where a cut deletes rows meanwhile, the row that records
    it is read too.
    """
    for row in _rows(page_of):
        check.take(row)
    head = check.head
    if head is not None and check.misses_older:
        check.follow(list(takewhile(lambda row: row.seq > head.seq, _rows(page_of))))


def _rows(page_of: Callable[[str | None], AuditPage]) -> Iterator[AuditRecord]:
    cursor = None
    while True:
        page = page_of(cursor)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def _head(expect: str | None) -> Head | None:
    if expect is None:
        return None
    number, colon, digest = expect.partition(":")
    if not colon or not number.isdecimal() or len(digest) != 64:
        raise typer.BadParameter("give <number>:<hash> as `visapi audit verify` printed it")
    return Head(int(number), digest)
