"""What a backend is: pages of records from the address of a source, whatever protocol is spoken there.

A backend of one's own is a class that extends `Backend`, or looks like it, named by an entry point of the group
`udata.harvesters`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from udata.harvest.records import Damage, Record, Unread


class Answer(Protocol):
    """What a request brings: the address it came from in the end, the status, the head, the body."""

    @property
    def url(self) -> str:
        """The address after all redirects."""

    @property
    def status(self) -> int:
        """The status, as 200."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The head."""

    @property
    def body(self) -> bytes:
        """The body, decompressed."""

    def checked(self) -> "Answer":
        """Itself; raises a ServerError if the server says that it is no answer."""


class Fetch(Protocol):
    """How a backend asks: guarded and bounded by whoever gives it, as `udata.network.fetching.Fetcher.get` is."""

    def __call__(
        self,
        url: str,
        /,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """The answer of the server. Raises a ServerError if there is no answer."""


class Filter(NamedTuple):
    """Which entries a source is to give: those whose `key` has the `value`, or those that have not."""

    key: str
    value: str
    exclude: bool = False


class Feature(NamedTuple):
    """What a source can switch on: `key` as stored, and what it does."""

    key: str
    help: str


@dataclass(frozen=True)
class Source:
    """What a backend has to know of a harvest source: its address, and what its configuration says."""

    url: str
    filters: tuple[Filter, ...] = ()
    features: Mapping[str, bool] = field(default_factory=dict)
    extras: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def configured(cls, url: str, config: Mapping[str, Any] | None = None) -> "Source":
        """A source from its address and the `config` that is stored with it; what has another shape is left out."""
        # The portal's forms of many years wrote the configuration: an odd part of it stops no run.
        config = config or {}
        filters = [
            Filter(str(one["key"]), str(one["value"]), one.get("type") == "exclude")
            for one in _dictionaries(config.get("filters"))
            if one.get("key") and one.get("value")
        ]
        extras = {
            str(one["key"]): str(one.get("value", ""))
            for one in _dictionaries(config.get("extra_configs"))
            if "key" in one
        }
        features = config.get("features")
        return cls(url, tuple(filters), features if isinstance(features, Mapping) else {}, extras)


def _dictionaries(value: Any) -> list[Mapping[str, Any]]:
    # A text is a sequence, too, but none of its letters is a mapping.
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, Sequence) else []


@dataclass(frozen=True)
class Page:
    """A page of a catalogue: its new records, the entries that could not be read, and the damages to the page itself.

    `total` is how many entries the source says it has. `incomplete` says why what was read is not all that there is.
    """

    address: str
    records: tuple[Record, ...] = ()
    unread: tuple[Unread, ...] = ()
    damages: tuple[Damage, ...] = ()
    total: int | None = None
    incomplete: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all that the page holds was read: only then may something count as gone."""
        return not (self.unread or self.damages or self.incomplete)


class Backend(Protocol):
    """A protocol in which catalogues are read.

    `display_name` is what harvested documents are marked with. `filters` are the keys by which a source may choose
    among the entries, `features` what it may switch on, `extras` the keys of other values that it may give.
    """

    name: ClassVar[str]
    display_name: ClassVar[str]
    filters: ClassVar[tuple[str, ...]] = ()
    features: ClassVar[tuple[Feature, ...]] = ()
    extras: ClassVar[tuple[str, ...]] = ("remote_url_prefix",)

    def pages(self, source: Source, fetch: Fetch) -> Iterator[Page]:
        """The pages of the source, one after the other. Raises a UdataError at the first that cannot be had."""


def linked(answer: Answer, relation: str) -> list[str]:
    """The addresses that the head of an answer links to by a relation such as `next`.

    https://www.rfc-editor.org/info/rfc8288
    """
    found = []
    for address, more in re.findall(r"<([^>]*)>([^<]*)", answer.headers.get("Link", "")):
        # Several relations may stand in one text, with blanks between them.
        named = re.search(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,]+))", more, re.IGNORECASE)
        if named and relation in (named[1] or named[2]).lower().split():
            found.append(address)
    return found


def charset(answer: Answer) -> str | None:
    """The encoding that the head of an answer names; None if it names none."""
    # Servers quote the name, and some put blanks around the sign, which the standard does not allow.
    match = re.search(r"charset\s*=\s*[\"']?([\w.:\-]+)", answer.headers.get("Content-Type", ""), re.IGNORECASE)
    return match[1] if match else None
