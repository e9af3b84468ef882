"""A diagnosis as a whole: every part is told, side by side, in time."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from tests.services.diagnosis.looking import SetEnv, found, look
from udata.services.diagnosis.run import diagnose
from udata.settings import Settings

NAMES = [
    "settings", "plugins", "database", "collections", "broker", "cache", "search", "workers", "queues", "scheduler",
    "storage", "mail",
]  # fmt: skip


def test_of_an_installation_that_works_every_part_is_told(give: SetEnv, tmp_path: Path) -> None:
    give("FS_ROOT", str(tmp_path))
    report = diagnose()
    assert report.ok, [check for check in report.checks if check.problems]
    assert [check.name for check in report.checks] == NAMES
    works = {check.name for check in report.checks if check.ok}
    assert works == {"settings", "database", "collections", "broker", "cache", "queues", "scheduler", "storage"}
    assert report.versions.libraries["pymongo"]


def test_the_remark_on_a_part_says_what_is_not_there(settings: Settings) -> None:
    report = diagnose()
    for name, words in {
        "plugins": "none installed", "search": "not configured", "workers": "none", "storage": "FS_ROOT",
        "mail": "MAIL_SERVER",
    }.items():  # fmt: skip
        assert found(report, name).ok is None
        assert words in found(report, name).value


def test_servers_that_never_answer_are_given_up_together(give: SetEnv) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        give("SERVER_TIMEOUT", "0.5")
        give("MONGODB_HOST", f"mongodb://127.0.0.1:{port}/portal")
        give("CELERY_BROKER_URL", f"redis://127.0.0.1:{port}/0")
        give("CACHE_REDIS_URL", f"redis://127.0.0.1:{port}/0")
        give("MAIL_SERVER", "127.0.0.1")
        give("MAIL_PORT", str(port))
        report = diagnose()
    assert [check.name for check in report.checks if check.ok is False] == ["database", "broker", "cache", "mail"]
    assert all(check.remedy for check in report.checks if check.ok is False)


@contextmanager
def dripping() -> Iterator[int]:
    """The port of a server that says something again and again, and never comes to an end."""
    over = Event()

    def drip(listening: socket.socket) -> None:
        with suppress(OSError), listening.accept()[0] as connection:
            while not over.wait(0.1):
                connection.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        thread = Thread(target=drip, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join()


def test_a_server_that_never_comes_to_an_end_is_given_up_too(give: SetEnv) -> None:
    give("SERVER_TIMEOUT", "0.5")
    give("MAIL_SERVER", "127.0.0.1")
    with dripping() as port:
        give("MAIL_PORT", str(port))
        check = look("mail")
    assert check.ok is False
    assert "no answer within" in check.value
