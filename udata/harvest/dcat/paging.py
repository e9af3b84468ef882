"""Where the next page of a catalogue is, as Hydra says it in its current terms and the old, and LDP in its first ones.

https://www.hydra-cg.com/spec/latest/core/
"""

from udata.harvest.rdf.graph import Graph, is_literal, node
from udata.harvest.rdf.terms import HYDRA, LDP, RDF

_NEXT = (HYDRA.next, HYDRA.nextPage, LDP.nextPage)
_VIEWS = (HYDRA.PartialCollectionView, HYDRA.PagedCollection, LDP.Page)
# Drafts of LDP end with it.
_END = RDF.nil


def next_page(graph: Graph, *addresses: str) -> str | None:
    """The address of the page behind this one; None on the last. `addresses` are those of this page.

    A page that describes several views is asked for its own.
    """
    named: dict[str, str] = {}
    for name, term in graph.with_property(*_NEXT):
        address = term.value.strip() if is_literal(term) else node(term)
        if address and address != _END:
            named.setdefault(name, address)
    # The address that was asked for may differ from the one after redirects: either may be named.
    for address in addresses:
        if address in named:
            return named[address]
    # This page is described and names no next: what others name leads elsewhere, often back.
    if any(graph.is_of_type(address, *_VIEWS) for address in addresses):
        return None
    # Servers behind proxies name their views by inner addresses: one candidate is taken, of several none.
    return next(iter(named.values()), None) if len(set(named.values())) <= 1 else None


def total_items(graph: Graph) -> int | None:
    """How many entries the whole catalogue says it has; None if it does not say."""
    for _, term in graph.with_property(HYDRA.totalItems):
        if is_literal(term) and term.value.isdecimal():
            return int(term.value)
    return None
