"""Turns among tenants: nobody holds every place, nobody waits behind another's queue."""

from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core.fair_job_queue import FairJobQueue, JobQueueLimits, Refusal

LIMITS = JobQueueLimits(at_once=4, per_tenant=2, waiting=20, waiting_per_tenant=8, bytes_waiting=1000)


def test_a_tenant_with_many_jobs_leaves_places_for_others():
    queue = FairJobQueue[str](LIMITS)
    for number in range(6):
        assert queue.put("flood", f"flood {number}", 1) is None
    assert [queue.take(), queue.take(), queue.take()] == ["flood 0", "flood 1", None]
    queue.put("honest", "honest 0", 1)
    assert queue.take() == "honest 0"
    queue.done("flood")
    assert queue.take() == "flood 2"


def test_tenants_take_turns():
    queue = FairJobQueue[str](
        JobQueueLimits(at_once=9, per_tenant=8, waiting=20, waiting_per_tenant=8, bytes_waiting=99)
    )
    for job in ("a0", "a1", "a2", "b0", "b1", "c0"):
        queue.put(job[0], job, 1)
    assert [queue.take() for _ in range(7)] == ["a0", "b0", "c0", "a1", "b1", "a2", None]


def test_what_waits_is_bounded_by_number_and_by_bytes():
    queue = FairJobQueue[int](LIMITS)
    assert [queue.put("a", number, 1) for number in range(9)] == [None] * 8 + [Refusal.TENANT_FULL]
    assert queue.put("b", 0, 993) is Refusal.FULL
    assert queue.put("b", 0, 992) is None


def test_a_job_whose_caller_gave_up_is_forgotten():
    queue = FairJobQueue[int](LIMITS)
    queue.put("a", 1, 600)
    queue.put("a", 2, 300)
    queue.drop("a", lambda job: job == 1)
    assert queue.waiting == 1
    assert queue.put("b", 3, 700) is None
    assert queue.take() == 2


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "take", "done", "drop"])), max_size=80)
)
def test_no_sequence_breaks_a_bound_or_loses_a_job(steps):
    queue = FairJobQueue[tuple[str, int]](LIMITS)
    running: list[str] = []
    waiting: list[tuple[str, int]] = []
    for number, (tenant, step) in enumerate(steps):
        if step == "put":
            if queue.put(tenant, (tenant, number), 10) is None:
                waiting.append((tenant, number))
        elif step == "take":
            taken = queue.take()
            if taken is not None:
                mine = [job for job in waiting if job[0] == taken[0]]
                assert taken == mine[0], "a tenant's jobs keep their order"
                waiting.remove(taken)
                running.append(taken[0])
            else:
                free = len(running) < LIMITS.at_once
                assert not free or all(running.count(job[0]) >= LIMITS.per_tenant for job in waiting)
        elif step == "done" and tenant in running:
            running.remove(tenant)
            queue.done(tenant)
        elif step == "drop":
            queue.drop(tenant, lambda job: job[1] % 2 == 0)
            waiting = [job for job in waiting if job[0] != tenant or job[1] % 2]
        assert queue.waiting == len(waiting)
        assert queue.running == len(running) <= LIMITS.at_once
        assert all(running.count(one) <= LIMITS.per_tenant for one in "abc")


def test_jobs_of_one_tenant_may_be_passed_over():
    queue = FairJobQueue[str](LIMITS)
    for job in ("a0", "b0", "a1"):
        queue.put(job[0], job, 1)
    assert [queue.take(other_than="a"), queue.take(other_than="a")] == ["b0", None]
    assert queue.take() == "a0"
