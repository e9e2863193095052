"""Functions of the default catalog that the engine carries out: what an author is told of them."""

from textwrap import dedent

import pytest

from visapi_engine.compile.compiler import DefinitionInvalid, compile_definition

HEAD = "document: {dsl: '1.0.3', namespace: test, name: sample, version: '1.0.0'}\ndo:\n"


def mistakes(tasks: str) -> dict[str, str]:
    with pytest.raises(DefinitionInvalid) as caught:
        compile_definition((HEAD + dedent(tasks)).encode(), "application/yaml")
    return {error.pointer: error.detail for error in caught.value.errors}


def test_mistakes_of_a_question_to_people_are_told_at_their_places() -> None:
    found = mistakes("""
        - a: {call: human.approve, with: {text: 7, tittle: Go?, onDeadline: approve}}
        - b: {call: 'human.approve:1.0.0@default', with: {title: Go?, text: 7, choices: [yes please], deadline: PT1H,
            onDeadline: reject}}
        - c: {call: human.approve, with: {title: Go?, onDeadline: approve, escalation: {notify: []}}}
        - e: {call: human.approve, with: {title: Go?, approvers: [mia, link], escalation: {after: PT1H,
            approvers: ['key:7'], notify: [{m: {call: acme.mail}}]}}}
        - d: {call: 'human.approve:9.0.0', with: {title: Go?, notify: [{d: {cal: x.y}}]}}
    """)
    assert found.pop("/do/0/a/with/tittle").startswith('unknown property "tittle". Did you mean "title"?')
    assert found.pop("/do/4/d/with/notify/0/d").endswith('found "cal". Did you mean "call"?')
    assert found.pop("/do/3/e/with/approvers/1").startswith("no approver can be called 'link'")
    assert found.pop("/do/3/e/with/escalation/approvers/0").startswith("no approver can be called 'key:7'")
    assert found == {
        "/do/0/a/with": 'the property "title" is missing',
        "/do/1/b/with/text": 'human.approve 1.0.0 does not take this: 7 is not of type "string"',
        "/do/1/b/with/onDeadline": '`onDeadline` must be one of "fault", "yes please", found the text "reject"',
        "/do/2/c/with/onDeadline": "`onDeadline` needs a `deadline`",
        "/do/2/c/with/escalation": 'the property "after" is missing',
        "/do/2/c/with/escalation/notify": "the list of tasks is empty",
        "/do/4/d/call": "human.approve exists in version 1.0.0, found 9.0.0",
    }
