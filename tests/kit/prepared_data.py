"""A data directory as the first start of a stack leaves it, copied for each stack that a test starts.

`initdb` and the migrations are a quarter of the time of a start. The pages that start a stack themselves, the README among them,
go the whole way.
"""

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from kit.servers import RunningProcess, run_async
from visapi.admin.databases import OWNER
from visapi.stack import postgres
from visapi.stack.data_directory import DataDirectory
from visapi.stack.first_start import ensure_first_key, prepare_schema
from visapi.stack.ports import any_free
from visapi_common.core.keyrings import Keyring


def copy_to(folder: Path) -> None:
    """Make `folder` such a data directory."""
    made = _made()
    shutil.copytree(made, folder, symlinks=True, ignore=shutil.ignore_patterns("postgres", "logs", "lock"))
    DataDirectory(folder).create()
    clusters = (postgres.place_of(place) / "cluster" for place in (made, folder))
    subprocess.run(["cp", "-a", *clusters], check=True)


@cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="visapi-test-prepared-"))
    folder.chmod(0o711)
    data = DataDirectory(folder / "data")
    data.create()
    secrets = data.secrets()
    database = postgres.prepare(
        data.root, port=any_free(), passwords=secrets.postgres, log=data.log("postgres")
    )
    atexit.register(_remove, folder, database.cluster.parent)
    server = RunningProcess(database.spec())
    server.start()
    try:
        run_async(prepare_schema(database))
        run_async(ensure_first_key(data, database.url(OWNER), Keyring.read(secrets.key_pepper)))
    finally:
        server.stop()
    return data.root


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
