"""Whatever spelling a secret comes back in, and through whichever channel: nothing of it is left."""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from inspect import signature
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.spellings import SPELLINGS
from visapi_common.core.errors import Fault, PermanentFault, ProblemError, TransientFault, UnknownFault
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.worker.faults import TaskFault
from visapi_notifier import channels as channels_package
from visapi_notifier.channels.email.rules import message as email
from visapi_notifier.channels.email.rules.addresses import mailboxes
from visapi_notifier.channels.http import rules as http
from visapi_notifier.delivery.serving import hidden
from visapi_notifier.outbound.rules.channel import Channel
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import (
    Reading,
    Refused,
    Sent,
    Unclear,
    communication,
    hidden_error,
)
from visapi_notifier.preparing.rules import converted

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "a1" * 32


secrets = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    st.text("abcXYZ0189+/=-_.", min_size=8, max_size=60),
    st.text("aZ9é€中ßØ☃", min_size=8, max_size=24),
    st.integers(10**8, 10**15).map(str),
)


def masking(secret: str) -> Mask:
    mask = Mask()
    mask.add([{"password": secret}])
    return mask


def outcome(reading: Reading, mask: Mask) -> Any:
    if isinstance(reading, Sent):
        return mask.hide(reading.output)
    if isinstance(reading, Unclear):
        return str(hidden(UnknownFault(reading.detail), mask))
    assert isinstance(reading, Refused)
    return msgspec.to_builtins(hidden_error(reading.error, mask))


def received(text: str, status: int, kind: str = "text/plain") -> Inbound:
    body = text.encode("utf-8", "replace")
    return Inbound(status, [("content-type", kind), ("x-echo", text)], body, "https://x.example/a")


def channels(text: str, mask: Mask) -> list[Any]:
    """What would leave the notifier if a receiver of any channel said `text`."""
    said = [
        told
        for channel, read in READERS
        for call in calls(channel)
        for inbound in answers(text)
        for told in [outcome(read(call, inbound, mask), mask)]
    ]
    for kind_of_fault in (PermanentFault, TransientFault, UnknownFault):
        said.append(str(hidden(kind_of_fault(f"the relay said 550 {text} is unknown"), mask)))
    said.append(msgspec.to_builtins(fault_of(TaskFault(communication(502, text, text, {text: text})), mask)))
    return said


def answers(text: str) -> Iterator[Inbound]:
    for status in (200, 404, 500):
        yield received(text, status)
        yield received(json.dumps({text: [text, {"deep": text}], "error": text}), status, "application/json")


def calls(channel: Channel[Any, Any]) -> Iterator[Any]:
    """Inputs of a channel: its samples, with each choice that a field of the input has."""
    for sample in good_samples(channel):
        chosen = [sample]
        for name, kind in get_type_hints(channel.input).items():
            if get_origin(kind) is Literal:
                chosen = [msgspec.structs.replace(sample, **{name: choice}) for choice in get_args(kind)]
        yield from chosen


def good_samples(channel: Channel[Any, Any]) -> Iterator[Any]:
    for sample in channel.samples:
        with contextlib.suppress(ProblemError):
            yield converted(sample, channel.input)


def reader_of(channel: Channel[Any, Any]) -> Callable[[Any, Inbound, Mask], Any] | None:
    """`read_response` of a channel's rules, given its parameters by their types and names."""
    rules = import_module(f"{channels_package.__name__}.{channel.input.__module__.split('.')[2]}.rules")
    read: Callable[..., Any] | None = getattr(rules, "read_response", None)
    if read is None:
        return None
    kinds = get_type_hints(read)

    def reading(call: Any, inbound: Inbound, mask: Mask) -> Any:
        known: dict[Any, Any] = {channel.input: call, Inbound: inbound, Outbound: OUTBOUND, Mask: mask}
        named = {"now": NOW, "effect_key": KEY}
        given = {name: named.get(name, known.get(kinds[name])) for name in signature(read).parameters}
        assert None not in given.values(), f"{channel.name}: give {given} a value here"
        return read(**given)

    return reading


OUTBOUND = http.build_request(http.HttpInput("get", "https://x.example/a"))
READERS = [
    (channel, read)
    for channel in channels_package.declared().values()
    if (read := reader_of(channel)) is not None
]


def test_each_channel_that_reads_answers_of_http_is_tried() -> None:
    """Of the others, mail is answered by a relay, and `openapi.request` is carried out by `http.request`."""
    assert {channel.name for channel, _ in READERS} >= {"http.request", "notify.slack", "notify.webhook"}
    assert all(list(calls(channel)) for channel, _ in READERS), "a channel without a sample that it accepts"


def fault_of(fault: TaskFault, mask: Mask) -> Any:
    shown = hidden(fault, mask)
    assert isinstance(shown, TaskFault)
    return shown.error


def holds(value: Any, text: str) -> bool:
    """Whether a text is anywhere in a value, in keys too."""
    if isinstance(value, dict):
        return any(holds(name, text) or holds(inner, text) for name, inner in value.items())
    if isinstance(value, list):
        return any(holds(item, text) for item in value)
    return text in str(value)


