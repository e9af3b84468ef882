"""Catalogues in DCAT, page by page."""

from collections.abc import Iterator
from typing import ClassVar

from udata.harvest.backends.base import Answer, Feature, Fetch, Page, Source, charset, linked
from udata.harvest.backends.paging import Paging
from udata.harvest.collector import paused_collector
from udata.harvest.dcat.catalogue import records
from udata.harvest.dcat.paging import next_page, total_items
from udata.harvest.rdf.read import read

# Some servers look at the head alone and give HTML without it; `*/*` is for those that refuse the rest.
_ACCEPT = (
    "application/rdf+xml, text/turtle, application/ld+json, application/n-triples, application/json;q=0.8, */*;q=0.5"
)
_LDP_PAGE = "http://www.w3.org/ns/ldp#Page"


class DCATBackend:
    """RDF/XML, Turtle, N-Triples, JSON-LD and data.json, in pages or in one piece."""

    name: ClassVar[str] = "dcat"
    display_name: ClassVar[str] = "DCAT"
    filters: ClassVar[tuple[str, ...]] = ()
    features: ClassVar[tuple[Feature, ...]] = ()
    extras: ClassVar[tuple[str, ...]] = ("remote_url_prefix",)

    def pages(self, source: Source, fetch: Fetch) -> Iterator[Page]:
        """The pages from the source's address on, as each names the next."""
        paging = Paging()
        contexts: dict[str, bytes] = {}

        # Each page of a catalogue names the same contexts: they are fetched once.
        def context(address: str) -> bytes:
            if address not in contexts:
                accept = {"Accept": "application/ld+json, application/json;q=0.8"}
                contexts[address] = fetch(address, headers=accept).checked().body
            return contexts[address]

        address: str | None = source.url
        while address:
            paging.visit(address)
            answer = fetch(address, headers={"Accept": _ACCEPT}).checked()
            paging.content(address, answer.body)
            # Not around the yield: what the caller does with the page must not run without the collector.
            with paused_collector():
                graph = read(answer.body, answer.url, charset(answer), context)
                found, unread = records(graph)
            yield Page(
                address,
                records=paging.new(address, found),
                unread=tuple(unread),
                damages=tuple(graph.damages),
                total=total_items(graph),
            )
            named = next_page(graph, address, answer.url) or _next_of_ldp(answer)
            # Relative to where the page came from in the end, redirects included.
            address = paging.following(answer.url, named)


def _next_of_ldp(answer: Answer) -> str | None:
    """The next page of a Linked Data Platform, which names it in the head: https://www.w3.org/TR/ldp-paging/"""
    # Other servers link to what they want to be fetched ahead, which need not be a catalogue.
    if _LDP_PAGE not in linked(answer, "type"):
        return None
    return next(iter(linked(answer, "next")), None)
