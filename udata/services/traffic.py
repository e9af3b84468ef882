"""Views and downloads, imported from the tabular API that counts them.

All answers are read, and checked, before the first counter is written: an answer that fails changes nothing.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from bson import ObjectId
from bson.errors import InvalidId
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.database import Database

from udata.errors import ConfigurationError
from udata.network.failures import BadAnswer
from udata.network.fetching import Fetcher
from udata.progress import Progress, silent
from udata.services.counter_writes import Failures, noted
from udata.store.codec import LENIENT
from udata.store.compact_set import CompactSet
from udata.store.connection import translated_errors
from udata.store.scan import chunks, key

Document = dict[str, Any]

# How many rows are asked for in one answer.
PAGE_SIZE = 50
BATCH = 500
# How many documents are asked for by their ids at a time.
AT_A_TIME = 100
ID_BYTES = 12
# How much is kept in memory of what was read, in bytes; the rest lies in a file.
IN_MEMORY = 10_000_000


class Kind(NamedTuple):
    """A table of the API: which column names the document, and which of its columns becomes which counter."""

    name: str
    id: str
    counters: Mapping[str, str]


KINDS = (
    Kind("datasets", "dataset_id", {"visit": "views", "download_resource": "resources_downloads"}),
    Kind("resources", "resource_id", {"download_resource": "views"}),
    Kind("dataservices", "dataservice_id", {"visit": "views"}),
    Kind("reuses", "reuse_id", {"visit": "views"}),
    Kind("organizations", "organization_id", {"visit_dataset": "views"}),
)


class Row(NamedTuple):
    """What is known of a document: its id, that of its dataset if it is a resource, and its counters."""

    id: str
    dataset: str | None
    counters: dict[str, int]


def update(
    database: Database[Document],
    settings: Mapping[str, Any],
    progress: Progress = silent,
) -> dict[str, dict[str, int]]:
    """Write the views and downloads that the API at `METRICS_API` tells; returns by kind what was read and changed.

    `odd` are rows that name no document or no number; they are passed over. Raises ConfigurationError without
    `METRICS_API`; HttpError if an answer fails or is nonsense: then nothing was written. A document that cannot be
    written stops no other and is named by the UdataError at the end. Raises ServerError.
    """
    base = settings["METRICS_API"]
    if not base:
        raise ConfigurationError("views and downloads cannot be imported: METRICS_API is not set", "set it")
    done: dict[str, dict[str, int]] = {}
    failures = Failures()
    with tempfile.SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8") as spool, Fetcher(settings) as fetcher:
        for kind in KINDS:
            progress(0, None, f"Reading the traffic of {kind.name}")
            done[kind.name] = _read(Pages(fetcher, str(base)), kind, spool, progress)
        # All tables are read: only now is anything written.
        spool.seek(0)
        with translated_errors():
            for kind in KINDS:
                progress(0, done[kind.name]["rows"], f"Writing the traffic of {kind.name}")
                changed = 0
                for some in chunks(_spooled(spool, done[kind.name]["rows"]), BATCH):
                    changed += _write(database, settings, kind, some, failures)
                done[kind.name]["changed"] = changed
    failures.raise_any(f"the traffic of {sum(one['changed'] for one in done.values())} documents was written")
    return done


class Pages:
    """The pages of a table, each read once."""

    def __init__(self, fetcher: Fetcher, base: str) -> None:
        self._fetcher = fetcher
        self._base = base.rstrip("/")

    def rows(self, kind: str, column: str) -> Iterator[list[Any]]:
        """The rows whose `column` is not zero, a page at a time. Raises HttpError."""
        address: str | None = f"{self._base}/{kind}_total/data/?{column}__greater=1&page_size={PAGE_SIZE}"
        asked = CompactSet(ID_BYTES)
        while address is not None:
            if not asked.add(key(address)):
                raise BadAnswer(address, "names itself as one of the pages behind it")
            page = self._fetcher.get(address, trusted=True).checked().json()
            rows = page.get("data") if isinstance(page, dict) else None
            if not isinstance(rows, list):
                raise BadAnswer(address, "answers with no list of rows")
            yield rows
            address = self._next(address, page.get("links"))

    def _next(self, address: str, links: Any) -> str | None:
        following = links.get("next") if isinstance(links, dict) else None
        if following is None:
            return None
        if not isinstance(following, str):
            raise BadAnswer(address, "names a next page that is no address")
        following = urljoin(address, following)
        # The settings' server is trusted, and an answer of it must not lead to another.
        if urlsplit(following)[:2] != urlsplit(self._base)[:2]:
            raise BadAnswer(address, f"names a next page on another server: {following[:200]}")
        return following


def _read(pages: Pages, kind: Kind, spool: IO[str], progress: Progress) -> dict[str, int]:
    """Read a table into the spool, each row once; returns how many rows there are, and how many of them are odd."""
    seen = CompactSet(ID_BYTES)
    rows = odd = 0
    for column in kind.counters:
        of_column = CompactSet(ID_BYTES)
        for page in pages.rows(kind.name, column):
            # Each of them is looked at: `any` would stop at the first.
            if page and not sum(of_column.add(_identity(kind, row)) for row in page):
                raise BadAnswer(f"{kind.name}_total", "answers with the same rows again and again")
            new = [row for row in page if seen.add(_identity(kind, row))]
            for found in (_row(kind, row) for row in new):
                if found is None:
                    odd += 1
                else:
                    rows += 1
                    spool.write(json.dumps(found) + "\n")
            progress(rows, None, None)
    # A few odd rows are passed over; nothing but odd ones is no such API.
    if odd and not rows:
        raise BadAnswer(f"{kind.name}_total", "answers with rows that name neither documents nor numbers")
    return {"rows": rows, "odd": odd}


def _identity(kind: Kind, row: Any) -> bytes:
    """What makes it the same row in the answer to another question."""
    if not isinstance(row, dict):
        return key(json.dumps(row))
    return key(json.dumps([row["__id"]] if "__id" in row else [row.get(kind.id), row.get("dataset_id")]))


def _row(kind: Kind, row: Any) -> Row | None:
    """What a row says; None if it names no document, or no number."""
    if not isinstance(row, dict) or not isinstance(id := row.get(kind.id), str):
        return None
    found = {counter: row.get(column) for column, counter in kind.counters.items()}
    # A number that is not there is not known, which is not zero.
    known = {counter: value for counter, value in found.items() if value is not None}
    # Python takes true for an int, and the database holds 64 bits.
    if not known or not all(type(value) is int and 0 <= value < 2**63 for value in known.values()):
        return None
    dataset = row.get("dataset_id") if kind.name == "resources" else None
    if dataset is not None and not isinstance(dataset, str):
        return None
    return Row(id, dataset, known)


def _spooled(spool: IO[str], count: int) -> Iterator[Row]:
    for _ in range(count):
        yield Row(*json.loads(spool.readline()))


def _write(
    database: Database[Document], settings: Mapping[str, Any], kind: Kind, rows: list[Row], failures: Failures
) -> int:
    """Write the counters of some rows; returns how many documents changed."""
    if kind.name != "resources":
        collection = kind.name.removesuffix("s")
        wrong = _wrong(database[collection], rows)
        with noted(database, settings, collection, list(wrong)):
            updates = [_set({"_id": id}, "metrics", row) for id, row in wrong.items()]
            return failures.write(database[collection], updates)
    # A resource stands in its dataset; one without a dataset is a community resource.
    own = [one for row in rows if row.dataset is not None and (one := _of_resource(row)) is not None]
    community = [_set({"_id": row.id}, "metrics", row) for row in rows if row.dataset is None]
    return failures.write(database["dataset"], own) + failures.write(database["community_resource"], community)


def _wrong(collection: Collection[Document], rows: list[Row]) -> dict[ObjectId, Row]:
    """The rows of documents that are there and say something else: nothing is written, nor indexed, for the others."""
    by_id = {id: row for row in rows if (id := _object_id(row.id)) is not None}
    wrong: dict[ObjectId, Row] = {}
    for some in chunks(by_id, AT_A_TIME):
        for stored in collection.with_options(LENIENT).find({"_id": {"$in": some}}, ("metrics",)):
            metrics = stored.get("metrics")
            known = metrics if isinstance(metrics, dict) else {}
            row = by_id[stored["_id"]]
            if any(known.get(name) != value for name, value in row.counters.items()):
                wrong[stored["_id"]] = row
    return wrong


def _of_resource(row: Row) -> UpdateOne | None:
    id = _object_id(row.dataset or "")
    return None if id is None else _set({"_id": id, "resources._id": row.id}, "resources.$.metrics", row)


def _set(query: Document, place: str, row: Row) -> UpdateOne:
    return UpdateOne(query, {"$set": {f"{place}.{name}": value for name, value in row.counters.items()}})


def _object_id(text: str) -> ObjectId | None:
    try:
        return ObjectId(text)
    except InvalidId:
        return None
