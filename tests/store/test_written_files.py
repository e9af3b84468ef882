"""What a command writes goes where the operator points it, and replaces nothing but a regular file."""

import os
import stat
import threading
from pathlib import Path

import pytest

from udata.errors import UsageError
from udata.store.written_files import require_writable, write


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("a longer text than what comes")
    path.chmod(0o604)
    require_writable(path)
    write(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o604)
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_as_readable_as_others(tmp_path: Path) -> None:
    write(tmp_path / "new.html", "é")
    (tmp_path / "plain").touch()
    assert (tmp_path / "new.html").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("target", ["target.html", "not-there.html"])
def test_a_symbolic_link_stays_one(tmp_path: Path, target: str) -> None:
    (tmp_path / "target.html").write_text("old")
    link = tmp_path / "link.html"
    link.symlink_to(target)
    require_writable(link)
    write(link, "new")
    assert link.is_symlink()
    assert (tmp_path / target).read_text() == "new"


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    while True:
        try:
            write(pipe, "x" * 100_000)
            break
        except UsageError:
            # The reader has not opened it yet.
            continue
    reader.join(10)
    assert read == ["x" * 100_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_that_nobody_reads_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for refuse in (require_writable, lambda path: write(path, "x")):
        with pytest.raises(UsageError, match="cannot be written"):
            refuse(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError:
        # Only root makes devices; what another may reach serves as well, since a failure would be refused.
        device = Path(os.devnull)
    require_writable(device)
    write(device, "x")
    assert stat.S_ISCHR(device.stat().st_mode)


def test_names_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    for path in (tmp_path / ("x" * 300), tmp_path / "no/where.html", tmp_path, loop, Path("a\0b")):
        with pytest.raises(UsageError, match="cannot be written"):
            require_writable(path)
    assert list(tmp_path.iterdir()) == [loop]
