"""The failure that the workflow sees for a handler's exception."""

import pytest

from visapi_common.contracts.engine_messages import Outcome
from visapi_common.contracts.problems import FieldError, standard_error
from visapi_common.contracts.task_messages import EffectClass
from visapi_common.core.egress_policy import EgressRefused, MalformedRedirect, MalformedUrl
from visapi_common.core.errors import PermanentFault, ProblemError, TransientFault, UnknownFault
from visapi_common.worker import TaskFault, TransientTaskFault, Worker
from visapi_common.worker.outcomes import failure_of, happened, poison, timed_out, too_late
from visapi_common.worker.retries import wait_s

ONCE, KEYED, RECONCILABLE = EffectClass.ONCE, EffectClass.KEYED, EffectClass.RECONCILABLE


@pytest.mark.parametrize("raised", [ProblemError("bad", "x"), PermanentFault("x"), TransientFault("x")])
@pytest.mark.parametrize("effect", [ONCE, KEYED, RECONCILABLE])
def test_what_certainly_had_no_effect_faults_in_every_class(raised, effect):
    assert failure_of(raised, effect).outcome is Outcome.FAULTED


@pytest.mark.parametrize(
    ("refused", "kind", "status", "title"),
    [
        (EgressRefused("x", internal="10.0.0.1"), "authorization", 421, "Destination refused"),
        (MalformedUrl("x"), "validation", 400, "Malformed URL"),
        (MalformedRedirect("x"), "communication", 502, "Malformed answer"),
    ],
)
@pytest.mark.parametrize("effect", [ONCE, KEYED, RECONCILABLE])
def test_what_the_egress_guard_refused_has_a_type_and_a_status_of_its_own(
    refused, kind, status, title, effect
):
    failure = failure_of(refused, effect)
    assert failure.outcome is Outcome.FAULTED
    assert failure.error == standard_error(kind, status, title=title, detail="x")


@pytest.mark.parametrize("raised", [UnknownFault("x"), ValueError("x"), TimeoutError()])
def test_what_may_have_had_an_effect_is_held_only_where_it_must_not_be_repeated(raised):
    assert failure_of(raised, ONCE).outcome is Outcome.UNCERTAIN
    assert failure_of(raised, KEYED).outcome is Outcome.FAULTED
    assert timed_out(ONCE, 1).outcome is Outcome.UNCERTAIN


@pytest.mark.parametrize(("effect", "outcome"), [(ONCE, Outcome.UNCERTAIN), (KEYED, Outcome.FAULTED)])
def test_what_an_earlier_delivery_may_have_done_is_held_only_where_it_must_not_be_repeated(effect, outcome):
    assert too_late(effect, begun=False).outcome is Outcome.FAULTED
    assert too_late(effect, begun=True).outcome is outcome
    assert poison(effect, 6).outcome is outcome
    assert happened(failure_of(PermanentFault("no store"), KEYED), effect).outcome is outcome


def test_a_bug_is_told_by_its_type_and_never_by_its_message():
    failure = failure_of(ValueError("the customer's data"), KEYED)
    assert failure.bug
    assert "ValueError" in (failure.error.detail or "")
    assert "customer" not in (failure.error.detail or "")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "validation"),
        (401, "authentication"),
        (403, "authorization"),
        (408, "timeout"),
        (422, "validation"),
        (502, "runtime"),
    ],
)
def test_a_problem_keeps_its_status_and_gets_the_standard_type_of_it(status, kind):
    error = failure_of(ProblemError("code", "detail", status=status), KEYED).error
    assert (error.type.rpartition("/")[2], error.status, error.title) == (kind, status, "code")


def test_the_field_errors_of_a_problem_travel_as_data():
    problem = ProblemError("bad", "x", errors=[FieldError("/age", "too old")])
    assert failure_of(problem, KEYED).error.data == {"errors": [{"pointer": "/age", "detail": "too old"}]}


@pytest.mark.parametrize("kind", [TaskFault, TransientTaskFault])
def test_a_handler_may_choose_the_error_that_the_workflow_catches(kind):
    error = standard_error("communication", 404, title="Not found")
    assert failure_of(kind(error), KEYED).error == error


def test_the_worlds_advice_is_a_floor_under_the_jittered_wait():
    assert wait_s(TransientFault("x", retry_after_s=3), 1, 0.0) == 3
    assert wait_s(TransientFault("x"), 50, 0.99) < 4
    assert wait_s(UnknownFault("x"), 1, 0.0) == 0


def test_a_function_cannot_be_registered_twice():
    worker = Worker()

    async def work(_input: object) -> None: ...

    worker.function("acme.x")(work)
    with pytest.raises(ValueError, match="registered twice"):
        worker.function("acme.x")(work)


def test_a_function_without_an_input_is_refused_at_registration():
    async def work() -> None: ...

    with pytest.raises(TypeError, match="takes its input"):
        Worker().function("acme.x")(work)
