"""The examples that verify our webhooks, as `docs/how-to/verify-our-webhooks.md` has them, accept what the notifier signs and
nothing else. Those whose language is not installed are skipped; Python and Node always are.
"""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright._impl._driver import compute_driver_executable

from kit.pages import read_page
from visapi_notifier.outbound.rules.standard_webhooks import signature

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/verify-our-webhooks.md"
SECRET, OTHER = "whsec_" + "QUJD" * 8, "whsec_" + "eHh4" * 8
ID = "0b9f5c1e-7f5c-4a38-9d0e-6b1d8c4f2a10"
BODY = '{"type":"run.completed","data":{"text":"ü"}}'.encode()
NODE = str(compute_driver_executable()[0])


class Language(NamedTuple):
    file: str
    command: list[str]


LANGUAGES = {
    "python": Language("verify.py", [sys.executable]),
    "javascript": Language("verify.mjs", [NODE]),
    "go": Language("verify.go", ["go", "run"]),
    "java": Language("Verify.java", ["java"]),
}


def signed(secrets: list[str], *, late_s: int = 0, body: bytes = BODY) -> list[str]:
    """The headers of a webhook, signed so many seconds ago."""
    at = int((datetime.now(UTC) - timedelta(seconds=late_s)).timestamp())
    return [ID, str(at), signature(secrets, ID, at, body)]


def cases() -> dict[str, tuple[bool, list[str], bytes]]:
    """Whether it is genuine, the headers, the body."""
    good = signed([SECRET])
    return {
        "signed": (True, good, BODY),
        "signed while a secret rotates": (True, signed([OTHER, SECRET]), BODY),
        "signed by another": (False, signed([OTHER]), BODY),
        "another body": (False, good, BODY + b" "),
        "another id": (False, ["another", *good[1:]], BODY),
        "another time": (False, [ID, str(int(good[1]) + 1), good[2]], BODY),
        "old": (False, signed([SECRET], late_s=400), BODY),
        "of the future": (False, signed([SECRET], late_s=-400), BODY),
        "without a time": (False, [ID, "", good[2]], BODY),
        "without a signature": (False, [*good[:2], ""], BODY),
        "with half a signature": (False, [*good[:2], good[2][:20]], BODY),
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_example_accepts_what_is_signed_and_nothing_else(language: str, tmp_path: Path):
    example = LANGUAGES[language]
    if shutil.which(example.command[0]) is None:
        pytest.skip(f"{example.command[0]} is not installed")
    [block] = [block for block in read_page(PAGE.read_text()).blocks if block.file == example.file]
    (tmp_path / example.file).write_text(block.text)
    for name, (genuine, headers, body) in cases().items():
        done = subprocess.run(
            [*example.command, example.file, *headers],
            input=body,
            capture_output=True,
            check=False,
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, "WEBHOOK_SECRET": SECRET},
        )
        assert done.returncode == (0 if genuine else 1), (name, done.stderr.decode())
        assert done.stderr.strip() in (b"", b"exit status 1"), (name, done.stderr.decode())
