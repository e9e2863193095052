from pathlib import Path

import msgspec
import pytest

from visapi_common.core.keyrings import Keyring
from visapi_common.runtime.settings import CommonSettings, Keys, SettingsError, StrongKeys, load, shown


class Example(CommonSettings, frozen=True, kw_only=True):
    postgres_url: str
    effect_secret: Keys | None = None
    pepper: StrongKeys | None = None
    egress_allow: list[str] = msgspec.field(default_factory=list[str])
    egress_origins: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    tagged: bool = False
    pages_max: int | None = None


URL = {"VISAPI_POSTGRES_URL": "postgresql://u@h/db"}


def test_each_type_is_decoded_from_its_text():
    settings = load(
        Example,
        {
            **URL,
            "VISAPI_METRICS_PORT": "9100",
            "VISAPI_TRACE_SAMPLE": "0.25",
            "VISAPI_EFFECT_SECRET": "00ff",
            "VISAPI_EGRESS_ALLOW": "127.0.0.0/8, hooks.local",
            "VISAPI_EGRESS_ORIGINS": '{"https://a": "http://b"}',
            "VISAPI_TAGGED": "True",
            "VISAPI_PAGES_MAX": "7",
            "PATH": "/bin",
        },
    )
    assert settings == Example(
        postgres_url="postgresql://u@h/db",
        metrics_port=9100,
        trace_sample=0.25,
        effect_secret=Keyring.of(b"\x00\xff"),
        egress_allow=["127.0.0.0/8", "hooks.local"],
        egress_origins={"https://a": "http://b"},
        tagged=True,
        pages_max=7,
    )


def test_a_list_may_be_json_too():
    assert load(Example, {**URL, "VISAPI_EGRESS_ALLOW": '["a,b"]'}).egress_allow == ["a,b"]


def test_an_empty_value_means_the_default():
    assert load(Example, {**URL, "VISAPI_METRICS_PORT": ""}).metrics_port == 0


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({}, "VISAPI_POSTGRES_URL is not set; Example needs it"),
        (
            {**URL, "VISAPI_METRIC_PORT": "1"},
            "VISAPI_METRIC_PORT is unknown; did you mean VISAPI_METRICS_PORT?",
        ),
        ({**URL, "VISAPI_QUX": "1"}, "VISAPI_QUX is unknown; this process has no such setting"),
        (
            {**URL, "VISAPI_METRICS_PORT": "high"},
            "VISAPI_METRICS_PORT is wrong: Expected `int`, got `str`; allowed: at least 0 and at most 65535",
        ),
        (
            {**URL, "VISAPI_METRICS_PORT": "70000"},
            "VISAPI_METRICS_PORT is wrong: Expected `int` <= 65535; allowed: at least 0 and at most 65535",
        ),
        (
            {**URL, "VISAPI_TRACE_SAMPLE": "2"},
            "VISAPI_TRACE_SAMPLE is wrong: Expected `float` <= 1.0; allowed: at least 0.0 and at most 1.0",
        ),
        ({**URL, "VISAPI_EGRESS_ORIGINS": "{"}, "VISAPI_EGRESS_ORIGINS is wrong: expected JSON"),
        (
            {**URL, "VISAPI_EFFECT_SECRET": "abc"},
            "VISAPI_EFFECT_SECRET is wrong: expected an even number of hex digits",
        ),
        ({**URL, "VISAPI_PEPPER": "00"}, "VISAPI_PEPPER is wrong: a key has 1 bytes; allowed: 16 to 256"),
        (
            {**URL, "VISAPI_LOG_LEVEL": "loud"},
            "VISAPI_LOG_LEVEL is wrong: Invalid enum value 'loud'; allowed: debug, info, warning, error",
        ),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(environ: dict[str, str], line: str):
    with pytest.raises(SettingsError) as refused:
        load(Example, environ)
    assert str(refused.value) == line


def test_a_secret_may_come_from_a_file(tmp_path: Path):
    (tmp_path / "secret").write_text("00ff\n")
    settings = load(Example, {**URL, "VISAPI_EFFECT_SECRET_FILE": str(tmp_path / "secret")})
    assert settings.effect_secret == Keyring.of(b"\x00\xff")


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path):
    given = {"VISAPI_EFFECT_SECRET": "00", "VISAPI_EFFECT_SECRET_FILE": str(tmp_path / "secret")}
    with pytest.raises(SettingsError) as refused:
        load(Example, {**URL, **given})
    assert (
        str(refused.value)
        == "VISAPI_EFFECT_SECRET and VISAPI_EFFECT_SECRET_FILE are both set; keep one of them"
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "cannot read {path}: No such file or directory"),
        (b"\n", "{path} is empty"),
        (b"\xff\xfe", "{path} holds something other than UTF-8 text"),
        (b"0" * (1024 * 1024 + 1), "{path} is too large"),
        (b"xyz", "expected an even number of hex digits"),
    ],
)
def test_a_file_without_a_usable_secret_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None, line: str
):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        load(Example, {**URL, "VISAPI_EFFECT_SECRET_FILE": str(path)})
    assert str(refused.value) == f"VISAPI_EFFECT_SECRET_FILE is wrong: {line.format(path=path)}"


def test_only_secrets_have_files():
    with pytest.raises(
        SettingsError, match=r"VISAPI_METRICS_PORT_FILE is unknown; did you mean VISAPI_METRICS_PORT\?"
    ):
        load(Example, {**URL, "VISAPI_METRICS_PORT_FILE": "/port"})


def test_secrets_are_masked_when_settings_are_shown():
    view = shown(load(Example, {**URL, "VISAPI_EFFECT_SECRET": "00ff"}))
    assert view["VISAPI_EFFECT_SECRET"] == "***"
    assert view["VISAPI_METRICS_HOST"] == "127.0.0.1"
    assert view["VISAPI_PAGES_MAX"] == ""


def test_settings_are_frozen():
    settings = load(Example, URL)
    with pytest.raises(AttributeError):
        settings.metrics_port = 1  # pyright: ignore[reportAttributeAccessIssue]
