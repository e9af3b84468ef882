"""Portals that run CKAN or DKAN, by their API of actions."""

import json
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlencode

from udata.errors import ServerError
from udata.harvest.backends.base import Answer, Feature, Fetch, Filter, Page, Source
from udata.harvest.backends.paging import Paging
from udata.harvest.ckan import Object, objects, one_object, package, plain
from udata.harvest.errors import RemoteFault, UnreadableCatalogue, reason_of
from udata.harvest.rdf.content import decoded
from udata.harvest.records import Dataset, Unread
from udata.harvest.safe_json import read_json

# What CKAN gives at most is the portal's to set; whole packages of more than these are a burden for many.
PAGE_SIZE = 100
# Sources name a group as one, and CKAN's index as several.
_FIELDS = {"group": "groups", "tag": "tags"}


def api(url: str) -> tuple[str, str]:
    """The address of a portal and of its actions, from that of either."""
    # Operators give the portal's page or the address of any action: both mean the same portal.
    site = url.partition("/api/")[0].rstrip("/")
    return site, f"{site}/api/3/action"


def result(answer: Answer) -> Any:
    """What an action results in. Raises RemoteFault for an error that the portal tells, UnreadableCatalogue."""
    text, _ = decoded(answer.body)
    try:
        given = read_json(text)
    except UnreadableCatalogue as error:
        # A page of an error is no JSON either: then the status tells more than the parser does.
        answer.checked()
        raise UnreadableCatalogue(
            f"{answer.url} answers with what is no JSON", "is it a portal of this kind?"
        ) from error
    if not isinstance(given, dict):
        raise UnreadableCatalogue(f"{answer.url} answers with what is no action's result")
    # Proxies and old versions tell errors with a status of 200: the body decides, too.
    if given.get("success") is False or (answer.status >= 400 and "error" in given):
        told = one_object(given.get("error"))
        words = plain(told.get("message")) or json.dumps(told or given.get("error"))[:200]
        raise RemoteFault(f"{answer.url} says: {words}", code=plain(told.get("__type")))
    answer.checked()
    if "result" not in given:
        raise UnreadableCatalogue(f"{answer.url} answers without a result")
    return given["result"]


def query(filters: tuple[Filter, ...]) -> str:
    """The filters in the language of CKAN's search: `+organization:("a" OR "b") +tags:"c" -groups:"d"`.

    A package has one organization: of several that are wanted it is to have any, but all the tags and groups.
    """
    parts = []
    wanted = [_quoted(one.value) for one in filters if one.key == "organization" and not one.exclude]
    if wanted:
        parts.append(f"+organization:({' OR '.join(wanted)})" if len(wanted) > 1 else f"+organization:{wanted[0]}")
    for one in filters:
        if one.key != "organization" or one.exclude:
            parts.append(f"{'-' if one.exclude else '+'}{_FIELDS.get(one.key, one.key)}:{_quoted(one.value)}")
    return " ".join(parts)


def passes(given: Object, filters: tuple[Filter, ...]) -> bool:
    """Whether a package is one that CKAN's search would find by `filters`; names and titles count, in any case."""

    def has(one: Filter) -> bool:
        field = _FIELDS.get(one.key, one.key)
        named = {text.casefold() for each in objects(given.get(field)) for text in _names(each)}
        return one.value.casefold() in named

    wanted = [one for one in filters if one.key == "organization" and not one.exclude]
    others = [one for one in filters if one not in wanted]
    return (not wanted or any(map(has, wanted))) and all(has(one) is not one.exclude for one in others)


def _names(given: Object) -> list[str]:
    return [text for key in ("name", "display_name", "title") if (text := plain(given.get(key)))]


def _quoted(value: str) -> str:
    # Unescaped, a quotation mark would end the value, and the rest of it would be read as a query.
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def packages(given: Any, site: str) -> tuple[list[Dataset], list[Unread]]:
    """The packages that are not deleted, and those that could not be read: one bad package costs no other."""
    found, unread = list[Dataset](), list[Unread]()
    for one in given if isinstance(given, list) else [given]:
        name = plain(one_object(one).get("name")) or plain(one_object(one).get("id")) or "a package without name"
        # Some portals list them nonetheless; as records they would never count as gone.
        if (plain(one_object(one).get("state")) or "active").lower() in ("deleted", "draft"):
            continue
        try:
            found.append(package(one, site))
        except Exception as error:  # whatever strangers wrote into one package, the others are read
            unread.append(Unread(name, reason_of(error)))
    return found, unread


