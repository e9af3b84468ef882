"""What a catalogue says, as plain typed records: the one form that every backend reads into.

A record holds what was published, in all its languages, with no database and no protocol in it. Fields that the
source does not speak of are empty: None, or an empty tuple. What was published and could not be taken is named in
`remarks`, which travel with the record. Moments are naive UTC, as the database keeps them. Records are compared by
value: a catalogue read twice gives equal records, whatever its blank nodes were called.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Text(NamedTuple):
    """A text in a language: a lower-case code such as `fr` or `pt-br`, None if the source names none."""

    value: str
    language: str | None = None


Texts = tuple[Text, ...]
# A ring is a closed line of (longitude, latitude), a polygon its outer ring and its holes.
Ring = tuple[tuple[float, float], ...]
MultiPolygon = tuple[tuple[Ring, ...], ...]


def in_language(texts: Texts, languages: Sequence[str] = ()) -> str | None:
    """The text in the first of `languages` that there is; else one without language, else the first by its code.

    `en` finds `en-GB`, too. The order in which the source names them plays no part.
    """
    # By value at last: two texts in one language must not change places from run to run.
    ranked = sorted(texts, key=lambda text: (_rank(text.language, languages), *_place(text)))
    return ranked[0].value if ranked else None


def _rank(language: str | None, languages: Sequence[str]) -> int:
    for rank, wanted in enumerate(languages):
        if language == wanted or (language or "").split("-")[0] == wanted:
            return rank
    # A text that names no language is more likely to be understood than one in a foreign language.
    return len(languages) + (language is not None)


def in_order(texts: Iterable[Text]) -> Texts:
    """The texts, each once, sorted by language and value: the order in which a server gives them is no order."""
    return tuple(sorted(set(texts), key=_place))


def place_of(texts: Texts) -> tuple[tuple[str, str], ...]:
    """What things that bear the texts are sorted by; texts themselves do not compare, since some have no language."""
    return tuple(map(_place, texts))


def _place(text: Text) -> tuple[str, str]:
    return text.language or "", text.value


def values(texts: Iterable[Text]) -> tuple[str, ...]:
    """The texts without their languages, each once, in order."""
    return tuple(dict.fromkeys(text.value for text in texts))


class Remark(NamedTuple):
    """Something published that was not taken as it stands: which field, its value, and the reason."""

    field: str
    value: str
    reason: str


class Damage(NamedTuple):
    """A place at which a page could not be read: its line, if known, and the reason."""

    line: int | None
    reason: str


class Unread(NamedTuple):
    """An entry of a page that could not be read: what names it, as far as that is known, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address."""

    street: Texts = ()
    locality: Texts = ()
    postal_code: str | None = None
    country: Texts = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person or an organization, and what they are to the data: `role` is one that a contact point can have."""

    role: str = "contact"
    names: Texts = ()
    organization: Texts = ()
    emails: tuple[str, ...] = ()
    url: str | None = None
    phone: str | None = None
    address: Address | None = None
    uri: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing that would help to reach somebody."""
        return not (self.names or self.organization or self.emails or self.url)

    def place(self) -> tuple[object, ...]:
        """What contacts are sorted by."""
        return self.role, place_of(self.names), self.emails, self.uri or ""


class Checksum(NamedTuple):
    """What a file is verified with: the algorithm in lower case (`sha1`, `md5`), and the hexadecimal digits."""

    algorithm: str
    value: str


class Period(NamedTuple):
    """The time that data are about; each end is a text as published, a date or a date and time."""

    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The area that data are about: an address of an authority, its names, its shape."""

    uri: str | None = None
    labels: Texts = ()
    geometry: MultiPolygon | None = None


class Concept(NamedTuple):
    """A term of a vocabulary: its address, its names as far as the catalogue tells them, the vocabulary."""

    uri: str | None = None
    labels: Texts = ()
    scheme: str | None = None

    def place(self) -> tuple[object, ...]:
        """What concepts are sorted by."""
        return self.uri or "", place_of(self.labels), self.scheme or ""


class LicenseHint(NamedTuple):
    """What a source says of a licence: the text or address as published, its names, the addresses found in it."""

    published: str | None = None
    labels: Texts = ()
    addresses: tuple[str, ...] = ()


class Access(NamedTuple):
    """Who may have the data: a type and a category of reason as the models name them."""

    type: str
    reason_category: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A file or a service through which a dataset is had. `url` is where it is downloaded, else looked at."""

    url: str
    access_url: str | None = None
    uri: str | None = None
    identifier: str | None = None
    remote_id: str | None = None
    titles: Texts = ()
    descriptions: Texts = ()
    kind: str = "main"
    format: str | None = None
    mime: str | None = None
    size: int | None = None
    checksum: Checksum | None = None
    schema: Concept | None = None
    licenses: tuple[LicenseHint, ...] = ()
    rights: tuple[str, ...] = ()
    access_rights: tuple[str, ...] = ()
    created: datetime | None = None
    issued: datetime | None = None
    modified: datetime | None = None
    service: str | None = None
    protocol: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a dataset, a data service and a series have in common.

    `remote_id` is the identity under which the source's record is found again; None if it has none. `identifier` is
    `dct:identifier` or its like as published, `uri` the address that names the thing.
    """

    remote_id: str | None = None
    identifier: str | None = None
    uri: str | None = None
    landing_page: str | None = None
    titles: Texts = ()
    descriptions: Texts = ()
    keywords: Texts = ()
    themes: tuple[Concept, ...] = ()
    languages: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()
    licenses: tuple[LicenseHint, ...] = ()
    rights: tuple[str, ...] = ()
    access_rights: tuple[str, ...] = ()
    access: Access | None = None
    conforms_to: tuple[Concept, ...] = ()
    places: tuple[Place, ...] = ()
    created: datetime | None = None
    issued: datetime | None = None
    modified: datetime | None = None
    high_value: bool = False
    extras: tuple[tuple[str, str], ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def refusal(self) -> str | None:
        """Why a portal cannot keep the record; None if it can."""
        # Without identity every run would make a new document of it.
        if self.remote_id is None:
            return "no identifier and no address that names it"
        # A portal's models require a title; a document without could not be saved again.
        return None if self.titles else "no title"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Record):
    """A dataset with its distributions. `frequency` is a term of the models, `published_frequency` the source's.

    `name` is the short one of CKAN's addresses, `origin` tells in words where the data come from.
    """

    name: str | None = None
    origin: str | None = None
    acronym: str | None = None
    version: str | None = None
    frequency: str | None = None
    published_frequency: str | None = None
    period: Period | None = None
    spatial_resolution: tuple[str, ...] = ()
    provenance: tuple[str, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    series: tuple[str, ...] = ()
    organization: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataService(Record):
    """A data service. `serves` names its datasets by address or identifier, wherever in the catalogue they stand."""

    endpoint_url: str | None = None
    endpoint_descriptions: tuple[str, ...] = ()
    documentation: tuple[str, ...] = ()
    service_type: str | None = None
    serves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series(Record):
    """A series of datasets; `members` names them by address or identifier."""

    members: tuple[str, ...] = ()
