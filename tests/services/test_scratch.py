"""Tables on disk are there for a while, and a disk without room is no bug."""

import sqlite3
from threading import Thread

import pytest

from udata.errors import UdataError
from udata.services.scratch import Scratch


def test_it_may_be_used_by_several_threads() -> None:
    scratch = Scratch("CREATE TABLE one (number INTEGER)")

    def add() -> None:
        for number in range(500):
            scratch.do("INSERT INTO one VALUES (?)", (number,))

    threads = [Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scratch.run("CREATE INDEX one_number ON one (number)")
    assert scratch.rows("SELECT COUNT(*), SUM(number) FROM one") == [(2000, 4 * sum(range(500)))]
    scratch.close()


def test_a_disk_without_room_is_said_so() -> None:
    scratch = Scratch("CREATE TABLE one (text TEXT); PRAGMA max_page_count = 10")
    with pytest.raises(UdataError, match="temporary folder") as caught:
        scratch.do("INSERT INTO one VALUES (?)", ("x" * 400_000,))
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    scratch.close()
