"""Files in a bucket of an S3 server, by obstore: the extra `udata[s3]`."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from types import ModuleType
from typing import Any

from udata.errors import ConfigurationError
from udata.network.storage.storage import PIECE, Deletion, File, FileMissing, FileRefused, Storage, StorageError, parts

# What one request can remove: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
BATCH = 1000
# How many sizes are asked for at a time.
AT_A_TIME = 16
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
LONGEST_KEY = 1024


class S3(Storage):
    """The files of a bucket whose names begin with `prefix`.

    `options` are `endpoint`, `region`, `access_key` and `secret_key`; what is not given is taken from where Amazon's
    own programs look. Raises ConfigurationError if obstore is not installed, or an option cannot be meant.
    """

    def __init__(self, bucket: str, options: dict[str, Any], prefix: str = "", timeout: float = 30.0) -> None:
        self._obstore = _obstore()
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        endpoint = options.get("endpoint")
        self.place = f"the bucket {bucket}" + (f" at {endpoint}" if endpoint else "")
        named = {
            "endpoint": endpoint,
            "region": options.get("region"),
            "access_key_id": options.get("access_key"),
            "secret_access_key": options.get("secret_key"),
        }
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        try:
            self._store = S3Store(
                bucket,
                client_options={
                    # Only if the operator has written http:// do requests go unencrypted.
                    "allow_http": str(endpoint or "").startswith("http://"),
                    "timeout": f"{timeout:g}s",
                    "connect_timeout": f"{min(timeout, 10.0):g}s",
                },
                # One that is down is said to be so within the time limit.
                retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=timeout)},
                config={name: str(value) for name, value in named.items() if value is not None},  # type: ignore[arg-type]
            )
        except (BaseError, ValueError) as error:
            raise ConfigurationError(
                f"{self.place} cannot be meant: {_reason(error)}", "check the settings that begin with FS_S3_"
            ) from error
        self._known = False

    def probe(self) -> None:
        """Ask for the first object."""
        self._known = False
        self._make_sure()

    def files(self, unread: Callable[[str, str], None] = lambda name, reason: None) -> Iterator[File]:
        """Every object, a thousand a request."""
        with self._translated():
            for batch in self._obstore.list(self._store, self._prefix or None, chunk_size=BATCH):
                for one in batch:
                    yield File(str(one["path"]).removeprefix(self._prefix), int(one["size"]))

    def size(self, name: str) -> int | None:
        """The bytes of an object."""
        self._make_sure()
        key = self._key(name)
        with self._translated():
            return self._size(key)

    def delete(self, names: Iterable[str]) -> Iterator[Deletion]:
        """Remove objects, up to a thousand a request."""
        rest = iter(names)
        while some := list(islice(rest, BATCH)):
            self._make_sure()
            yield from self._delete(some)

    def read(self, name: str) -> Iterator[bytes]:
        """The content of an object."""
        self._make_sure()
        key = self._key(name)
        with self._translated():
            try:
                found = self._obstore.get(self._store, key)
            except FileNotFoundError as error:
                raise FileMissing(name) from error
            for piece in found.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    def write(self, name: str, content: Iterable[bytes]) -> int:
        """Store an object; there is none before its last piece has arrived."""
        key = self._key(name)
        size = 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for piece in content:
                size += len(piece)
                yield piece

        with self._translated():
            self._obstore.put(self._store, key, counted())
        return size

    def _delete(self, names: list[str]) -> Iterator[Deletion]:
        keys: dict[str, str] = {}
        refused: dict[str, Deletion] = {}
        for name in names:
            try:
                keys[name] = self._key(name)
            except FileRefused as error:
                refused[_mark(name)] = Deletion(name, "refused", reason=error.reason)
        with self._translated(), ThreadPoolExecutor(AT_A_TIME) as pool:
            # Before the removal: S3 says of a key that was not there that it is deleted.
            sizes = dict(zip(keys, pool.map(self._size, keys.values()), strict=True))
            there = [keys[name] for name, size in sizes.items() if size is not None]
            if there:
                self._obstore.delete(self._store, there)
        for name in names:
            if _mark(name) in refused:
                yield refused[_mark(name)]
            elif (size := sizes.pop(name, None)) is None:
                # It is not there, or was named twice.
                yield Deletion(name, "missing")
            else:
                yield Deletion(name, "deleted", size)

    def _size(self, key: str) -> int | None:
        try:
            return int(self._obstore.head(self._store, key)["size"])
        except FileNotFoundError:
            return None

    def _key(self, name: str) -> str:
        key = self._prefix + "/".join(parts(name))
        try:
            length = len(key.encode())
        except UnicodeEncodeError as error:
            raise FileRefused(name, "has a name that no file can have") from error
        if length > LONGEST_KEY:
            raise FileRefused(name, f"has a name of more than {LONGEST_KEY} bytes")
        return key

    def _make_sure(self) -> None:
        """Make sure, once, that there is a bucket: a server says of it and of a file in it the same."""
        if not self._known:
            with self._translated():
                next(iter(self._obstore.list(self._store, chunk_size=1)), None)
            self._known = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise StorageError(
                f"{self.place} cannot be used: {_reason(error)}", "check the settings that begin with FS_S3_"
            ) from error


def _obstore() -> ModuleType:
    try:
        import obstore
    except ImportError as error:
        raise ConfigurationError(
            "the files are kept in an S3 server, and what speaks to one is not installed", "pip install 'udata[s3]'"
        ) from error
    return obstore


def _mark(name: object) -> str:
    """A name of any kind as a key of a mapping."""
    return f"{type(name).__name__} {name!r}"


def _reason(error: BaseException) -> str:
    """What the server or the system says: obstore adds whole answers and its own inner state below it."""
    text = str(error).split("\n\nDebug source")[0]
    if "<Message>" in text:
        return text.partition("<Message>")[2].partition("</Message>")[0]
    return " ".join(text.split())[:300]
