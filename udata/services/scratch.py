"""Tables on disk for what may be larger than the memory: a database of SQLite that nobody else sees.

It has no name: the system removes its file when the process is gone, however that ends.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from udata.errors import UdataError


class Scratch:
    """The tables of a `schema`, in SQL. Several threads may use it. Raises UdataError if there is no room for it."""

    def __init__(self, schema: str) -> None:
        self._lock = Lock()
        with self._translated():
            self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
            # Nothing of it has to outlast the process, or to be taken back.
            self._database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {schema}; BEGIN")

    def close(self) -> None:
        """Let go of it."""
        self._database.close()

    def run(self, script: str) -> None:
        """Run several statements: what makes indexes once all is added, say. Raises UdataError."""
        with self._translated():
            # It commits first what was added.
            self._database.executescript(script)

    def do(self, statement: str, values: Iterable[Any] = ()) -> None:
        """Run one statement that gives nothing. Raises UdataError."""
        with self._translated():
            self._database.execute(statement, tuple(values))

    def rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a statement gives. Raises UdataError."""
        with self._translated():
            return self._database.execute(statement, tuple(values)).fetchall()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:
                raise UdataError(
                    f"the temporary folder cannot be used: {error}", "make room there, or name another in TMPDIR"
                ) from error
