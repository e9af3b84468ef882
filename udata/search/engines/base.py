"""What every search engine does: the interface, and what goes in and out of it.

An *index* is named `<alias>-<suffix>`; an *alias* names at most one index of a model, and readers know the alias
alone. No write ever creates an index: what it is sent to must exist. Nothing here knows what a dataset is beyond
the names and kinds of `udata.search.fields`.

    open_engine(settings)               udata.search.engines.opening: the engine that the settings name
    send(engine, target, actions, …)    udata.search.engines.sender: very many actions, in constant memory

Errors (all of them in the tree of `udata.errors`):

    ServerError                the engine does not answer, or refuses
    ├── Unavailable            it is away, starting or overloaded: the same may be tried again
    ├── TooLarge               it takes no request of that size
    ├── ReadOnly               it takes no writes: its disk is full, or somebody has said so
    └── WriterBusy             embedded: another process has been writing for longer than SEARCH_LOCK_SECONDS
    ConfigurationError         no engine is configured, or the server is none that is known
    NoSuchIndex                no index and no alias has that name
    IndexExists                an index of that name is there already
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, ClassVar, Literal, NamedTuple, Self

import orjson

from udata.errors import ServerError, UdataError

# The status of an action that was refused for what it holds.
REFUSED = 400


class Unavailable(ServerError):
    """The engine does not answer, or takes nothing for now: the same may be tried again a little later."""


class TooLarge(ServerError):
    """The server, or a proxy before it, takes no request of this size."""


class ReadOnly(ServerError):
    """The engine takes no writes: its disk is nearly full, or an operator has blocked them."""


class WriterBusy(ServerError):
    """Another process writes to the same embedded index, and has not ended in time."""


class NoSuchIndex(UdataError):
    """No index and no alias has the name `name`."""

    def __init__(self, name: str, kind: str = "index") -> None:
        self.name = name
        super().__init__(f"the search engine has no {kind} named {name}", "udata search init creates the first ones")


class IndexExists(UdataError):
    """An index named `name` is there already."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the search engine has an index named {name} already")


class Server(NamedTuple):
    """Which server it is: `name` is Elasticsearch, OpenSearch or tantivy; `address` has its password hidden."""

    name: str
    version: str
    address: str


class Health(NamedTuple):
    """How the server is. `status`: green, yellow (a copy is missing) or red (documents are missing).

    `read_only` names the indices that take no writes.
    """

    status: Literal["green", "yellow", "red"]
    nodes: int
    read_only: tuple[str, ...]


class Disk(NamedTuple):
    """The fullest disk of the server, in bytes. At less than `watermark` free, writes are refused (0: unknown)."""

    total: int
    free: int
    watermark: int


class Index(NamedTuple):
    """An index: its documents, its bytes on disk, when it was created (UTC), and the aliases that name it."""

    name: str
    documents: int
    size: int
    created: datetime
    aliases: tuple[str, ...]


class Definition(NamedTuple):
    """What an index is made of: the fields of `model`, and the analysis of its texts.

    `language` is `fr` or `en`. Each of `synonyms` is a line of words that mean the same (`car, automobile`), or of
    words that also mean another (`sncf => train`).
    """

    model: str
    language: str
    synonyms: tuple[str, ...] = ()


class Action(NamedTuple):
    """A document to store, or with `document` None one to remove.

    `document` is a mapping or its JSON. It is stored unless the engine holds a newer `version` of `id`: the version
    is an instant in microseconds, and an equal one is written again.
    """

    id: str
    version: int
    document: Mapping[str, Any] | bytes | None = None

    @property
    def removes(self) -> bool:
        """Whether the document is to be removed."""
        return self.document is None


class Prepared(NamedTuple):
    """An action as its engine sends it: made once, however often it is sent. `size` in bytes."""

    id: str
    size: int
    payload: Any


class Failure(NamedTuple):
    """An action that was not done, and why. `retryable`: the engine was too busy for it (429)."""

    id: str
    status: int
    reason: str
    retryable: bool = False


class Outcome(NamedTuple):
    """What became of a batch: the number of actions done, of those that lost against a newer version, and failures.

    Removing what is not there is done, too.
    """

    done: int
    stale: int
    failures: list[Failure]


class Hit(NamedTuple):
    """A document that was found."""

    id: str
    score: float
    title: str


class Found(NamedTuple):
    """What a search found: how many documents in all, and the best of them."""

    total: int
    hits: list[Hit]


