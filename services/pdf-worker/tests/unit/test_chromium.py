"""Which Chromium is found, and what it is told."""

from pathlib import Path

import pytest

from visapi_common.core.errors import PermanentFault
from visapi_pdf_worker.browser import chromium


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def bin_folder(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "usr" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_the_setting_wins_and_a_wrong_one_is_told(tmp_path, bin_folder):
    program(bin_folder / "chromium-headless-shell")
    assert chromium.find(program(tmp_path / "mine"), "") == str(tmp_path / "mine")
    with pytest.raises(PermanentFault, match="VISAPI_CHROMIUM"):
        chromium.find("/nowhere", "")


def test_the_distributions_wrapper_is_passed_over(tmp_path, bin_folder):
    program(bin_folder / "chromium-headless-shell")
    inner = program(tmp_path / "usr" / "lib" / "chromium" / "chromium-headless-shell")
    assert chromium.find("", "") == inner


def test_playwrights_headless_shell_is_found_where_only_that_is_installed(tmp_path):
    registry = tmp_path / "ms-playwright"
    shell = program(registry / "chromium_headless_shell-1200" / "chrome-linux" / "headless_shell")
    assert chromium.find("", str(registry / "chromium-1200" / "chrome-linux" / "chrome")) == shell


def test_a_full_browser_is_the_last_resort_and_none_is_told(bin_folder):
    with pytest.raises(PermanentFault, match="make setup"):
        chromium.find("", "")
    full = program(bin_folder / "chromium")
    assert chromium.find("", "") == full


def test_everything_goes_through_the_proxy_loopback_included():
    told = chromium.flags(4711)
    assert "--proxy-server=http://127.0.0.1:4711" in told
    assert "--proxy-bypass-list=<-loopback>" in told
    assert "--no-sandbox" not in told
