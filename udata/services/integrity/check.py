"""What a check is, and which there are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from time import monotonic, sleep
from typing import Any, ClassVar

from pymongo.database import Database
from pymongo.errors import OperationFailure

from udata.errors import UnknownName
from udata.plugins import Plugin, PluginError, load, unclashing
from udata.services.integrity.findings import Finding, Severity
from udata.store.shapes import Shape

Document = dict[str, Any]

# Where the checks are, by name; the order is that of the output.
MODULES = {
    "references": "udata.services.integrity.references:References",
    "missing-lists": "udata.services.integrity.missing_lists:MissingLists",
    "duplicates": "udata.services.integrity.duplicates:Duplicates",
    "ownership": "udata.services.integrity.ownership:Ownership",
    "documents": "udata.services.integrity.documents:Documents",
    "metrics": "udata.services.integrity.metrics:Metrics",
    "undeclared": "udata.services.integrity.undeclared:Undeclared",
    "files": "udata.services.integrity.files:Files",
}

# How long a change may take, in seconds: a portal removes a document and right after it what names it, or moves a
# value from one document to another.
SETTLE = 0.2


class Portal:
    """What is checked: the database, the collections `present` in it, and the shape of each that the models know.

    The `settings` say where its files are. `unread` says of each collection that cannot be read why.
    """

    def __init__(
        self,
        database: Database[Document],
        present: frozenset[str],
        shapes: dict[str, Shape],
        site_id: str,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.database = database
        self.present = present
        self.shapes = shapes
        self.site_id = site_id
        self.settings = {} if settings is None else settings
        self.unread: dict[str, str] = {}

    @contextmanager
    def reading(self, collection: str) -> Iterator[None]:
        """Note in `unread` if the server refuses what is read of `collection`, and go on."""
        try:
            yield
        except OperationFailure as error:
            self.unread[collection] = str((error.details or {}).get("errmsg", error))


class Check:
    """A check. One pass over a collection serves all checks: each says which fields it wants, and is shown them.

    A subclass names itself and its severity, and overrides what it needs.
    """

    name: ClassVar[str]
    severity: ClassVar[Severity] = "error"
    help: ClassVar[str]
    by_default: ClassVar[bool] = True
    # Why it was given up, if it was.
    broken: str | None = None

    def prepare(self, portal: Portal, collections: Sequence[str]) -> None:
        """Before the first of `collections` is read."""
        self.portal = portal

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """The stored fields that it wants of a collection: none to pass it over, None for whole documents."""
        return ()

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterable[Finding]:
        """What is wrong with a document, of which at least the wanted fields and `_id` are there."""
        return ()

    def leave(self, collection: str, shape: Shape) -> Iterable[Finding]:
        """What is wrong with a collection that has been read."""
        return ()

    def finish(self) -> Iterable[Finding]:
        """What is wrong with the database, now that everything has been read."""
        return ()

    def finding(
        self,
        collection: str,
        id: Any,
        path: str,
        message: str,
        *,
        target: str | None = None,
        missing: Any = None,
        severity: Severity | None = None,
    ) -> Finding:
        """A finding of this check, of the check's severity unless another is given."""
        lacks = None if missing is None else str(missing)
        return Finding(self.name, severity or self.severity, collection, str(id), path, target, lacks, message)


def settle(since: float) -> None:
    """Wait until what was seen at the moment `since` cannot be in the middle of a change; then it is looked at again.

    `since` is 0 if nothing was seen.
    """
    sleep(max(0.0, since + SETTLE - monotonic()))


def checks(names: Iterable[str] = ()) -> tuple[list[Check], list[str]]:
    """The checks called `names` (by default those that run by default), and what to warn of.

    A plugin that cannot be loaded is a warning; if it was named, it is raised as PluginError.
    Raises UnknownName, with the nearest names.
    """
    classes, warnings = _classes(tuple(names))
    wanted = list(dict.fromkeys(names)) or [name for name, cls in classes.items() if cls.by_default]
    for name in wanted:
        if name not in classes:
            raise UnknownName("check", name, classes)
    return [classes[name]() for name in classes if name in wanted], warnings


def _classes(named: Sequence[str]) -> tuple[dict[str, type[Check]], list[str]]:
    classes: dict[str, type[Check]] = {}
    for name, place in MODULES.items():
        module, _, attribute = place.partition(":")
        classes[name] = getattr(import_module(module), attribute)
    found, refused = unclashing("udata.checks", classes)
    warnings = [str(error) for error in refused]
    for plugin in found:
        try:
            classes[plugin.name] = _loaded(plugin)
        except PluginError as error:
            if plugin.name in named:
                raise
            warnings.append(str(error))
    return classes, warnings


def _loaded(plugin: Plugin) -> type[Check]:
    found = load(plugin)
    if not (isinstance(found, type) and issubclass(found, Check)):
        raise PluginError(f"the plugin {plugin.name} of {plugin.distribution} is no check: {plugin.value}")

    # The name under which it is installed is the one that an operator types.
    found.name = plugin.name

    class Guarded(_Guarded):
        name = plugin.name
        severity = found.severity
        help = getattr(found, "help", "")
        by_default = found.by_default
        made = found

    return Guarded


class _Guarded(Check):
    """Another package's check, given up at the first thing that it raises."""

    made: ClassVar[type[Check]]

    def __init__(self) -> None:
        self.check: Check | None = None

    def prepare(self, portal: Portal, collections: Sequence[str]) -> None:
        """As of the check."""
        try:
            self.check = self.made()
            self.check.prepare(portal, collections)
        except Exception as error:  # another package's code may raise anything
            self._give_up(error)

    def fields(self, collection: str, shape: Shape) -> Iterable[str] | None:
        """As of the check; no fields if it was given up."""
        try:
            fields = () if self.check is None else self.check.fields(collection, shape)
            # Read to its end here, so that what it raises is caught here, too.
            return fields if fields is None else frozenset(map(str, fields))
        except Exception as error:  # another package's code may raise anything
            self._give_up(error)
            return ()

    def visit(self, collection: str, shape: Shape, document: Document) -> Iterable[Finding]:
        """As of the check."""
        return self._guarded("visit", collection, shape, document)

    def leave(self, collection: str, shape: Shape) -> Iterable[Finding]:
        """As of the check."""
        return self._guarded("leave", collection, shape)

    def finish(self) -> Iterable[Finding]:
        """As of the check."""
        return self._guarded("finish")

    def _guarded(self, method: str, *args: Any) -> Iterator[Finding]:
        if self.check is not None:
            try:
                for finding in getattr(self.check, method)(*args):
                    if not isinstance(finding, Finding):
                        raise TypeError(f"{finding!r} is no finding")
                    yield finding
            except Exception as error:  # another package's code may raise anything
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.check = None
        self.broken = f"{type(error).__name__}: {error}"
