"""`deploy/compose/restore.sh` on a real PostgreSQL: what its container does, beside one.

Copies and log are those of `visapi backup`, which lie in the folder of backups as those of `backup.yml` do.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kit.deploy_tools import ROOT
from kit.servers import RunningProcess
from visapi.stack import postgres
from visapi.stack.backups import BackupFolder, Source
from visapi.stack.ports import any_free
from visapi.stack.processes import wait_for

pytestmark = pytest.mark.timeout(600)
_LIMIT_S = 300.0


class Database:
    """A server with backups; `restore` runs the script, while the server is down unless a test wants otherwise."""

    def __init__(self, folder: Path) -> None:
        port, passwords = any_free(), postgres.new_passwords()
        self._password = passwords[postgres.SUPERUSER]
        self._server = postgres.prepare(folder, port=port, passwords=passwords, log=folder / "log")
        self._url = self._server.url(postgres.SUPERUSER, "postgres")
        self._process = RunningProcess(self._server.spec())
        self._source = Source(port=port, password=self._password)
        self.backups = BackupFolder(folder / "backups")
        self.backups.make()
        # The account makes folders beside copies and log; its sockets have short names.
        self._scratch = folder / "s"
        self._scratch.mkdir()
        for each in (self.backups.root, self._scratch):
            if account := self._server.account:
                os.chown(each, account.uid, account.gid)

    def start(self) -> None:
        self._process.start()

    def stop(self) -> None:
        self._process.stop()

    def copied_then_changed(self) -> str:
        """A whole copy, a row after it, a moment, another row; then the server is gone. Returns the moment."""
        self.start()
        self.run("create table kept (number int)")
        log = subprocess.Popen(self.backups.log_command(self._source), env=self._environ(), **self._account())
        try:
            wait_for(lambda: any(self.backups.wal.glob("*.partial")), timeout_s=_LIMIT_S, what="a log")
            self.backups.copy(self._source, keep=2)
            self.run("insert into kept values (1)")
            time.sleep(1.1)
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            time.sleep(1.1)
            self.run("insert into kept values (2)")
            self.stop()
        finally:
            log.send_signal(signal.SIGINT)
            log.wait(_LIMIT_S)
        return moment

    def restore(self, *to: str) -> subprocess.CompletedProcess[str]:
        text = (ROOT / "deploy/compose/restore.sh").read_text(encoding="utf-8")
        return subprocess.run(["sh", "-s", *to], input=text, env=self._environ(), capture_output=True, text=True,
                              timeout=_LIMIT_S, check=False, cwd="/", **self._account())  # fmt: skip

    def run(self, statement: str) -> list[int]:
        """The first column of what it answers."""

        async def running() -> list[int]:
            connection = await asyncpg.connect(self._url)
            try:
                return [row[0] for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return asyncio.run(running())

    def _environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self._server.bin}:/usr/bin:/bin",
            "PGDATA": str(self._server.cluster),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self._source.port),
            "PGPASSWORD": self._password,
            "BACKUPS": str(self.backups.root),
            "TMPDIR": str(self._scratch),
        }

    def _account(self) -> dict[str, Any]:
        account = self._server.account
        return {"user": account.uid, "group": account.gid} if account else {}


@pytest.fixture
def database() -> Iterator[Database]:
    folder = Path(tempfile.mkdtemp(prefix="visapi-test-restore-"))
    folder.chmod(0o711)
    made = Database(folder)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def test_the_database_goes_back_to_a_moment_and_what_it_was_is_kept(database: Database):
    moment = database.copied_then_changed()
    done = database.restore(moment)
    assert done.returncode == 0, done.stderr
    [before] = database.backups.root.glob("before-*")
    assert {path.name for path in before.iterdir()} == {"base", "cluster", "wal"}
    database.start()
    assert database.run("select number from kept") == [1]


def test_what_cannot_be_restored_is_refused_and_the_end_of_the_log_is_there_without_a_moment(
    database: Database,
):
    database.copied_then_changed()
    database.start()
    assert "PostgreSQL runs; stop everything first" in database.restore().stderr
    database.stop()
    assert "someday is no time" in database.restore("someday").stderr
    assert "no copy is older than 2020-01-01T00:00:00Z" in database.restore("2020-01-01T00:00:00Z").stderr
    assert not list(database.backups.root.glob("before-*"))
    # What was tried in vain is tried again.
    assert "before configured recovery target was reached" in database.restore("2099-01-01T00:00:00Z").stderr
    done = database.restore()
    assert done.returncode == 0, done.stderr
    database.start()
    assert database.run("select number from kept") == [1, 2]
