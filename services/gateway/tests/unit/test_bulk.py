"""What a bulk command may mean, and for how long its token works."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from visapi_common.contracts.bulk import BulkAction
from visapi_common.core.errors import ProblemError
from visapi_gateway.runs.bulk.rules import LIVES, BulkToken, check_age, meant
from visapi_gateway.runs.reading.rules.filters import RunFilter

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_a_token_works_for_a_day() -> None:
    token = BulkToken(UUID(int=1), NOON, 1)
    check_age(token, NOON + LIVES)
    with pytest.raises(ProblemError, match="count the runs again"):
        check_age(token, NOON + LIVES + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("action", "asked", "statuses"),
    [
        (BulkAction.RESUME, (), ("suspended",)),
        (BulkAction.CANCEL, ("running", "completed"), ("running",)),
        (BulkAction.RERUN, (), ("cancelled", "completed", "faulted")),
    ],
)
def test_only_states_that_the_action_can_change_are_meant(
    action: BulkAction, asked: tuple[str, ...], statuses: tuple[str, ...]
) -> None:
    assert meant(action, RunFilter(statuses=asked, namespace="demo")).statuses == statuses
