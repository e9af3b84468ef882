"""JSON-LD made ready for the parser: bounded in depth, its contexts put in their places.

The parser dies of nesting without end and fetches nothing; so the depth is judged, and the contexts that a page names
by address are replaced by their text, before it sees the page. Those that catalogues name most are part of this
package: a whole country's sources failed for two weeks when the server of one was down.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urljoin

from udata.harvest.errors import HarvestError, UnreadableCatalogue, UnsafeContent
from udata.harvest.rdf.abbreviations import judge_context
from udata.harvest.rdf.content import decoded
from udata.harvest.safe_json import read_json
from udata.harvest.values.addresses import web_address

# Real catalogues nest far less deep.
MAX_DEPTH = 100
MAX_CONTEXTS = 20
_SHIPPED = {
    "project-open-data.cio.gov/v1.1/schema/catalog.jsonld": "project-open-data.jsonld",
    "project-open-data.cio.gov/v1.1/schema/data.jsonld": "project-open-data.jsonld",
    "resources.data.gov/schemas/dcat-us/v1.1/schema/catalog.jsonld": "project-open-data.jsonld",
}
# What a catalogue without context calls its lists: Project Open Data's names, and those of DCAT-US 3.
_LISTS = ("dataset", "datasetSeries", "service")

# Given an address, the bytes of the context there; raises a UdataError if it cannot be had.
Contexts = Callable[[str], bytes]


def ready(text: str, address: str | None, contexts: Contexts | None = None) -> Any:
    """The JSON in `text`, its contexts replaced. `address` is the page's; `contexts` fetches those not shipped.

    Raises UnsafeContent for nesting beyond MAX_DEPTH, UnreadableCatalogue for what is no JSON, and HarvestError
    for a context that cannot be had.
    """
    document = read_json(text)
    if isinstance(document, list) and document and all(map(_is_bare, document)):
        document = {"dataset": document}  # version 1.0 of Project Open Data
    found = list(_contexts_in(document))
    if not found and isinstance(document, dict) and any(name in document for name in _LISTS):
        # The document last: its own members stay.
        return {**shipped("dcat-us-3.jsonld"), **document}
    _replace(found, address, contexts)
    return document


def _is_bare(member: Any) -> bool:
    return isinstance(member, dict) and "title" in member and not any(name.startswith("@") for name in member)


@cache
def shipped(name: str) -> Any:
    """A context that is part of this package, by the name of its file."""
    return json.loads(files("udata.harvest.rdf").joinpath("contexts", name).read_text(encoding="utf-8"))


def _contexts_in(document: Any) -> Iterator[dict[str, Any]]:
    """The objects that have a context; raises UnsafeContent for what is nested too deep."""
    # Level by level and not by recursion, whose depth Python limits.
    level = [document]
    for _ in range(MAX_DEPTH):
        following: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                if "@context" in value:
                    yield value
                following.extend(member for member in value.values() if isinstance(member, dict | list))
            elif isinstance(value, list):
                following.extend(member for member in value if isinstance(member, dict | list))
        level = following
        if not level:
            return
    raise UnsafeContent(f"the JSON is nested deeper than {MAX_DEPTH} levels")


def _replace(objects: list[dict[str, Any]], address: str | None, contexts: Contexts | None) -> None:
    known: dict[str, Any] = {}
    for value in objects:
        context = value["@context"]
        members = context if isinstance(context, list) else [context]
        for member in members:
            if isinstance(member, str) and member not in known:
                # Each is a request: a page must not use the portal to flood a server.
                if len(known) >= MAX_CONTEXTS:
                    raise UnsafeContent(f"the page names more than {MAX_CONTEXTS} contexts")
                known[member] = _context(member, address, contexts)
        replaced = [known[member] if isinstance(member, str) else member for member in members]
        judge_context(replaced)
        value["@context"] = replaced if isinstance(context, list) else replaced[0]


def _context(name: str, address: str | None, contexts: Contexts | None) -> Any:
    # With `http:` or `https:` it is the same context.
    bare = name.partition("://")[2] or name
    if bare in _SHIPPED:
        return shipped(_SHIPPED[bare])["@context"]
    target = web_address(urljoin(address or "", name))
    if target is None or contexts is None:
        raise HarvestError(f"the context {name!r} cannot be had", "it is no web address" if target is None else None)
    try:
        text, _ = decoded(contexts(target))
        context = read_json(text)["@context"]
    except (UnreadableCatalogue, TypeError, KeyError) as error:
        raise HarvestError(f"the context at {target} is none: {error}") from error
    # A chain of contexts could lead on without end.
    for value in _contexts_in({"context": context}):
        raise HarvestError(f"the context at {target} names further contexts: {str(value)[:80]}")
    if any(isinstance(member, str) for member in (context if isinstance(context, list) else [context])):
        raise HarvestError(f"the context at {target} names further contexts")
    return context
