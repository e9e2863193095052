"""URLs of NATS servers that cannot be read."""

import traceback

import pytest

from visapi_common.core import nats_url


@pytest.mark.parametrize("password", ["s3cret\uff0f", "[s3cret]x", "s3cret["])
def test_a_password_with_special_characters_is_refused_and_not_shown(password: str):
    urls = f"nats://h:4222,tls://gateway:{password}@h:4222"
    line = "a server cannot be read; write special characters of the password as %XX"
    assert nats_url.flaw(urls) == line
    with pytest.raises(ValueError, match="special characters") as refused:
        nats_url.servers(urls)
    assert "s3cret" not in "".join(
        traceback.format_exception(refused.value, chain=not refused.value.__suppress_context__)
    )


def test_a_password_written_with_percent_signs_is_read():
    [server] = nats_url.servers("nats://gateway:%5Bs3cret%5D%EF%BC%8F@h")
    assert (server.url, server.password) == ("nats://h:4222", "[s3cret]\uff0f")
