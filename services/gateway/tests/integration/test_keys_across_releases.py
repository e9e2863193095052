"""Idempotency keys that the release before this one held."""

import hashlib
from typing import Any

from kit.ledger_rows import overwrite


async def test_a_rerun_that_the_release_before_carried_out_is_answered_again(gateway: Any) -> None:
    """That release hashed the rerun as it hashed a start of the same workflow with the same input."""
    await gateway.deploy()
    run = (await gateway.start({"n": 1})).json()["id"]
    path, key = f"/v1/runs/{run}/rerun", {"Idempotency-Key": "k"}
    first = await gateway.http.post(path, json={}, headers=key)
    former = hashlib.sha256(b'demo/hello?version=1.0.0\n{"n":1}').digest()
    await overwrite(gateway.db, "idempotency", {"key": "k"}, body_hash=former)
    again = await gateway.http.post(path, json={}, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    other = await gateway.http.post(path, json={"input": 2}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
