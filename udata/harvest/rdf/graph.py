"""A small index over the statements of a page: what a thing says of itself, and which things are of a kind.

Things are named by text: an address, or `_:` and the name of a blank node, which means nothing beyond the page.
"""

from collections.abc import Iterable, Iterator
from typing import TypeGuard

from pyoxigraph import BlankNode, Literal, NamedNode, Quad, Triple

from udata.harvest.rdf.terms import DCAT, HYDRA, LDP
from udata.harvest.records import Damage, Text
from udata.harvest.values.languages import language

RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
# An empty reference names the page, and means nothing unless the page itself is what is offered, or what comes next:
# a catalogue that leads back to itself has not been read to its end.
_MAY_NAME_THE_PAGE = frozenset(
    (DCAT.endpointURL, DCAT.endpointDescription, DCAT.accessURL, DCAT.downloadURL, DCAT.landingPage, DCAT.dataset,
     HYDRA.next, HYDRA.nextPage, LDP.nextPage)
)  # fmt: skip
Term = NamedNode | BlankNode | Literal | Triple
Properties = dict[str, list[Term]]
# One for all, since most names in a catalogue are not described. Nobody writes into it.
_NOTHING: Properties = {}


def is_literal(term: Term) -> TypeGuard[Literal]:
    """Whether `term` is a text and names no thing."""
    # Faster than `isinstance`, and asked of every term.
    return type(term) is Literal


def node(term: Term) -> str | None:
    """The name of the thing that `term` stands for; None if it is a text."""
    if type(term) is NamedNode:
        return term.value
    return f"_:{term.value}" if type(term) is BlankNode else None


def text(literal: Literal) -> Text:
    """A literal as a text, its language as a code; what is no code of a language is left out."""
    tag = literal.language
    return Text(literal.value.strip(), language(tag) if tag else None)


class Graph:
    """The statements of a page, in the order of the page. `damages` are the places at which it could not be read."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address
        self._page = NamedNode(address) if address else None
        self.damages: list[Damage] = []
        self.size = 0
        self._properties: dict[str, Properties] = {}
        self._of_type: dict[str, dict[str, None]] = {}

    def add(self, quads: Iterable[Quad]) -> None:
        """Take statements in. Those that name the page itself are left out: they come of empty references."""
        # Plain code with local names: this loop runs for each of millions of statements.
        properties_of, page, size = self._properties, self._page, 0
        try:
            for subject, predicate_node, term, _ in quads:
                size += 1
                predicate = predicate_node.value
                kind = type(term)
                # The kind first, since most terms are texts, and to compare them costs as much as all the rest.
                if kind is NamedNode and term == page and predicate not in _MAY_NAME_THE_PAGE:
                    continue
                name = subject.value if type(subject) is NamedNode else f"_:{subject.value}"
                properties = properties_of.get(name)
                if properties is None:
                    properties = properties_of[name] = {}
                terms = properties.get(predicate)
                if terms is None:
                    properties[predicate] = [term]
                else:
                    terms.append(term)
                if predicate == RDF_TYPE and kind is NamedNode:
                    self._of_type.setdefault(term.value, {})[name] = None
        # The parser may stumble in the middle: what came before counts.
        finally:
            self.size += size

    def properties(self, name: str | None) -> Properties:
        """What is said of a thing: the terms of each property; empty for what nothing is said of."""
        return self._properties.get(name, _NOTHING) if name else _NOTHING

    def of_type(self, *types: str) -> Iterator[str]:
        """The things of any of the types, each once, in the order of the page."""
        seen: set[str] = set()
        for kind in types:
            for name in self._of_type.get(kind, ()):
                if name not in seen:
                    seen.add(name)
                    yield name

    def is_of_type(self, name: str, *types: str) -> bool:
        """Whether a thing is of any of the types."""
        return any(name in self._of_type.get(kind, ()) for kind in types)

    def with_property(self, *predicates: str) -> Iterator[tuple[str, Term]]:
        """Each thing that has any of the properties, with each of its terms."""
        for name, properties in self._properties.items():
            for predicate in predicates:
                for term in properties.get(predicate, ()):
                    yield name, term
