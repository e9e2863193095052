"""The key that signs the chart, from the environment of a pipeline, as Helm reads keys."""

import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

KEY = "CHART_SIGNING_KEY"
SECRET_OF_KEY = f"{KEY.removesuffix('KEY')}PASSPHRASE"


class KeyFault(Exception):
    """The key cannot be used; the message says why."""


@contextmanager
def options_from(environ: Mapping[str, str], place: Path) -> Generator[list[str]]:
    """Options of `helm package` that sign with the key in `CHART_SIGNING_KEY` (armoured, its passphrase in
    `CHART_SIGNING_PASSPHRASE`); none where it is empty. Files of the key lie in `place` meanwhile.
    """
    if not environ.get(KEY):
        yield []
        return
    home = place / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    try:
        yield _imported(gpg, environ[KEY], environ.get(SECRET_OF_KEY, ""), place)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, timeout=30)


def _imported(gpg: list[str], key: str, passphrase: str, place: Path) -> list[str]:
    # Helm reads keyrings of the old format, which `--export-secret-keys` writes.
    secret, keyring = place / "passphrase", place / "secring.gpg"
    for path, text in ((secret, passphrase), (keyring, "")):
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    gpg = [*gpg, "--passphrase-file", str(secret)]
    _run([*gpg, "--import"], key)
    listed = _run([*gpg, "--with-colons", "--list-secret-keys"])
    names = [line.split(":")[9] for line in listed.splitlines() if line.startswith("uid:")]
    if not names:
        raise KeyFault(f"{KEY} holds no secret key with a name")
    _run([*gpg, "--yes", "--output", str(keyring), "--export-secret-keys"])
    options = ["--sign", "--key", names[0], "--keyring", str(keyring)]
    return [*options, "--passphrase-file", str(secret)] if passphrase else options


def _run(command: list[str], text: str = "") -> str:
    environ = {name: value for name, value in os.environ.items() if name not in (KEY, SECRET_OF_KEY)}
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, timeout=60, env=environ
    )
    if done.returncode != 0:
        raise KeyFault(f"{KEY} cannot be used: {done.stderr.strip()}")
    return done.stdout
