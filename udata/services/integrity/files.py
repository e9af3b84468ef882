"""The check `files`: stored files that no document names, and named files that do not exist.

Every name is held as a digest, so that a million files take some 25 MB each way.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from udata.errors import ConfigurationError, UdataError
from udata.network.storage.storage import FileRefused, Storage, StorageError, parts, shown
from udata.network.storage.storages import is_configured, storage
from udata.services.integrity.check import Check, Document, Portal
from udata.services.integrity.findings import Finding
from udata.services.named_files import NAMED, Named, fields, named, storages
from udata.store.compact_set import CompactSet
from udata.store.scan import Unreadable, documents
from udata.store.shapes import Shape
from udata.wording import size

DIGEST_BYTES = 16


class Files(Check):
    """What documents name and what is stored must be the same files.

    The storages are listed before the documents are read, and again after them: on a living portal a file that came
    meanwhile is none that nobody names, and one that seems to be missing is looked for once more.
    """

    name = "files"
    severity = "warning"
    help = "stored files that no document names, and named files that do not exist"
    by_default = False

    def prepare(self, portal: Portal, collections: Sequence[str]) -> None:
        """List the storages."""
        super().prepare(portal, collections)
        self.collections = [name for name in NAMED if name in portal.present]
        # Only if every document is read can it be said what none of them names.
        self.whole = set(self.collections) <= set(collections)
        self.there = CompactSet(DIGEST_BYTES)
        self.named = CompactSet(DIGEST_BYTES)
        self.storages: dict[str, Storage] = {}
        self.problems: dict[str, str] = {}
        for place in storages():
            self._open(place)
        self._tell_problems()

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """Those that name files."""
        return fields(collection)

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterator[Finding]:
        """The named files that do not exist, and the names that cannot be a file's."""
        for one in named(collection, document):
            try:
                parts(one.name)
            except FileRefused as error:
                message = f"names {shown(one.name)}, which {error.reason}"
                yield self.finding(collection, document.get("_id"), one.path, message, missing=_text(one.name))
                continue
            digest = _digest(one.storage, one.name)
            self.named.add(digest)
            if one.storage in self.storages and digest not in self.there and not self._exists(one):
                message = f"names the file {shown(one.name)}, which is not in the storage {one.storage}"
                yield self.finding(collection, document.get("_id"), one.path, message, missing=_text(one.name))

    def finish(self) -> Iterator[Finding]:
        """The stored files that no document names."""
        if not self.whole:
            return
        # What was named meanwhile counts, too.
        for collection in self.collections:
            for document in documents(self.portal.database[collection], {}, fields(collection)):
                for one in () if isinstance(document, Unreadable) else named(collection, document):
                    self.named.add(_digest(one.storage, one.name))
        for place, opened in self.storages.items():
            try:
                for file in opened.files():
                    digest = _digest(place, file.name)
                    # A file that came since may belong to a document that is about to come.
                    if digest in self.there and digest not in self.named:
                        message = f"is stored ({size(file.size)}), and no document names it"
                        yield self.finding(place, _text(file.name), "", message)
            except StorageError as error:
                self.problems[place] = str(error)
        self._tell_problems()

    def _open(self, place: str) -> None:
        """List a storage, or note why that cannot be."""
        settings = self.portal.settings
        try:
            if not is_configured(settings, place):
                raise ConfigurationError(f"it is not known where the files of {place} are", "set FS_ROOT")
            opened = storage(settings, place)
            for file in opened.files(lambda name, reason: self._unread(place, name, reason)):
                self.there.add(_digest(place, file.name))
        except UdataError as error:
            self.problems[place] = str(error)
        else:
            self.storages[place] = opened

    def _unread(self, place: str, name: str, reason: str) -> None:
        self.problems[f"{place} {_text(name)}"] = f"the folder {shown(name)} of {place} {reason}"

    def _exists(self, one: Named) -> bool:
        """Whether the file is there now."""
        try:
            return self.storages[one.storage].size(one.name) is not None
        except FileRefused:
            return False
        except StorageError as error:
            # Of the others of this storage nothing can be said any more.
            self.problems[one.storage] = str(error)
            del self.storages[one.storage]
            self._tell_problems()
            return True

    def _tell_problems(self) -> None:
        if self.problems:
            self.broken = "; ".join(dict.fromkeys(self.problems.values()))


def _digest(place: str, name: object) -> bytes:
    return blake2b(f"{place} {name}".encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _text(name: object) -> str:
    """A name as text that every stream can take: what is no UTF-8 in it is replaced."""
    return str(name).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
