"""`kill -9` of whoever cuts the audit, again and again: no row is lost, none is exported by two cuts."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest

from faults.audit_cutter import KEEP_DAYS
from faults.cut_checker import judge_cuts
from kit.audit_rows import audit_of, put_audit
from kit.servers import Database
from kit.waiting import eventually
from visapi_common.contracts.audit import AuditAction, AuditEntry, AuditRecord
from visapi_common.core.audit_chain import Cut, Head, chained
from visapi_gateway.audit.retention import LIMIT

pytestmark = pytest.mark.timeout(300)

TESTS = Path(__file__).parents[1]
KILLS = 4
OLD = LIMIT * (KILLS + 1) + 7
YOUNG = 3
_CHAIN = """
select tenant, seq, at as time, actor, action, target, reason, request_id, convert_from(details, 'utf8') as details,
    encode(previous, 'hex') as previous, encode(hash, 'hex') as hash
from visapi.audit where tenant = 'default' order by seq
"""


def cutter(database: Database, exports: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "faults.audit_cutter", database.gateway, str(exports)]
    return subprocess.Popen(command, cwd=TESTS)


def exported(folder: Path) -> dict[str, bytes]:
    """Whole exports, by their ids."""
    return {path.name: path.read_bytes() for path in folder.rglob("*.ndjson")}


async def chain(database: asyncpg.Connection) -> list[AuditRecord]:
    """The rows that are left, oldest first."""
    rows = [dict(row) for row in await database.fetch(_CHAIN)]
    return [AuditRecord(**{**row, "details": msgspec.json.decode(row["details"])}) for row in rows]


@pytest.mark.full
async def test_no_row_is_lost_or_exported_twice_when_whoever_cuts_is_killed(
    postgres_db: Database, tmp_path: Path
) -> None:
    planted = audit_of([KEEP_DAYS + 50] * OLD + [1] * YOUNG)
    database = await asyncpg.connect(postgres_db.superuser)
    await put_audit(database, planted)
    for _ in range(KILLS):
        before = len(exported(tmp_path))
        with cutter(postgres_db, tmp_path) as running:
            # Right after an export: its cut is recorded, under way, or not begun.
            await eventually(lambda before=before: len(exported(tmp_path)) > before)
            running.kill()
    under_way = len(await chain(database))
    assert under_way > YOUNG + KILLS, "the cuts were over before the last kill"
    with cutter(postgres_db, tmp_path) as running:
        pass
    assert running.returncode == 0
    assert judge_cuts(planted, OLD, await chain(database), exported(tmp_path)) == []
    await database.close()


PLANTED = audit_of([500, 500, 500, 1])


def cut_off(first: int, last: int, above: AuditRecord) -> AuditRecord:
    details = msgspec.to_builtins(Cut(first, last, PLANTED[last - 1].hash, f"{first}-{last}"))
    entry = AuditEntry("default", "retention", AuditAction.AUDIT_CUT, "audit:default", None, "", details)
    return chained([entry], Head(above.seq, above.hash), datetime.now(UTC))[0]


def lines(rows: Sequence[AuditRecord]) -> bytes:
    return msgspec.json.Encoder().encode_lines(rows)


FIRST = cut_off(1, 2, PLANTED[3])
LEFT = [PLANTED[3], FIRST, cut_off(3, 3, FIRST)]
EXPORTS = {"1-2": lines(PLANTED[:2]), "3-3": lines(PLANTED[2:3])}


def test_a_whole_cut_has_no_violation() -> None:
    assert judge_cuts(PLANTED, 3, LEFT, EXPORTS) == []


@pytest.mark.parametrize(
    ("defect", "sentence"),
    [
        (lambda: (LEFT[1:], EXPORTS), "of the 1 young ones"),
        (lambda: ([PLANTED[2], *LEFT], EXPORTS), "young ones"),
        (lambda: ([LEFT[0], LEFT[2]], EXPORTS), "chain is broken"),
        (lambda: (LEFT[:2], EXPORTS), "the cuts end at 2"),
        (lambda: ([*LEFT, cut_off(3, 3, LEFT[2])], EXPORTS), "a cut begins at 3, the one before ended at 3"),
        (lambda: (LEFT, {"1-2": EXPORTS["1-2"]}), "is missing"),
        (lambda: (LEFT, {**EXPORTS, "1-2": lines(PLANTED[:1])}), "holds others"),
    ],
)
def test_a_planted_defect_of_a_cut_is_found(
    defect: Callable[[], tuple[list[AuditRecord], dict[str, bytes]]], sentence: str
) -> None:
    assert sentence in " ".join(judge_cuts(PLANTED, 3, *defect()))