@pytest.mark.parametrize(
    "secret", ["s3cret-v4lue", 'Tr0ub4dor&3 "x"<y>\'z\\\\/=%41', "pässwörd-ß-é中文", "1234567890"]
)
@pytest.mark.parametrize("name", SPELLINGS)
def test_each_spelling_is_found_in_what_each_channel_gives(name: str, secret: str) -> None:
    spelled = SPELLINGS[name](secret)
    for said in channels(f"before {spelled} after", masking(secret)):
        assert not holds(said, spelled), (name, said)


@given(
    name=st.sampled_from(sorted(SPELLINGS)),
    secret=secrets,
    before=st.sampled_from(["", "x", "token=", '{"a":"']),
    after=st.sampled_from(["", ".", "&b"]),
)
def test_no_spelling_of_a_secret_is_left_in_what_any_channel_gives(
    name: str, secret: str, before: str, after: str
) -> None:
    spelled = SPELLINGS[name](secret)
    mask = masking(secret)
    for said in channels(before + spelled + after, mask):
        assert not holds(said, spelled), (name, said)
        assert not holds(said, secret), (name, said)


@given(secret=secrets, name=st.sampled_from(sorted(SPELLINGS)))
def test_no_spelling_of_a_secret_is_left_in_errors_of_checks_before_anything_is_sent(
    secret: str, name: str
) -> None:
    spelled = SPELLINGS[name](secret)
    mask = masking(secret)
    checks: list[Callable[[], Any]] = [
        *(partial(prepared, channel, value) for channel, value in spoilt(spelled)),
        # What is checked beside `prepare`.
        lambda: http.build_request(http.HttpInput("get", "https://x.example/", headers={spelled: "x\n"})),
        lambda: http.build_request(
            http.HttpInput("post", "https://x.example/", {"content-type": spelled}, body={"a": 1})
        ),
        lambda: email.build_request(
            email.EmailInput(to=spelled, text="x"), sender=_sender(), files=[], effect_key=KEY, now=NOW
        ),
        lambda: email.checked_attachments(
            email.EmailInput(to="a@b.example", attachments=[email.Attachment("x", f"/{spelled}")])
        ),
    ]
    for check in checks:
        try:
            check()
        except (ProblemError, Fault) as failure:
            shown = hidden(failure, mask)
            told = [
                str(shown),
                getattr(shown, "detail", ""),
                msgspec.to_builtins(getattr(shown, "errors", None)),
            ]
            assert not holds(told, secret), (name, told)


def spoilt(text: str) -> Iterator[tuple[Channel[Any, Any], Any]]:
    """Inputs of each channel in which a text stands where another belongs, and as a name that is none."""
    for channel in channels_package.declared().values():
        for sample in good_samples(channel):
            given = msgspec.to_builtins(sample)
            yield channel, {**given, text: text}
            for name in given:
                for wrong in (text, f"http://{text}/", [text]):
                    yield channel, {**given, name: wrong}


def prepared(channel: Channel[Any, Any], value: Any) -> Any:
    return channel.prepare(converted(value, channel.input))


def _sender() -> Any:
    return mailboxes("visapi@x.example", "/from")[0]


@given(
    value=st.recursive(
        st.text(max_size=20) | st.integers() | st.booleans() | st.none(), st.lists, max_leaves=9
    )
)
def test_what_holds_no_secret_stays_as_it_is(value: Any) -> None:
    assert masking("ZQ-4f81-kept-nowhere-else").hide(value) == value


def test_numbers_lists_of_bytes_and_keys_are_hidden_too() -> None:
    mask = Mask()
    mask.add(["12345678", "hunter2-hunter2"])
    assert mask.hide({"a": 12345678, "b": 12345678.0, "c": 112345678, "d": 1234567}) == {
        "a": "***",
        "b": "***",
        "c": "***",
        "d": 1234567,
    }
    assert mask.hide([list(b"hunter2-hunter2"), [1, 2]]) == ["***", [1, 2]]
    assert mask.hide({"hunter2-hunter2": 1}) == {"***": 1}


def test_a_short_value_is_hidden_as_a_whole_word_only() -> None:
    mask = Mask()
    mask.add(["1234", "ab"])
    hidden_texts = mask.hide(["pin 1234!", "12345", "1234", 1234, "ab", "cab ab"])
    assert hidden_texts == ["pin ***!", "12345", "***", "***", "***", "cab ab"]


def test_a_text_is_hidden_before_it_is_cut() -> None:
    mask = masking("s3cret-v4lue-long")
    assert "s3cret" not in mask.cut("x" * 75 + "s3cret-v4lue-long" * 3, 80)


def test_the_processes_own_credentials_are_hidden_from_every_task() -> None:
    own = Mask()
    own.add(["xoxb-the-operators-token"])
    assert Mask(own).hide("Bearer xoxb-the-operators-token") == "Bearer ***"
