"""What concerns the embedded engine alone: other processes, kills, locks, and what is on the disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
import tantivy

from tests.search.corpus import dataset
from udata.errors import ServerError, UdataError, UsageError
from udata.search.engines.base import Action, Definition, NoSuchIndex, Swap, WriterBusy
from udata.search.engines.embedded.engine import EmbeddedEngine
from udata.search.engines.embedded.schema import numbers
from udata.search.engines.embedded.writing import REMEMBERED
from udata.search.engines.opening import open_engine
from udata.settings import load

FRENCH = Definition("dataset", "fr")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def index(embedded: EmbeddedEngine) -> str:
    embedded.create_index("dataset-1", "dataset", FRENCH)
    return "dataset-1"


def actions(count: int, version: int = 1, first: int = 0) -> list[Action]:
    return [Action(f"{n:024x}", version, dataset(n, f"Écoles {n}")) for n in range(first, first + count)]


def process(script: str, *arguments: str) -> "subprocess.Popen[str]":
    """A process of its own that has an engine on the folder of its first argument."""
    lines = f"""
import sys, time
from pathlib import Path
from tests.search.engines.test_embedded import actions
from udata.search.engines.base import Swap
from udata.search.engines.embedded.engine import EmbeddedEngine
engine = EmbeddedEngine(Path(sys.argv[1]), lock_seconds=20)
{script}
"""
    return subprocess.Popen(
        [sys.executable, "-c", lines, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_settings_open_it_under_the_home_and_nothing_is_made_by_reading(no_servers: None, tmp_path: Path) -> None:
    with open_engine(load()) as engine:
        assert engine.server().name == "tantivy"
        assert engine.indices("dataset") == []
        assert engine.aliases(["dataset"]) == {"dataset": []}
        assert engine.health().status == "green"
        with pytest.raises(NoSuchIndex):
            engine.count("dataset")
    assert not (tmp_path / "udata-home").exists()


def test_other_processes_read_while_one_writes_and_moves_the_alias(embedded: EmbeddedEngine, index: str) -> None:
    embedded.bulk(index, actions(20))
    embedded.swap_aliases([Swap("dataset", index)])
    reader = process(
        "print('ready', flush=True); seen = set(); end = time.monotonic() + 4; n = 0\n"
        "while time.monotonic() < end:\n"
        "    n += 1; found = engine.search('dataset', 'dataset', 'ecoles').total; seen.add(found)\n"
        "    assert len(list(engine.stored('dataset'))) >= 20\n"
        "print(n, min(seen), max(seen))",
        str(embedded.root),
    )
    assert reader.stdout
    assert reader.stdout.readline() == "ready\n"
    number = 1
    while reader.poll() is None:
        number += 1
        name = f"dataset-{number}"
        embedded.create_index(name, "dataset", FRENCH)
        embedded.bulk(name, actions(20 + number))
        embedded.swap_aliases([Swap("dataset", name)])
        embedded.delete_index(f"dataset-{number - 1}")
        embedded.bulk("dataset", actions(5, version=2), alias=True)
    out, err = reader.communicate()
    assert reader.returncode == 0, err
    reads, least, most = map(int, out.split())
    assert reads > 10
    assert number > 5
    assert 20 <= least <= most <= 20 + number


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_the_last_commit(embedded: EmbeddedEngine, index: str) -> None:
    for round_ in range(8):
        writer = process(
            "for n in range(1, 1000):\n    engine.bulk('dataset-1', actions(50, version=n)); print(n, flush=True)",
            str(embedded.root),
        )
        assert writer.stdout
        last = 0
        for line in writer.stdout:
            last = int(line)
            if last >= 3:
                break
        time.sleep(0.007 * round_)
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        acknowledged = max([last, *map(int, rest.split())])
        with EmbeddedEngine(embedded.root, lock_seconds=5) as engine:
            versions = {one.version for one in engine.stored(index)}
            assert engine.count(index) == 50
            # All of one batch or none of it; what was acknowledged is there.
            assert len(versions) == 1
            assert min(versions) >= acknowledged
            engine.bulk(index, [Action(f"{n:024x}", 2000) for n in range(50)])
            engine.delete_index(index)
            engine.create_index(index, "dataset", FRENCH)


def test_a_writer_waits_for_another_one_and_goes_on(
    embedded: EmbeddedEngine, index: str, caplog: pytest.LogCaptureFixture
) -> None:
    held = tantivy.Index.open(str(embedded.root / "indices" / index)).writer(15_000_000, 1)
    done: list[int] = []
    thread = Thread(target=lambda: done.append(embedded.bulk(index, actions(3)).done))
    thread.start()
    thread.join(1.5)
    assert done == []
    del held
    thread.join()
    assert done == [3]
    assert "another process writes to the index dataset-1: waiting for 20 seconds at most" in caplog.text


def test_a_writer_that_waits_too_long_gives_up_and_says_so(embedded: EmbeddedEngine, index: str) -> None:
    held = tantivy.Index.open(str(embedded.root / "indices" / index)).writer(15_000_000, 1)
    with EmbeddedEngine(embedded.root, lock_seconds=0.2) as impatient, pytest.raises(WriterBusy) as raised:
        impatient.bulk(index, actions(3))
    assert raised.value.exit_code == 3
    assert "SEARCH_LOCK_SECONDS" in str(raised.value)
    del held
    assert embedded.bulk(index, actions(3)).done == 3


def test_many_writers_of_one_index_lose_nothing(embedded: EmbeddedEngine, index: str) -> None:
    writers = [
        process(
            f"for n in range(5): engine.bulk('dataset-1', actions(10, first={k * 100} + n * 10))", str(embedded.root)
        )
        for k in range(3)
    ]
    for writer in writers:
        _, err = writer.communicate(timeout=60)
        assert writer.returncode == 0, err
    assert embedded.count(index) == 150


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the limit is set in a child")
def test_a_disk_that_takes_no_more_is_an_error_and_costs_nothing_that_was_committed(
    embedded: EmbeddedEngine, index: str
) -> None:
    embedded.bulk(index, actions(10))
    writer = process(
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from udata.errors import ServerError\n"
        "try:\n    engine.bulk('dataset-1', actions(3000, version=2))\n"
        "except ServerError as error:\n    print(type(error).__name__)",
        str(embedded.root),
    )
    out, err = writer.communicate(timeout=60)
    assert out == "ServerError\n", err
    assert {one.version for one in embedded.stored(index)} == {1}
    assert embedded.bulk(index, actions(20, version=3)).done == 20
    assert embedded.count(index) == 20


def test_what_was_removed_is_forgotten_after_an_hour(
    embedded: EmbeddedEngine, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.bulk(index, [Action("a", 5, {"id": "a"}), Action("b", 5, {"id": "b"}), Action("a", 6)])
    assert embedded.bulk(index, [Action("a", 5, {"id": "a"})]).stale == 1
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + REMEMBERED + 1)
    embedded.bulk(index, [Action("b", 6, {"id": "b"})])
    assert embedded.bulk(index, [Action("a", 5, {"id": "a"})]).done == 1
    assert embedded.count(index) == 2


def test_what_killed_processes_left_half_made_is_swept_away(embedded: EmbeddedEngine, index: str) -> None:
    for name in (".new-1", ".gone-1"):
        (embedded.root / "indices" / name / "inside").mkdir(parents=True)
    (embedded.root / ".aliases-1").symlink_to("generations/9")
    assert [one.name for one in embedded.indices("dataset")] == [index]
    embedded.create_index("dataset-2", "dataset", FRENCH)
    assert sorted(os.listdir(embedded.root / "indices")) == ["dataset-1", "dataset-2"]
    assert not (embedded.root / ".aliases-1").is_symlink()


def test_a_damaged_index_is_said_stops_no_other_and_can_be_removed(embedded: EmbeddedEngine, index: str) -> None:
    embedded.create_index("dataset-2", "dataset", FRENCH)
    (embedded.root / "indices" / index / "meta.json").write_text("{")
    with EmbeddedEngine(embedded.root) as engine:
        assert engine.health().status == "red"
        assert [(one.name, one.documents) for one in engine.indices("dataset")] == [(index, 0), ("dataset-2", 0)]
        with pytest.raises(UdataError, match="cannot be opened"):
            engine.count(index)
        assert engine.bulk("dataset-2", actions(2)).done == 2
        (embedded.root / "indices" / index / "definition.json").write_text("[]")
        with pytest.raises(UdataError, match="is damaged"):
            engine.count(index)
        engine.delete_index(index)
        assert engine.health().status == "green"


def test_an_index_made_anew_under_its_name_is_opened_anew(embedded: EmbeddedEngine, index: str, tmp_path: Path) -> None:
    embedded.bulk(index, actions(3))
    with EmbeddedEngine(embedded.root) as other:
        other.delete_index(index)
        other.create_index(index, "dataset", Definition("dataset", "en"))
        assert embedded.count(index) == 0
        other.bulk(index, actions(2))
    assert embedded.count(index) == 2


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\0b", "x" * 300, ".hidden"])
def test_a_name_that_leads_elsewhere_is_refused(embedded: EmbeddedEngine, index: str, name: str) -> None:
    with pytest.raises(UsageError):
        embedded.create_index(name, "dataset", FRENCH)
    with pytest.raises(UsageError):
        embedded.swap_aliases([Swap(name, index)])
    with pytest.raises(UsageError):
        embedded.delete_index(name)


def test_ids_and_their_numbers_sort_alike() -> None:
    ids = sorted(["", "0", "00", "1", "9", "9a", "a", "A", "f", "g", "z", "é", "6b04ec107d38ab8dd91dbe1a",
                  "6b04ec107d38ab8dd91dbe1b", "6b04ec107d38ab8dd91dbe2", "6B", "~", " "])  # fmt: skip
    pairs = [numbers(one) for one in ids]
    assert pairs == sorted(pairs)
    assert all(high < 2**64 and low < 2**64 for high, low in pairs)
    assert numbers("6b04ec107d38ab8dd91dbe1a") != numbers("6b04ec107d38ab8dd91dbe1b")


def test_an_engine_is_used_by_many_threads(embedded: EmbeddedEngine, index: str) -> None:
    errors: list[BaseException] = []

    def work(k: int) -> None:
        try:
            for n in range(5):
                embedded.bulk(index, actions(5, first=k * 100 + n * 5))
                embedded.search(index, "dataset", "ecole")
        except (UdataError, ServerError, ValueError) as error:
            errors.append(error)

    threads = [Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert embedded.count(index) == 100
