"""Distributions as resources, and which stored resource each of them is."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha1
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from udata.harvest.records import Dataset, Distribution, in_language
from udata.harvest.stored.markdown import markdown
from udata.harvest.values.formats import SERVICES
from udata.models.resource import CHECKSUM_TYPES

Stored = Mapping[str, Any]
NAMELESS = "Nameless resource"
_PROGRAM = re.compile(r"\.(?:aspx?|cfm|cgi|dll|do|exe|jspx?|php\d?|pl)$", re.IGNORECASE)
# What an unchanged resource's last sight may be behind, before it is written again.
SEEN = timedelta(days=1)


def resources(
    record: Dataset,
    stored: Sequence[Stored],
    languages: Sequence[str],
    now: datetime,
    staying: Callable[[Sequence[Stored]], Sequence[Stored]] = list,
) -> list[dict[str, Any]]:
    """The resources of a dataset: those of the record in its order, then those that the record does not name any more.

    A stored resource that is one of the record's keeps its id, its counters and whatever others wrote into it. Of
    those that the record does not name `staying` says which stay; by default all.
    """
    # Each stored resource is taken once: two distributions never share one.
    rest = list(stored)
    made = []
    for distribution in record.distributions:
        known = _same(distribution, rest, in_language(distribution.titles, languages))
        if known is not None:
            rest.remove(known)
        made.append(_resource(distribution, known or {}, languages, now))
    return [*made, *map(dict, staying(rest))]


def _same(one: Distribution, stored: Iterable[Stored], title: str | None) -> Stored | None:
    """The stored resource that a distribution is: by its address of name, identifier, id, then by where it is had."""

    # Names before addresses: a file that moved keeps its name.
    candidates = [(each, each.get("harvest") or {}) for each in stored]
    for key, value in (("uri", one.uri), ("dct_identifier", one.identifier), ("remote_id", one.remote_id)):
        for each, harvest in candidates if value is not None else ():
            if harvest.get(key) == value:
                return each
    # Whoever names its distributions otherwise means another one.
    unnamed = [each for each, harvest in candidates if not (one.uri and harvest.get("uri"))]
    titled = one.format in SERVICES  # a service's layers share an address
    title = title or _named(one)
    for each in unnamed:
        if each.get("url") == one.url and (not titled or each.get("title") == title):
            return each
    for each in unnamed:
        # Tokens and session ids behind the question mark change with each export.
        if not titled and _place(str(each.get("url"))) == _place(one.url) and each.get("format") == one.format:
            return each
    return None


def stored_moment(moment: datetime | None) -> datetime | None:
    """A moment as the database keeps it, to the millisecond; else a record would differ from itself once stored."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000) if moment else None


def _place(address: str) -> str:
    return address.partition("?")[0].partition("#")[0]


def _resource(one: Distribution, known: Stored, languages: Sequence[str], now: datetime) -> dict[str, Any]:
    made = dict(known) or {
        "_id": str(uuid4()),
        "metrics": {},
        "created_at_internal": now,
        "last_modified_internal": now,
    }
    description = in_language(one.descriptions, languages)
    said = {
        "title": in_language(one.titles, languages) or _named(one),
        "description": markdown(description) if description else None,
        "filetype": "remote",
        "type": one.kind,
        "url": one.url,
        # Not for security: the portal's field holds a SHA-1.
        "urlhash": sha1(one.url.encode(), usedforsecurity=False).hexdigest(),
        "format": one.format,
        "mime": one.mime,
        "filesize": one.size,
        "checksum": _checksum(one),
        "schema": {"url": one.schema.uri} if one.schema and one.schema.uri else None,
        "extras": _extras(one, known.get("extras") or {}),
        "harvest": _harvest(one, known.get("harvest") or {}, now),
    }
    return {**made, **{key: value for key, value in said.items() if value is not None}}


def _named(one: Distribution) -> str:
    """A title for what has no title: the file's name in its address, else its format."""
    name = unquote(urlsplit(one.url).path.rstrip("/").rpartition("/")[2])
    # Only what looks like a file: the end of a service's address is no title, nor is the program that answers there.
    if re.fullmatch(r"[\w.\- ()]*\.\w{2,7}", name) and not _PROGRAM.search(name):
        return name
    return f"{one.format} resource" if one.format else NAMELESS


def _checksum(one: Distribution) -> dict[str, str] | None:
    # The model refuses any other kind.
    if one.checksum and one.checksum.algorithm in CHECKSUM_TYPES:
        return {"type": one.checksum.algorithm, "value": one.checksum.value}
    return None


def _extras(one: Distribution, known: Mapping[str, Any]) -> dict[str, Any]:
    """What is published beyond the fields, beside what checks and analyses of others wrote."""
    licenses = [text for hint in one.licenses for text in [hint.published] if text]
    dcat = {"license": licenses, "rights": list(one.rights), "accessRights": list(one.access_rights)}
    said = {key: values for key, values in dcat.items() if values}
    return {**known, "dcat": said} if said else {key: value for key, value in known.items() if key != "dcat"}


def _harvest(one: Distribution, known: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    said = {
        "uri": one.uri,
        "dct_identifier": one.identifier,
        "remote_id": one.remote_id,
        "issued_at": stored_moment(one.issued),
        "modified_at": stored_moment(one.modified),
    }
    seen = known.get("last_update")
    fresh = {"last_update": seen if seen and timedelta() <= now - seen < SEEN else now}
    return {**known, **{key: value for key, value in said.items() if value is not None}, **fresh}
