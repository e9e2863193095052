"""What scanners look for is what a key looks like: one pattern, in every rule that we publish."""

import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core.api_keys import KINDS, mint

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/secret-scanning"
GITLEAKS = ROOT / ".tools/bin/gitleaks"
BITS = st.integers(0, 2**256 - 1)


def plugin() -> Any:
    """The plugin of detect-secrets, which is not installed here: its base class is all that it takes from there."""
    names = ("detect_secrets", "detect_secrets.plugins", "detect_secrets.plugins.base")
    base = ModuleType(names[-1])
    base.RegexBasedDetector = object  # pyright: ignore[reportAttributeAccessIssue] (a module made here)
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setitem(sys.modules, name, base)
        made = ModuleType("plugin")
        path = RULES / "detect_secrets_visapi.py"
        exec(compile(path.read_text(), str(path), "exec"), made.__dict__)
    return made


PLUGIN = plugin()
PATTERN = PLUGIN.PATTERN


def test_every_rule_has_the_same_pattern():
    (rule,) = tomllib.loads((RULES / "gitleaks.toml").read_text())["rules"]
    assert rule["regex"] == PATTERN.pattern
    assert f"regex: '{PATTERN.pattern}'" in (ROOT / "deploy/pipeline/secrets.yaml").read_text()
    assert f"\n{PATTERN.pattern}\n" in (ROOT / "docs/how-to/manage-api-keys.md").read_text()
    for kind in KINDS:
        assert f"visapi_{kind}_" in rule["keywords"]


@given(
    st.sampled_from(KINDS),
    st.integers(0, 2**128 - 1),
    BITS,
    st.sampled_from(["", '"', " ", "=", "\n", "/", "."]),
)
def test_a_key_is_found_wherever_it_stands(kind: str, ident: int, secret: int, beside: str):
    key = mint(kind, ident, secret)
    assert PATTERN.findall(f"key{beside or ' '}{key}{beside}") == [key]
    assert list(PLUGIN.VisapiKeyDetector().analyze_string(f"x = '{key}'")) == [key]


@given(BITS, st.integers(0, 78), st.sampled_from("0Az"))
def test_what_only_looks_like_a_key_is_none(bits: int, place: int, character: str):
    key = mint("live", bits, bits)
    place = len("visapi_live_") + place % (len(key) - len("visapi_live_"))
    other = key[:place] + character + key[place + 1 :]
    assert list(PLUGIN.VisapiKeyDetector().analyze_string(other)) == ([key] if other == key else [])
    for text in (key + "a", "a" + key, key[:-1], key.upper()):
        assert PATTERN.findall(text) == []


@pytest.mark.skipif(not GITLEAKS.exists(), reason="gitleaks is not among the tools")
def test_gitleaks_finds_a_key(tmp_path: Path):
    (tmp_path / "notes.md").write_text(f"token = {mint('live', 2**100, 2**250 + 12345)}\n")
    command = [GITLEAKS, "dir", "--no-banner", "--config", RULES / "gitleaks.toml", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stderr
