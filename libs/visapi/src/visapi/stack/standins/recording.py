"""An append-only JSONL file that survives a crash: a record is on disk before it is answered."""

import os
from pathlib import Path
from typing import Any

import msgspec


class Recorder:
    """Keeps records in memory and, when given a path, in a file that is flushed per record."""

    def __init__(self, path: Path | None = None) -> None:
        self.records: list[dict[str, Any]] = []
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def append(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        if self._file is not None:
            os.write(self._file, msgspec.json.encode(record) + b"\n")
            os.fsync(self._file)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