class CKANBackend:
    """A portal that runs CKAN: the search for packages, always in pages, sorted by id."""

    name: ClassVar[str] = "ckan"
    display_name: ClassVar[str] = "CKAN"
    filters: ClassVar[tuple[str, ...]] = ("organization", "tags", "group")
    features: ClassVar[tuple[Feature, ...]] = ()
    extras: ClassVar[tuple[str, ...]] = ("remote_url_prefix",)

    def pages(self, source: Source, fetch: Fetch) -> Iterator[Page]:
        """The pages of the search; packages that come and go meanwhile are neither doubled nor taken for gone."""
        site, actions = api(source.url)
        paging = Paging()
        start, first = 0, None
        seen: set[str] = set()
        while True:
            # By id, since the default order changes with every edit, and packages would slip between two pages.
            asked = {"start": start, "rows": PAGE_SIZE, "sort": "id asc"}
            if source.filters:
                asked["fq"] = query(source.filters)
            address = f"{actions}/package_search?{urlencode(asked)}"
            paging.visit(address)
            answer = fetch(address, headers={"Accept": "application/json"})
            given = one_object(result(answer))
            entries = list(objects(given.get("results")))
            if "results" not in given:
                raise UnreadableCatalogue(f"{address} answers without results")
            # Two empty pages are equal, and no circle.
            if entries:
                paging.content(address, answer.body)
            total = given.get("count")
            count = total if isinstance(total, int) and total >= 0 else None
            found, unread = packages(entries, site)
            # The count of the first page is held against the last one: a difference means that pages shifted.
            first = count if first is None else first
            # Read or not, deleted or not: what was given is not missing.
            seen.update(plain(one.get("id")) or "" for one in entries)
            # By what came and not by what was asked: a portal may give fewer rows than that.
            start += len(entries)
            # Without a count only an empty page is the end.
            is_last = not entries or (count is not None and start >= count)
            yield Page(
                address,
                records=paging.new(address, found),
                unread=tuple(unread),
                total=count,
                incomplete=_shortfall(first, count, len(seen)) if is_last else None,
            )
            if is_last:
                return


def _shortfall(first: int | None, last: int | None, seen: int) -> str | None:
    if first != last:
        return f"the number of packages changed from {first} to {last} while they were read"
    return f"{last - seen} of {last} packages were not given" if last is not None and seen < last else None


class DKANBackend:
    """A portal that runs DKAN: the list of its packages, then each of them."""

    name: ClassVar[str] = "dkan"
    display_name: ClassVar[str] = "DKAN"
    filters: ClassVar[tuple[str, ...]] = ("organization", "tags", "group")
    features: ClassVar[tuple[Feature, ...]] = ()
    extras: ClassVar[tuple[str, ...]] = ("remote_url_prefix",)

    def pages(self, source: Source, fetch: Fetch) -> Iterator[Page]:
        """As many packages at a time as a page of CKAN has; one that cannot be had costs no other."""
        site, actions = api(source.url)
        paging = Paging()
        address = f"{actions}/package_list"
        given = result(fetch(address, headers={"Accept": "application/json"}))
        if not isinstance(given, list):
            raise UnreadableCatalogue(f"{address} answers with what is no list")
        # Sorted, so that a run that is cut at its limit sees the same packages each time.
        names = sorted({name for one in given if (name := plain(one))})
        failures = 0
        for start in range(0, len(names), PAGE_SIZE):
            found, unread = list[Dataset](), list[Unread]()
            for name in names[start : start + PAGE_SIZE]:
                try:
                    shown = result(fetch(f"{actions}/package_show?{urlencode({'id': name})}"))
                    if not one_object(shown):
                        unread.append(Unread(name, "the portal shows nothing of it"))
                    # There is no search that could be asked for some of them.
                    elif passes(one_object(shown), source.filters):
                        read, odd = packages(shown, site)
                        found += read
                        unread += odd
                    # Only failures in a row mean that the portal is down.
                    failures = 0
                except (ServerError, RemoteFault, UnreadableCatalogue) as error:
                    failures += 1
                    if failures >= 10:  # it is the portal and no package
                        raise
                    unread.append(Unread(name, error.message))
            yield Page(
                f"{address}#{start}",
                records=paging.new(address, found),
                unread=tuple(unread),
                # How many of them pass is known at the end alone.
                total=None if source.filters else len(names),
            )
        # Even an empty portal gives one page, so that its extent is known.
        if not names:
            yield Page(address, total=0)
