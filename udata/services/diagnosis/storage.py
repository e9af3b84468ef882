"""Where the portal's files are: whether folders are there, can be written to and have space, and buckets answer."""

import os
import shutil
from pathlib import Path
from typing import Any

from udata.network.storage.storage import Storage, StorageError
from udata.network.storage.storages import BACKENDS, backend_of, storage
from udata.services.diagnosis.check import Check, Note, judged, passed_over
from udata.services.named_files import storages
from udata.settings import Settings
from udata.wording import size

# Below this, little can be stored any more.
LITTLE_SPACE = 1_000_000_000


def look(settings: Settings) -> list[Check]:
    """Whether the portal's files can be kept. Nothing is written to find out."""
    if settings["FS_BACKEND"] not in BACKENDS:
        return [passed_over("storage", f"not looked at: FS_BACKEND is {settings['FS_BACKEND']}, no folder")]
    folders, buckets = roots(settings), _buckets(settings)
    if not folders and not buckets:
        return [passed_over("storage", "not configured: FS_ROOT is not set")]
    problems = [note for name, folder in folders.items() if (note := _problem(name, folder))]
    answering = []
    for bucket in buckets:
        note = _silence(bucket)
        problems += [note] if note else []
        answering += [] if note else [f"{bucket.place} answers"]
    whole = {name: folder for name, folder in folders.items() if os.path.isdir(folder)}
    free = {name: shutil.disk_usage(folder).free for name, folder in whole.items()}
    warnings = [note for folder in whole.values() if (note := little_space(folder))]
    value = ", ".join([*(f"{folder} with {size(free[name])} free" for name, folder in whole.items()), *answering])
    details: dict[str, Any] = {
        "folders": [{"setting": name, "path": folder, "free": free.get(name)} for name, folder in folders.items()],
        "buckets": [bucket.place for bucket in buckets],
    }
    return [judged("storage", value, problems, warnings, **details)]


def roots(settings: Settings) -> dict[str, Path]:
    """The folders of the files by the setting that names each: `FS_ROOT`, and those of one kind of file."""
    common = ("FS_LOCAL_ROOT", "FS_ROOT") if settings["FS_BACKEND"] == "local" else ()
    named = {name: value for name, value in settings.items() if name in common or name.endswith("_FS_ROOT")}
    return {name: Path(value) for name, value in sorted(named.items()) if isinstance(value, str | os.PathLike)}


def _buckets(settings: Settings) -> list[Storage]:
    """The storages on S3 servers in which documents name files, each bucket once. Raises ConfigurationError."""
    timeout = settings["SERVER_TIMEOUT"]
    found = [storage(settings, name, timeout=timeout) for name in storages() if backend_of(settings, name) == "s3"]
    return list({one.place: one for one in found}.values())


def _silence(bucket: Storage) -> Note | None:
    try:
        bucket.probe()
    except StorageError as error:
        return Note(error.message, error.hint or "")
    return None


def little_space(folder: Path) -> Note | None:
    """That the folder's disk is nearly full, if it is."""
    free = shutil.disk_usage(folder).free
    if free >= LITTLE_SPACE:
        return None
    return Note(f"only {size(free)} are free in {folder}", "make space, or move what is in it")


def writable(folder: Path) -> bool:
    """Whether files can be made in the folder, and read."""
    # For the user that would really write, if the system can tell.
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _problem(name: str, folder: Path) -> Note | None:
    # Asked so that a folder above it which cannot be entered is no error.
    if not os.path.exists(folder):
        return Note(f"{name} names {folder}, which is not there", f"mkdir -p {folder}, or mend {name}")
    if not os.path.isdir(folder):
        return Note(f"{name} names {folder}, which is no folder", f"mend {name}")
    if not writable(folder):
        return Note(f"{folder} ({name}) cannot be written to", "let the user that runs udata write to it")
    return None
