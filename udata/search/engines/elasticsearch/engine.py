"""Elasticsearch from 7.10 to 9 and OpenSearch from 1 to 3, through the one official client.

A write to an alias demands it (`require_alias`). A write to an index by its name would create one without a mapping
if somebody removed it meanwhile; no request can forbid that, so each index has an alias of its own, `<name>.writer`,
which goes when the index does, and writes demand that one.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from heapq import merge
from typing import Any, ClassVar

import orjson
from elasticsearch import Elasticsearch, OrjsonSerializer

from udata.errors import ConfigurationError, ServerError, UdataError
from udata.masking import mask_credentials
from udata.search.engines.base import (
    Action,
    Definition,
    Disk,
    Engine,
    Found,
    Health,
    Hit,
    Index,
    NoSuchIndex,
    Outcome,
    Prepared,
    Server,
    Stored,
    Swap,
    digest,
)
from udata.search.engines.elasticsearch import mapping
from udata.search.engines.elasticsearch.answers import outcome, translated
from udata.search.engines.elasticsearch.node import AnyServerNode
from udata.search.engines.elasticsearch.query import question
from udata.search.fields import title_field

WRITER = ".writer"
JSON = {"accept": "application/json"}
# What a managed server may keep from its users.
KEPT_FROM_US = (401, 403, 404, 405)
# How many documents one request reads.
PAGE = 500
# The versions that are known, by server.
KNOWN = {"Elasticsearch": ((7, 10), (10,)), "OpenSearch": ((1,), (4,))}


class ElasticsearchEngine(Engine):
    """The servers at `addresses`, which are one cluster.

    `timeout` is that of a question, `write_timeout` of a batch, `first` of finding out who they are, in seconds.
    """

    batch_bytes: ClassVar[int] = 4_000_000
    batch_actions: ClassVar[int] = 5_000
    concurrency: ClassVar[int] = 2

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        timeout: float = 10.0,
        write_timeout: float = 60.0,
        first: float = 4.0,
        ca_certs: str | None = None,
    ) -> None:
        # It stands in errors and logs, and a password must not.
        self.address: str = mask_credentials(",".join(addresses))
        options: dict[str, Any] = {"ca_certs": ca_certs} if ca_certs else {}
        self._client = Elasticsearch(
            list(addresses), node_class=AnyServerNode, serializer=OrjsonSerializer(), request_timeout=timeout,
            max_retries=1, **options,
        )  # fmt: skip
        # The sender tries again by its own rules; the client must not do so beside it.
        self._writing = self._client.options(request_timeout=write_timeout, max_retries=0)
        self._first = self._client.options(request_timeout=first, max_retries=0)
        self._writable: set[str] = set()

    @cached_property
    def _server(self) -> Server:
        with translated(self.address):
            answer = self._first.info().body
        version = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(version, dict) or "number" not in version:
            raise ConfigurationError(f"what answers at {self.address} is no search server", "check ELASTICSEARCH_URL")
        return _known(version, str(answer.get("tagline", "")), self.address)

    def server(self) -> Server:
        """Which server it is, asked once."""
        return self._server

    def health(self) -> Health:
        """How the cluster is, and which indices take no writes."""
        with translated(self.address):
            answer = self._first.cluster.health()
        # All of them: hidden and closed indices may be blocked, too.
        blocks = self._told("/_all/_settings/index.blocks.*?flat_settings=true&expand_wildcards=all") or {}
        blocked = sorted(name for name, held in blocks.items() if "true" in held["settings"].values())
        return Health(answer["status"], answer["number_of_nodes"], tuple(blocked))

    def disk(self) -> Disk:
        """The node with the least space, and the flood stage: with less than that, indices become read-only."""
        rows = self._told("/_cat/allocation?format=json&bytes=b&h=disk.avail,disk.total") or []
        settings = self._told("/_cluster/settings?include_defaults=true&flat_settings=true")
        # Shards that no node holds have a row without a disk.
        sizes = [(int(row["disk.avail"]), int(row["disk.total"])) for row in rows if row.get("disk.total")]
        if not sizes:
            return Disk(0, 0, 0)
        free, total = min(sizes)
        if settings is None:
            return Disk(total, free, 0)
        # In the server's own order: transient settings go before persistent ones.
        merged = {**settings.get("defaults", {}), **settings["persistent"], **settings["transient"]}
        return Disk(total, free, _watermark(merged, total))

    def indices(self, alias: str) -> list[Index]:
        """The indices under `<alias>-*`."""
        pattern = f"{alias}-*"
        with translated(self.address):
            rows = self._client.perform_request(
                "GET", f"/_cat/indices/{pattern}?format=json&bytes=b&h=index,docs.count,store.size,creation.date",
                headers=JSON,
            ).body  # fmt: skip
            aliases = self._client.indices.get_alias(index=pattern).body
        return [
            Index(
                row["index"],
                # A closed index has no numbers.
                int(row["docs.count"] or 0),
                int(row["store.size"] or 0),
                datetime.fromtimestamp(int(row["creation.date"]) / 1000, UTC),
                tuple(sorted(_shown(aliases.get(row["index"], {}).get("aliases", ())))),
            )
            for row in sorted(rows, key=lambda row: str(row["index"]))
        ]

    def aliases(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The indices behind each alias."""
        found: dict[str, list[str]] = {name: [] for name in names}
        with translated(self.address):
            # 404 if one of them is missing. The answer holds the others all the same, beside texts about the error.
            answer = self._client.options(ignore_status=404).indices.get_alias(name=list(names)).body
        for index, held in answer.items():
            for alias in held.get("aliases", ()) if isinstance(held, dict) else ():
                found.setdefault(alias, []).append(index)
        return {name: sorted(found[name]) for name in names}

    def create_index(self, name: str, alias: str, definition: Definition) -> None:
        """Create the index, after the template of its alias."""
        made = mapping.body(definition)
        self.put_template(alias, definition)
        with translated(self.address, name):
            self._writing.indices.create(index=name, aliases={name + WRITER: {}}, **made)

    def put_template(self, alias: str, definition: Definition) -> None:
        """The index template named after the alias."""
        with translated(self.address):
            self._writing.indices.put_index_template(name=alias, **mapping.template(alias, definition))

    def delete_index(self, name: str) -> None:
        """Remove the index, unless an alias names it."""
        with translated(self.address, name):
            # The server itself would remove an index that is in use.
            aliases = self._client.indices.get_alias(index=name).body
            if name not in aliases:
                raise NoSuchIndex(name)
            if named := _shown(aliases[name]["aliases"]):
                raise UdataError(f"the index {name} is in use: the alias {named[0]} names it")
            self._writing.indices.delete(index=name)
        # A later index of that name needs its alias anew.
        self._writable.discard(name)

    def swap_aliases(self, swaps: Sequence[Swap]) -> None:
        """Move the aliases in one request. The server does all of it or nothing."""
        names = [swap.index_name for swap in swaps]
        for name in names:
            with translated(self.address, name):
                # An interval of its own was for the time of the building.
                self._writing.indices.put_settings(index=name, settings={"index": {"refresh_interval": None}})
            # Readers must find everything from the first moment on.
            self.refresh(name)
        before = self.aliases([swap.alias for swap in swaps])
        actions: list[dict[str, Any]] = []
        for alias, name in swaps:
            # By pattern, so that of two moves at once none leaves the index of the other behind.
            patterns = {f"{alias}-*" if old.startswith(f"{alias}-") else old for old in before[alias]}
            actions += [{"remove": {"index": old, "alias": alias}} for old in sorted(patterns)]
            actions.append({"add": {"index": name, "alias": alias}})
        with translated(self.address):
            self._writing.indices.update_aliases(actions=actions)

    def prepare(self, target: str, action: Action, *, alias: bool = False) -> Prepared:
        """The lines of the action in a bulk request."""
        # `external_gte`: a newer version stays, an equal one is written again. So sending twice does no harm.
        meta = {"_id": action.id, "version": action.version, "version_type": "external_gte"}
        try:
            if action.document is None:
                lines = orjson.dumps({"delete": meta}) + b"\n"
            else:
                lines = orjson.dumps({"index": meta}) + b"\n" + _line(action.document) + b"\n"
        except TypeError as error:  # what orjson raises, for a value of any kind
            raise ValueError(f"the document is no JSON: {error}") from error
        return Prepared(action.id, len(lines), lines)

    def post(self, target: str, batch: Sequence[Prepared], *, alias: bool = False) -> Outcome:
        """One bulk request."""
        if not batch:
            return Outcome(0, 0, [])
        name = target if alias else self._writer(target)
        with translated(self.address, target):
            # Without the filter the answer would tell of each document that was stored.
            answer = self._writing.perform_request(
                "POST", f"/{name}/_bulk?require_alias=true&filter_path=errors,items.*.error,items.*.status",
                headers={**JSON, "content-type": "application/x-ndjson"},
                body=b"".join([prepared.payload for prepared in batch]),
            ).body  # fmt: skip
        try:
            return outcome(list(batch), answer)
        except NoSuchIndex as error:
            # Its alias has gone with it, and has to be made again.
            self._writable.discard(target)
            raise NoSuchIndex(target, "alias" if alias else "index") from error

    def refresh(self, target: str) -> None:
        """Show readers what was written."""
        with translated(self.address, target):
            self._writing.indices.refresh(index=target)

    def count(self, target: str) -> int:
        """How many documents readers see."""
        with translated(self.address, target):
            return int(self._client.count(index=target)["count"])

    def search(self, target: str, model: str, text: str, *, limit: int = 10) -> Found:
        """The documents that `text` is about."""
        title = title_field(model)
        with translated(self.address, target):
            # Unless told to, servers count no further than 10,000.
            answer = self._client.search(
                index=target, query=question(model, text), size=limit, track_total_hits=True, source_includes=[title]
            )
        hits = answer["hits"]
        found = [Hit(hit["_id"], hit["_score"], str(hit["_source"].get(title) or "")) for hit in hits["hits"]]
        return Found(hits["total"]["value"], found)

    def stored(self, target: str) -> Iterator[Stored]:
        """Every document by id. The field `id` is what servers sort by: sorting by `_id` costs memory or is refused."""
        yield from merge(self._without_id_field(target), self._by_id_field(target), key=lambda one: one.id)

    def get(self, target: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The documents with these ids."""
        found = {}
        for start in range(0, len(ids), PAGE):
            with translated(self.address, target):
                answer = self._client.mget(index=target, ids=list(ids[start : start + PAGE]))
            for row in answer["docs"]:
                # That an index is missing is said of each document, not by the status.
                if "error" in row:
                    raise NoSuchIndex(target)
                if row["found"]:
                    found[row["_id"]] = row["_source"]
        return found

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _told(self, path: str) -> Any:
        """What the server says of itself; None when it keeps that from this user."""
        with translated(self.address):
            answer = self._first.options(ignore_status=KEPT_FROM_US).perform_request("GET", path, headers=JSON)
        return None if answer.meta.status in KEPT_FROM_US else answer.body

    def _writer(self, name: str) -> str:
        """The alias that a write to the index `name` demands: made for one that another program created."""
        if name not in self._writable:
            with translated(self.address, name):
                self._writing.indices.put_alias(index=name, name=name + WRITER)
            self._writable.add(name)
        return name + WRITER

    def _by_id_field(self, target: str) -> Iterator[Stored]:
        # Paging by offset ends at 10,000 documents; reading on after the last id does not.
        after = None
        while True:
            rows = self._page(target, {"exists": {"field": "id"}}, PAGE, sort=[{"id": "asc"}], search_after=after)
            yield from map(_stored, rows)
            if len(rows) < PAGE:
                return
            after = rows[-1]["sort"]

    def _without_id_field(self, target: str) -> list[Stored]:
        """What another program has stored without the field: a few at most."""
        # The most that servers give in one answer, unless they are told otherwise.
        limit = 10_000
        rows = self._page(target, {"bool": {"must_not": {"exists": {"field": "id"}}}}, limit)
        if len(rows) == limit:
            raise ServerError(f"{limit} documents of {target} or more have no field `id`", "rebuild the index")
        return sorted(map(_stored, rows))

    def _page(self, target: str, query: dict[str, Any], size: int, **options: Any) -> list[dict[str, Any]]:
        with translated(self.address, target):
            answer = self._client.search(
                index=target, query=query, size=size, version=True, track_total_hits=False, **options
            )
        rows: list[dict[str, Any]] = answer["hits"]["hits"]
        return rows


def _known(version: dict[str, Any], tagline: str, address: str) -> Server:
    """The server that gives itself this version. Raises ConfigurationError for one that is not known."""
    number = str(version["number"])
    opensearch = version.get("distribution") == "opensearch"
    # Elasticsearch calls itself "You Know, for Search"; what only resembles it does not.
    name = "OpenSearch" if opensearch else "Elasticsearch" if "for Search" in tagline else "an unknown server"
    try:
        parts = tuple(int(part) for part in number.split("-")[0].split(".")[:2])
    except ValueError:
        parts = ()
    # OpenSearch can be told to give itself the number of the last Elasticsearch that it was.
    compatible = opensearch and parts == (7, 10)
    # For an unknown server, a range in which no version lies.
    lowest, beyond = KNOWN.get(name, ((1,), (0,)))
    if not compatible and not lowest <= parts < beyond:
        raise ConfigurationError(
            f"the search server at {address} is {name} {number}",
            "udata takes Elasticsearch 7.10 to 9 and OpenSearch 1 to 3",
        )
    return Server(name, number, address)


def _watermark(settings: dict[str, Any], total: int) -> int:
    """The bytes that must stay free: the flood stage, which is a share of the disk or a size."""
    prefix = "cluster.routing.allocation.disk."
    if str(settings.get(prefix + "threshold_enabled", "true")) == "false":
        return 0
    stage = str(settings.get(prefix + "watermark.flood_stage", "95%"))
    # A share is of what is used, a size of what is free.
    if stage.endswith("%") or stage.replace(".", "", 1).isdigit():
        share = float(stage.rstrip("%")) / (100 if stage.endswith("%") else 1)
        needed = int(total * (1 - share))
        # On a large disk the share would keep far too much free: newer servers limit it.
        room = _bytes(str(settings.get(prefix + "watermark.flood_stage.max_headroom", "-1")))
        return min(needed, room) if room > 0 else needed
    return max(0, _bytes(stage))


def _bytes(size: str) -> int:
    units = {"tb": 2**40, "gb": 2**30, "mb": 2**20, "kb": 2**10, "b": 1}
    for unit, factor in units.items():
        if size.lower().endswith(unit):
            return int(float(size[: -len(unit)]) * factor)
    return int(float(size))


def _line(document: Any) -> bytes:
    if isinstance(document, bytes):
        # A line end inside would end the action: only JSON that was made prettier than need be has one.
        return orjson.dumps(orjson.loads(document)) if b"\n" in document else document
    return orjson.dumps(document)


def _shown(aliases: Any) -> list[str]:
    return [name for name in aliases if not name.endswith(WRITER)]


def _stored(row: dict[str, Any]) -> Stored:
    return Stored(row["_id"], row["_version"], digest(row["_source"]))
