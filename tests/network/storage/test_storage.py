"""What every storage does, on a folder and on an S3 server alike."""

from pathlib import Path

import pytest

from udata.network.storage.local import Local
from udata.network.storage.storage import Deletion, File, FileMissing, FileRefused, Storage, copy

NAMES = ["a/b/c.csv", "été à Noël ~#%?+&.csv", "x%2Fy", "a b/[z] *.txt", "very/" + "long/" * 40 + "name"]

REFUSED = ["", None, 7, "/etc/passwd", "..", "../outside", "a/../../outside", "a//b", "a/", "./a", "a\0b", "a\nb",
           "\ud800"]  # fmt: skip


def fill(storage: Storage, *names: str) -> None:
    for name in names:
        storage.write(name, [name.encode()])


def content(storage: Storage, name: str) -> bytes:
    return b"".join(storage.read(name))


def test_what_is_stored_is_listed_and_read_under_its_own_name(storage: Storage) -> None:
    fill(storage, *NAMES)
    assert sorted(storage.files()) == sorted(File(name, len(name.encode())) for name in NAMES)
    for name in NAMES:
        assert storage.size(name) == len(name.encode())
        assert content(storage, name) == name.encode()


def test_an_empty_storage_holds_nothing(storage: Storage) -> None:
    assert list(storage.files()) == []
    assert storage.size("a") is None
    assert list(storage.delete([])) == []


def test_files_go_and_what_became_of_each_is_said(storage: Storage) -> None:
    fill(storage, "a/one", "a/two", "three")
    outcome = list(storage.delete(["a/one", "a/nothing", "../three", "three", "a/one"]))
    assert outcome == [
        Deletion("a/one", "deleted", 5),
        Deletion("a/nothing", "missing"),
        Deletion("../three", "refused", reason="has a name with an empty part, . or .."),
        Deletion("three", "deleted", 5),
        Deletion("a/one", "missing"),
    ]
    assert list(storage.files()) == [File("a/two", 5)]


def test_a_thousand_and_one_files_go_and_those_that_were_missing_are_told(storage: Storage) -> None:
    names = [f"many/{number:04}" for number in range(1001)]
    fill(storage, *names[::2])
    outcome = list(storage.delete(names))
    assert [one.name for one in outcome] == names
    assert [one.state for one in outcome] == ["deleted" if not number % 2 else "missing" for number in range(1001)]
    assert list(storage.files()) == []


@pytest.mark.parametrize("name", REFUSED, ids=repr)
def test_what_cannot_be_a_files_name_is_refused_and_nothing_goes(storage: Storage, name: str) -> None:
    fill(storage, "a/b")
    (outcome,) = storage.delete([name])
    assert outcome.state == "refused"
    assert outcome.reason
    for touch in (lambda: storage.size(name), lambda: list(storage.read(name)), lambda: storage.write(name, [b"x"])):
        with pytest.raises(FileRefused):
            touch()
    assert list(storage.files()) == [File("a/b", 3)]


def test_a_folders_name_does_not_take_what_is_in_it(storage: Storage) -> None:
    fill(storage, "a/b/c")
    (outcome,) = storage.delete(["a/b"])
    # A server of objects knows no folders.
    assert outcome.state in ("refused", "missing")
    assert list(storage.files()) == [File("a/b/c", 5)]


def test_a_file_takes_the_place_of_one_that_is_there(storage: Storage) -> None:
    fill(storage, "a")
    assert storage.write("a", [b"new ", b"content"]) == 11
    assert content(storage, "a") == b"new content"


def test_a_file_that_could_not_be_stored_whole_is_not_stored(storage: Storage) -> None:
    def broken() -> object:
        yield b"x" * 100
        raise RuntimeError("the source broke")

    with pytest.raises(Exception, match="the source broke"):
        storage.write("a", broken())  # type: ignore[arg-type]
    assert list(storage.files()) == []


def test_what_is_missing_is_told_as_such(storage: Storage) -> None:
    with pytest.raises(FileMissing, match="'a/b' is not there"):
        list(storage.read("a/b"))


def test_a_file_is_copied_into_an_archive_and_back(storage: Storage, tmp_path: Path) -> None:
    archive = Local(tmp_path / "archive" / "resources", within=tmp_path / "archive")
    (tmp_path / "archive").mkdir()
    large = bytes(range(256)) * 20_000
    storage.write("folder/large", [large])
    assert copy("folder/large", storage, archive) == len(large)
    assert (tmp_path / "archive/resources/folder/large").read_bytes() == large
    list(storage.delete(["folder/large"]))
    copy("folder/large", archive, storage)
    assert content(storage, "folder/large") == large
    with pytest.raises(FileMissing):
        copy("folder/none", storage, archive)
