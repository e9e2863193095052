"""A kill is charged to one document: the one whose page crashes after it."""

from visapi_pdf_worker.browser.rules.blame import TOLD_WITHIN_S, Blame


def test_the_first_document_that_crashes_after_a_kill_is_charged_with_it_and_no_other() -> None:
    blame = Blame[str]()
    blame.killed(10.0, "memory")
    assert blame.claim(begun=9.0, now=10.1) == "memory"
    assert blame.claim(begun=8.0, now=10.2) is None


def test_a_document_that_began_after_the_kill_is_not_charged() -> None:
    blame = Blame[str]()
    blame.killed(10.0, "memory")
    assert blame.claim(begun=10.05, now=10.1) is None
    assert blame.claim(begun=9.0, now=10.2) == "memory"


def test_a_crash_long_after_a_kill_has_another_cause() -> None:
    blame = Blame[str]()
    blame.killed(10.0, "memory")
    assert blame.claim(begun=9.0, now=10.0 + TOLD_WITHIN_S + 0.1) is None


def test_two_kills_are_charged_to_two_documents() -> None:
    blame = Blame[str]()
    blame.killed(10.0, "memory")
    blame.killed(10.1, "flood")
    assert [blame.claim(9.0, 10.2) for _ in range(3)] == ["memory", "flood", None]
