"""From the bytes of a page to its graph: RDF/XML, Turtle, N-Triples, JSON-LD, told apart by their content."""

import json
import re
from collections.abc import Iterator
from itertools import islice

from lxml import etree
from pyoxigraph import Quad, RdfFormat, parse

from udata.harvest.errors import UnreadableCatalogue, UnsafeContent
from udata.harvest.rdf.abbreviations import judge_turtle, judge_xml
from udata.harvest.rdf.content import content
from udata.harvest.rdf.graph import Graph
from udata.harvest.rdf.jsonld import Contexts, ready
from udata.harvest.records import Damage
from udata.harvest.safe_xml import MAX_DAMAGES, local_name, read_xml
from udata.harvest.values.addresses import web_address

_FORMATS = {"turtle": RdfFormat.TURTLE, "n-triples": RdfFormat.N_TRIPLES}
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PREFIXES = {"rdf": _RDF.strip("{}")}
_NAMING_AND_MORE = etree.XPath("//*[@rdf:resource][node()]", namespaces=_PREFIXES)
# To look through the text is faster than through the tree, and few catalogues have such elements.
_NAMING_UNCLOSED = re.compile(rb"""resource=(?:"[^"]*"|'[^']*')[^<>]{0,200}(?<!/)>""")
# Statements of a page: beyond them it is no page.
MAX_STATEMENTS = 10_000_000
_PIECE = 100_000


def read(data: bytes, address: str, charset: str | None = None, contexts: Contexts | None = None) -> Graph:
    """The graph of a page. `address` is where it was found: relative names are resolved against it.

    A broken page gives what could be read of it, and the places that could not in `damages`. Raises
    UnreadableCatalogue for what is no RDF at all, UnsafeContent for what would exhaust the machine, and HarvestError
    for a context that cannot be had.
    """
    page = content(data, charset)
    graph = Graph(web_address(address))
    if page.doubt:
        graph.damages.append(Damage(None, page.doubt))
    if page.format == "xml":
        root, damages = read_xml(data, charset)
        graph.damages += damages
        read_element(root, graph)
    elif page.format == "json":
        _read_json(page.text or "", graph, contexts)
    else:
        judge_turtle(page.text or "")
        _take(graph, parse(page.text, format=_FORMATS[page.format], base_iri=graph.address, lenient=True))
        # Turtle is the guess for any other text: with not one statement it was a wrong one.
        if not graph.size and page.format == "turtle":
            raise UnreadableCatalogue(f"the page is no RDF: {_first(graph.damages)}")
    return graph


def read_element(root: etree._Element, graph: Graph) -> None:
    """Add the statements of an element of RDF/XML to `graph`. Raises UnreadableCatalogue if it is no RDF."""
    # There is no RDF without namespaces.
    if not str(root.tag).startswith("{"):
        raise UnreadableCatalogue(f"the page is XML, but no RDF: {local_name(root)!r}")
    before = len(graph.damages)
    written = etree.tostring(root)
    if _NAMING_UNCLOSED.search(written):
        _mend(root, graph)
        written = etree.tostring(root)
    judge_xml(written)
    _take(graph, parse(written, format=RdfFormat.RDF_XML, base_iri=graph.address, lenient=True))
    # An empty catalogue is one; another root without statements is just some XML.
    if not graph.size and root.tag != f"{_RDF}RDF":
        name = local_name(root)
        reason = graph.damages[before].reason if graph.damages[before:] else f"its root is {name!r}"
        raise UnreadableCatalogue(f"the page is XML, but no RDF: {reason}")


def _mend(root: etree._Element, graph: Graph) -> None:
    """Drop the text of elements that already name a resource, as GeoNetwork writes them; note those with more."""
    for element in _NAMING_AND_MORE(root):
        if len(element) == 0:
            element.text = None
        elif len(graph.damages) < MAX_DAMAGES:
            reason = f"{local_name(element)} names a resource and has content, too"
            graph.damages.append(Damage(element.sourceline, reason))


def _read_json(text: str, graph: Graph, contexts: Contexts | None) -> None:
    document = json.dumps(ready(text, graph.address, contexts))
    _take(graph, parse(document, format=RdfFormat.JSON_LD, base_iri=graph.address, lenient=True))


def _take(graph: Graph, statements: Iterator[Quad]) -> None:
    """Add `statements`, going on behind each place that the parser stumbles over, up to MAX_DAMAGES of them."""
    damages = 0
    while damages < MAX_DAMAGES:
        before = graph.size
        try:
            # In pieces, so that a page without end is found out before it has filled the memory.
            graph.add(islice(statements, _PIECE))
            if graph.size - before < _PIECE:
                return
        # So it says that one text is longer than it takes: what is behind it cannot be found any more.
        except MemoryError as error:
            graph.damages.append(Damage(None, f"a text is too long: {error}"))
            return
        # The parser goes on behind its error when it is asked again.
        except (SyntaxError, ValueError) as error:
            damages += 1
            graph.damages.append(Damage(getattr(error, "lineno", None), _reason(error)))
        if graph.size > MAX_STATEMENTS:
            raise UnsafeContent(f"the page makes more than {MAX_STATEMENTS} statements")


def _reason(error: SyntaxError | ValueError) -> str:
    return str(error.msg if isinstance(error, SyntaxError) else error).removesuffix(".")


def _first(damages: list[Damage]) -> str:
    return damages[0].reason if damages else "it says nothing"
