"""When a process that runs is restarted: the decisions, with a clock of the test's own."""

from visapi.stack.probes import SERVES, SILENT, Health
from visapi.stack.vitals import UNREADY_S, Patience, Verdict, Vitals

UNREADY = Health(answers=True, ready=False, detail="nats")


def verdicts(vitals: Vitals, health: Health, seconds: range, *, stores: bool = True) -> list[Verdict]:
    return [vitals.judge(float(now), health, stores_ready=stores) for now in seconds]


def test_ten_silent_seconds_are_a_hang_and_nine_are_not():
    vitals = Vitals(0.0, Patience())
    vitals.judge(0.0, SERVES, stores_ready=True)
    assert set(verdicts(vitals, SILENT, range(1, 11))) == {Verdict.FINE}
    assert vitals.judge(11.0, SILENT, stores_ready=True) is Verdict.SILENT


def test_an_answer_in_between_begins_the_count_anew():
    vitals = Vitals(0.0, Patience())
    vitals.judge(0.0, SERVES, stores_ready=True)
    verdicts(vitals, SILENT, range(1, 9))
    vitals.judge(9.0, UNREADY, stores_ready=True)
    assert set(verdicts(vitals, SILENT, range(10, 20))) == {Verdict.FINE}


def test_a_supervisor_that_slept_itself_blames_nobody():
    vitals = Vitals(0.0, Patience())
    vitals.judge(0.0, SERVES, stores_ready=True)
    assert vitals.judge(1.0, SILENT, stores_ready=True) is Verdict.FINE
    assert vitals.judge(500.0, SILENT, stores_ready=True) is Verdict.FINE
    assert vitals.judge(501.0, SERVES, stores_ready=True) is Verdict.FINE


def test_a_start_may_take_a_minute_and_no_longer():
    vitals = Vitals(0.0, Patience())
    assert set(verdicts(vitals, SILENT, range(60))) == {Verdict.FINE}
    assert vitals.judge(60.0, SILENT, stores_ready=True) is Verdict.SILENT


def test_a_process_is_not_restarted_while_a_store_is_away():
    vitals = Vitals(0.0, Patience())
    assert set(verdicts(vitals, UNREADY, range(1000), stores=False)) == {Verdict.FINE}
    assert set(verdicts(vitals, UNREADY, range(1000, 1000 + int(UNREADY_S) - 1))) == {Verdict.FINE}
    assert vitals.judge(1000 + UNREADY_S, UNREADY, stores_ready=True) is Verdict.UNREADY


def test_a_restart_that_did_not_help_doubles_the_patience_until_it_serves_again():
    patience = Patience()
    assert verdicts(Vitals(0.0, patience), UNREADY, range(0, 121, 120))[-1] is Verdict.UNREADY
    assert verdicts(Vitals(0.0, patience), UNREADY, range(0, 121, 120))[-1] is Verdict.FINE
    assert verdicts(Vitals(0.0, patience), UNREADY, range(0, 241, 240))[-1] is Verdict.UNREADY
    Vitals(0.0, patience).judge(0.0, SERVES, stores_ready=True)
    assert patience.unready_s == UNREADY_S
