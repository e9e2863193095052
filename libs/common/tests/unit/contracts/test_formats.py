"""Which formats a process writes, and what it makes of formats that it does not know."""

from collections.abc import Iterator
from typing import get_args

import msgspec
import pytest

from visapi_common.contracts import formats
from visapi_common.contracts.engine_messages import InboxHint
from visapi_common.contracts.foreign import NewerFormat, Reader, Unreadable, version_of
from visapi_common.contracts.formats import KNOWN, Formats, Writes, choose

RUN = "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d"
BEFORE = Formats(release="0.7", messages=3, state=5, program=1)
OWN = Formats(release="0.8", messages=4, state=5, program=2)


@pytest.fixture
def as_before() -> Iterator[None]:
    yield
    formats.write_as(None)


def test_untold_a_release_writes_what_the_release_before_reads():
    assert choose([BEFORE, OWN], None) is BEFORE
    assert choose([BEFORE], None) is BEFORE


def test_a_release_writes_its_own_formats_once_it_is_told():
    assert choose([BEFORE, OWN], "0.8") is OWN
    assert choose([BEFORE, OWN], "0.7") is BEFORE


def test_the_formats_of_another_release_are_refused_with_those_that_can_be_written():
    with pytest.raises(ValueError, match=r"writes the formats of 0\.7, 0\.8, not of 0\.6"):
        choose([BEFORE, OWN], "0.6")


def test_the_setting_allows_the_releases_that_are_known():
    assert get_args(Writes) == tuple(one.release for one in KNOWN)
    assert len(KNOWN) <= 2, "a release writes its own formats and those of the release before"


def test_formats_never_go_back():
    columns = [(one.messages, one.state, one.program) for one in KNOWN]
    assert columns == sorted(columns)


@pytest.mark.usefixtures("as_before")
def test_messages_carry_the_version_that_was_chosen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(formats, "KNOWN", (BEFORE, OWN))
    formats.write_as("0.8")
    assert version_of(msgspec.json.encode(InboxHint(RUN))) == 4  # pyright: ignore[reportArgumentType]
    formats.write_as(None)
    assert version_of(msgspec.json.encode(InboxHint(RUN))) == 3  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b'{"v":3}', 3),
        (b'{"a":{"v":9}}', 1),
        (b'{"text":"\\"v\\":9"}', 1),
        (b"{}", 1),
        (b'{"v":"x"}', 1),
        (b'{"v":2', 1),
        (b"\xff", 1),
        (b'"v"', 1),
    ],
)
def test_the_version_stands_at_the_top_of_an_object_and_is_1_where_it_is_absent(body: bytes, version: int):
    assert version_of(body) == version


@pytest.mark.parametrize("body", [b'{"run":"%b","v":2}' % RUN.encode(), b'{"v":2,"runs":[]}'])
def test_a_message_of_a_later_format_is_newer_whether_or_not_it_could_be_decoded(body: bytes):
    read = Reader(InboxHint, newest=1)(body)
    assert isinstance(read, NewerFormat)
    assert read.reason == "its format is 2, and this release reads up to 1"


def test_what_cannot_be_read_and_is_not_newer_stays_unreadable():
    read = Reader(InboxHint, newest=1)(b'{"v":1,"runs":[]}')
    assert isinstance(read, Unreadable)
    assert not isinstance(read, NewerFormat)