class Stored(NamedTuple):
    """A document of an index without its content: `digest` is that of `digest(document)`."""

    id: str
    version: int
    digest: bytes


class Swap(NamedTuple):
    """`alias` shall name the index `index_name` alone."""

    alias: str
    index_name: str


class Engine(ABC):
    """A search engine. One object serves the threads of a process; `close` it, or use it in a `with`.

    `target` is the name of an index, or with `alias=True` that of an alias; it must exist. Methods raise ServerError
    when the engine does not answer, NoSuchIndex for a name that is not there.
    """

    # What one batch of this engine may hold, and how many of them may be on their way at once.
    batch_bytes: ClassVar[int]
    batch_actions: ClassVar[int]
    concurrency: ClassVar[int]
    # For how many seconds the sender goes on trying while the engine is away or overloaded.
    patience: float = 120.0

    @abstractmethod
    def server(self) -> Server:
        """Which server it is; asked once. Raises ConfigurationError for one that is not known."""

    @abstractmethod
    def health(self) -> Health:
        """How the server is."""

    @abstractmethod
    def disk(self) -> Disk:
        """The disk of the server that has the least space."""

    @abstractmethod
    def indices(self, alias: str) -> list[Index]:
        """The indices whose names begin with `<alias>-`, oldest name first; their aliases, `alias` or others, too.

        On a shared server some may be other programs': judge by the suffix before one is removed.
        """

    @abstractmethod
    def aliases(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The indices that each of the aliases `names` names; an alias that is not there has none."""

    @abstractmethod
    def create_index(self, name: str, alias: str, definition: Definition) -> None:
        """Create the empty index `name` of `alias`. No alias names it yet. Raises IndexExists."""

    @abstractmethod
    def put_template(self, alias: str, definition: Definition) -> None:
        """What an index of `alias` is made of if another program creates it. The embedded engine keeps none."""

    @abstractmethod
    def delete_index(self, name: str) -> None:
        """Remove the index. Raises NoSuchIndex, and UdataError when an alias names it."""

    @abstractmethod
    def swap_aliases(self, swaps: Sequence[Swap]) -> None:
        """Make each alias name its index and no other, all of them in one step, and the indices ready for readers.

        Raises NoSuchIndex, and then nothing has changed.
        """

    @abstractmethod
    def prepare(self, target: str, action: Action, *, alias: bool = False) -> Prepared:
        """The action as this engine sends it to `target`: made once, in the thread that reads.

        Raises ValueError for a document that cannot be stored since it is no JSON.
        """

    @abstractmethod
    def post(self, target: str, batch: Sequence[Prepared], *, alias: bool = False) -> Outcome:
        """Send one batch, once, and wait for the answer: when it returns, what was done is durable.

        Raises ReadOnly when the engine takes no writes, WriterBusy, NoSuchIndex.
        """

    @abstractmethod
    def refresh(self, target: str) -> None:
        """Make everything that was written visible to readers."""

    @abstractmethod
    def count(self, target: str) -> int:
        """How many documents readers see."""

    @abstractmethod
    def search(self, target: str, model: str, text: str, *, limit: int = 10) -> Found:
        """The documents that `text` is about, best first.

        Accents, case, apostrophes, plural and singular make no difference; a typing error is forgiven. Every word
        counts, and most of several have to occur.
        """

    @abstractmethod
    def stored(self, target: str) -> Iterator[Stored]:
        """Every document, sorted by id (as text, by code points), in constant memory."""

    @abstractmethod
    def get(self, target: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The documents with these ids, those that are there."""

    def bulk(self, target: str, actions: Iterable[Action], *, alias: bool = False) -> Outcome:
        """Prepare and post a few actions as one batch. For many, and to try again, see `sender.send`."""
        batch, refused = [], []
        for action in actions:
            try:
                batch.append(self.prepare(target, action, alias=alias))
            except ValueError as error:
                refused.append(Failure(action.id, REFUSED, str(error)))
        answer = self.post(target, batch, alias=alias)
        return answer._replace(failures=[*refused, *answer.failures])

    @abstractmethod
    def close(self) -> None:
        """Give up connections and files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def digest(document: Mapping[str, Any]) -> bytes:
    """A short hash of the document's content: the same for the same keys and values, whatever their order."""
    # With 16 bytes no two of a portal's documents share a digest by chance.
    return blake2b(orjson.dumps(document, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
