"""A folder as a storage: nothing leads out of it, not even while it changes."""

import errno
import os
import threading
from pathlib import Path

import pytest

from udata.network.storage.local import Local
from udata.network.storage.storage import File, FileRefused, StorageError
from udata.network.storage.storages import storage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A storage's folder, beside a file that is none of its business."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret", encoding="utf-8")
    made = tmp_path / "root"
    made.mkdir()
    (made / "file").write_text("content", encoding="utf-8")
    return made


def test_a_link_leads_nowhere(root: Path, tmp_path: Path) -> None:
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "link").symlink_to(tmp_path / "outside" / "secret")
    (root / "inner").symlink_to(root / "file")
    local = Local(root)
    for name in ("folder/secret", "link", "inner"):
        (outcome,) = local.delete([name])
        assert outcome.state == "refused"
        assert "link" in str(outcome.reason)
        for touch in (lambda name=name: local.size(name), lambda name=name: list(local.read(name))):
            with pytest.raises(FileRefused, match="link"):
                touch()
        with pytest.raises(FileRefused, match="link"):
            local.write(name, [b"overwritten"])
    assert list(local.files()) == [File("file", 7)]
    assert (tmp_path / "outside" / "secret").read_text(encoding="utf-8") == "secret"
    assert (root / "link").is_symlink()


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(root)
    assert list(Local(tmp_path / "elsewhere").files()) == [File("file", 7)]


def test_a_folder_that_turns_into_a_link_meanwhile_leads_nowhere_either(root: Path, tmp_path: Path) -> None:
    folder, spare, link = root / "folder", root / "spare", root / "link"
    folder.mkdir()
    link.symlink_to(tmp_path / "outside")
    local = Local(root)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(folder, spare)
            os.rename(link, folder)
            os.rename(folder, link)
            os.rename(spare, folder)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        states = {one.state for _ in range(300) for one in local.delete(["folder/secret", "folder/none"])}
    finally:
        stop.set()
        swapping.join()
    assert "deleted" not in states
    assert (tmp_path / "outside" / "secret").exists()


def test_what_is_no_regular_file_is_left_alone(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    outcome = list(Local(root).delete(["pipe", "folder", "file/below"]))
    assert [one.reason for one in outcome] == [
        "is no regular file", "is a folder", "leads through a link, or through what is no folder",
    ]  # fmt: skip
    with pytest.raises(FileRefused):
        list(Local(root).read("pipe"))


def test_a_name_that_is_too_long_is_refused(root: Path) -> None:
    (outcome,) = Local(root).delete(["x" * 300])
    assert outcome.reason == f"cannot be used: {os.strerror(errno.ENAMETOOLONG)}"


def test_the_prefix_stands_before_the_names_and_is_none_of_them(tmp_path: Path) -> None:
    local = storage({"AVATARS_FS_ROOT": tmp_path, "AVATARS_FS_PREFIX": "v1/small"}, "avatars")
    local.write("a.png", [b"x"])
    assert (tmp_path / "v1/small/a.png").read_bytes() == b"x"
    (tmp_path / "other").write_text("x", encoding="utf-8")
    assert list(local.files()) == [File("a.png", 1)]
    assert local.size("a.png") == 1


def test_a_storage_in_which_nothing_was_stored_yet_is_empty_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    fresh = storage({"FS_ROOT": tmp_path}, "avatars")
    assert list(fresh.files()) == []
    assert [one.state for one in fresh.delete(["a"])] == ["missing"]
    for gone in (storage({"FS_ROOT": tmp_path / "gone"}, "avatars"), Local(tmp_path / "gone")):
        with pytest.raises(StorageError, match="is its disk mounted"):
            list(gone.files())
        with pytest.raises(StorageError, match="No such file"):
            list(gone.delete(["a"]))
        with pytest.raises(StorageError, match="No such file"):
            gone.write("a", [b"x"])


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_listed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "closed").mkdir(mode=0)
    (root / "open").mkdir()
    (root / "open" / "file").write_text("x", encoding="utf-8")
    if os.access(root / "closed", os.R_OK):
        pytest.skip("this user may read everything")
    unread: list[tuple[str, str]] = []
    names = {one.name for one in Local(root).files(lambda name, reason: unread.append((name, reason)))}
    assert names == {"file", "open/file"}
    assert unread == [("closed", "cannot be used: Permission denied")]


def test_listing_needs_no_more_memory_for_more_files(tmp_path: Path) -> None:
    import tracemalloc

    local = Local(tmp_path)
    for folder in range(3):
        (tmp_path / str(folder)).mkdir()
        for number in range(1500):
            (tmp_path / str(folder) / str(number)).touch()
    tracemalloc.start()
    try:
        assert sum(1 for _ in local.files()) == 4500
        assert tracemalloc.get_traced_memory()[1] < 400_000
    finally:
        tracemalloc.stop()
