"""Whatever runs there are, the steps of a bulk command meet each of those counted once, and no other."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from visapi_gateway.runs.bulk.rules import PAGE, BulkToken, decode_token, encode_token

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
ids = st.integers(min_value=1, max_value=2000).map(lambda number: UUID(int=number))


@given(st.sets(ids, max_size=350), ids, st.integers(min_value=0, max_value=400))
def test_the_steps_meet_the_newest_counted_runs_once_from_new_to_old(
    runs: set[UUID], newest: UUID, count: int
):
    ordered = sorted(runs, reverse=True)
    met: list[UUID] = []
    token: BulkToken | None = BulkToken(newest, NOON, count)
    while token is not None:
        below, room = token.below, token.room
        page = [run for run in ordered if run < below][:room]
        assert len(page) <= PAGE
        met += page
        following = token.after(page)
        token = None if following is None else decode_token(encode_token(following))
    assert met == [run for run in ordered if run < newest][:count]
