"""HTML becomes text as browsers read it, in time that grows with its length only."""

import time
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_notifier.channels.email.rules.html_text import html_of, text_of


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Hi <b>Ada</b></p><p>Bye</p>", "Hi Ada\n\nBye\n"),
        ("<a href='https://x.example/?a=1&amp;b=2'>see</a>", "see (https://x.example/?a=1&b=2)\n"),
        ("<A HREF=https://x.example>see</A >", "see (https://x.example)\n"),
        ('<a href="javascript:alert(1)">see</a>', "see\n"),
        ('<a title=">" href="https://x.example">see</a>', "see (https://x.example)\n"),
        ("<ul><li>one<li>two</ul>", "- one\n- two\n"),
        ("<head><title>T</title><style>p{}</style></head><body>x", "x\n"),
        ("<script>if (a < b) { '</p>' }</script>y", "y\n"),
        ("a<!-- > <p> -->b<!doctype html><?xml ?>c", "abc\n"),
        ("1 < 2 &lt; 3 &#x41; &nbsp;z", "1 < 2 < 3 A z\n"),
        ("&#" + "9" * 9999 + ";x", "\ufffdx\n"),
        ("seen <a href='no end", "seen\n"),
        ("a</ >b</>c", "abc\n"),
        ("x<br/>y<br>z", "x\ny\nz\n"),
    ],
)
def test_markup_is_read_as_browsers_read_it(markup, text):
    assert text_of(markup) == text


@pytest.mark.parametrize(
    "bomb",
    ["<a ", "<a href='", '<a b="', "<!--", "<!", "</a ", "</", "<", "&#9", "&#x", "&amp", "<script>", "<a/", "<a =",
     "<title>", "<a x=y ", "<a x='y'z=", "</a='", "\n", " \n ", "<?", "<![CDATA[", "<textarea><", "<a\n"],
)  # fmt: skip
def test_the_time_grows_with_the_length_only(bomb):
    _check_growth(lambda length: bomb * (length // len(bomb)))


@pytest.mark.parametrize(
    ("head", "run", "tail"), [("<a", " ", "="), ("<a x", " ", "'"), ("<a x=", " ", '"'), ("<a x='", "b", "")]
)
def test_a_long_run_within_a_tag_is_looked_at_once(head, run, tail):
    _check_growth(lambda length: head + run * length + tail)


def _check_growth(markup: Callable[[int], str]) -> None:
    """Eight times the length takes less than 32 times the time: quadratic would be 64."""
    assert _cpu(markup(160_000)) < 8 * 4 * _cpu(markup(20_000)) + 0.02


def _cpu(markup: str) -> float:
    def once() -> float:
        begun = time.process_time()
        text_of(markup)
        html_of(markup)
        return time.process_time() - begun

    return min(once() for _ in range(3))


@given(st.text("<>ab /='\"!-&#;\n", max_size=60))
def test_no_markup_raises_and_no_tag_is_left(markup):
    text = text_of(markup)
    assert text.endswith("\n")


@given(
    st.lists(
        st.sampled_from(["<p>", "</p>", "<b>", "</b>", "<br>", "word", " ", "&amp;", "<i x='1'>", "<!--c-->"])
    )
)
def test_ordinary_markup_has_the_words_that_the_standard_parser_finds(pieces):
    class Words(HTMLParser):
        found = ""

        def handle_data(self, data: str) -> None:
            self.found += data

    words = Words()
    words.feed("".join(pieces))
    words.close()
    assert "".join(text_of("".join(pieces)).split()) == "".join(words.found.split())
