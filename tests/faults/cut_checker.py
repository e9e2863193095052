"""What must hold after the audit was cut: each old row is in exactly one recorded export, what remains is proven. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditRecord
from visapi_common.core.audit_chain import ChainCheck, Cut

_decode = msgspec.json.Decoder(AuditRecord).decode_lines


def judge_cuts(
    planted: Sequence[AuditRecord], old: int, left: Sequence[AuditRecord], exports: Mapping[str, bytes]
) -> list[str]:
    """Every violation. The first `old` of the planted rows were to go; `left` is the chain now, oldest first."""
    check = ChainCheck()
    for row in reversed(left):
        check.take(row)
    broken = check.end()
    found = [] if broken is None else [f"the chain is broken at {broken.seq}: {broken.why}"]
    kept = [row for row in left if row.action != AuditAction.AUDIT_CUT.value]
    if list(planted[old:]) != kept:
        found.append(f"rows {[row.seq for row in kept]} are left of the {len(planted) - old} young ones")
    return [*found, *_exports_hold_the_old_rows(planted, old, left, exports)]


def _exports_hold_the_old_rows(
    planted: Sequence[AuditRecord], old: int, left: Sequence[AuditRecord], exports: Mapping[str, bytes]
) -> list[str]:
    found: list[str] = []
    ended = 0
    for row in left:
        if row.action != AuditAction.AUDIT_CUT.value:
            continue
        cut = msgspec.convert(row.details, Cut)
        if cut.first != ended + 1:
            found.append(f"a cut begins at {cut.first}, the one before ended at {ended}")
        if cut.export not in exports:
            found.append(f"the export of rows {cut.first} to {cut.last} is missing")
        elif _decode(exports[cut.export]) != list(planted[cut.first - 1 : cut.last]):
            found.append(f"the export of rows {cut.first} to {cut.last} holds others")
        ended = cut.last
    if ended != old:
        found.append(f"{old} rows were old, and the cuts end at {ended}")
    return found
