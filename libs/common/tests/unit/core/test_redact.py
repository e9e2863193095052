import pytest

from visapi_common.core.redact import is_secret_name, redact, redact_text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("key visapi_live_k1_S3cretS3cret9f used", "key visapi_live_k1_*** used"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("Basic dXNlcjpwYXNz", "Basic ***"),
        ("postgresql://app:hunter2@db:5432/visapi", "postgresql://app:***@db:5432/visapi"),
        ("/v1/artifacts/a.pdf?expires=9&signature=0a1b2c", "/v1/artifacts/a.pdf?expires=9&signature=***"),
        (
            "s3?X-Amz-Credential=AK%2F1&X-Amz-Signature=ff&x=1",
            "s3?X-Amz-Credential=***&X-Amz-Signature=***&x=1",
        ),
        ("https://hooks.slack.com/services/T0/B0/abcDEF123", "https://hooks.slack.com/services/T0/***"),
        ("xoxb-123456789-abcdef", "xoxb-***"),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_***"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "eyJ***"),
        ('refused {"password": "hunter2", "n": 1}', 'refused {"password": "***", "n": 1}'),
        ('{"client_secret":"a b c"}', '{"client_secret":"***"}'),
        ("host=db user=app password=hunter2 port=5432", "host=db user=app password=*** port=5432"),
        ("AK" + "IA" + "IOSFODNN7EXAMPLE is wrong", "AKIA*** is wrong"),
        ("gh" + "p_" + "a1" * 18, "ghp_***"),
        ("sk" + "_live_" + "a1" * 12, "sk_live_***"),
        ("SU" + "A2" * 28, "SU***"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----***"),
    ],
)
def test_the_shapes_of_known_secrets_are_masked_where_they_stand(text: str, masked: str):
    assert redact_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "run 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d completed",
        "https://api.example.com/visa?page=2&sort=name",
        "visapi_gateway started",
        "the bearer of this letter",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_plain_text_stays_as_it_is(text: str):
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "name",
    ["password", "client_secret", "Authorization", "Set-Cookie", "x-api-key", "key_pepper", "access_token"],
)
def test_fields_named_as_secrets_are_masked_whole(name: str):
    assert redact({name: "anything"}) == {name: "***"}


@pytest.mark.parametrize("name", ["key", "effect_key", "idempotency_key", "tokens_used_total", "secretary"])
def test_fields_that_only_sound_alike_are_not(name: str):
    assert not is_secret_name(name)


def test_values_keep_their_shape():
    assert redact({"a": [1, None, True, {"token": None, "b": ("x",)}]}) == {
        "a": [1, None, True, {"token": None, "b": ["x"]}]
    }


def test_a_value_deeper_than_anything_we_log_is_masked():
    value: object = "visible"
    for _ in range(40):
        value = [value]
    assert "visible" not in repr(redact(value))
