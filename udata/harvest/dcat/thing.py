"""One thing of a graph and what it says of itself: the way in which every part of the DCAT reader asks."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from udata.harvest.rdf.graph import Graph, Term, is_literal, node, text
from udata.harvest.rdf.terms import ADMS, DC, DCT, FOAF, RDF, RDFS, SCHEMA, SKOS
from udata.harvest.records import Concept, LicenseHint, Remark, Text, Texts, in_order
from udata.harvest.values.addresses import addresses_in, is_uri, last_segment, web_address
from udata.harvest.values.languages import language
from udata.harvest.values.moments import moment

# From the most to the least likely to be meant for people.
_NAMES = (
    SKOS.prefLabel, RDFS.label, DCT.title, DC.title, FOAF.name, *SCHEMA.both("name"), SKOS.altLabel, RDF.value,
    ADMS.schemeAgency,
)  # fmt: skip


class Thing:
    """A thing named in a graph. `remarks` collects what it says and what was not taken."""

    # Made anew at each step through the graph, hundreds of thousands of times in a large catalogue.
    __slots__ = ("graph", "name", "now", "properties", "remarks")

    def __init__(
        self, graph: Graph, name: str, now: datetime | None = None, remarks: list[Remark] | None = None
    ) -> None:
        self.graph = graph
        self.name = name
        self.now = now
        self.properties = graph.properties(name)
        self.remarks: list[Remark] = [] if remarks is None else remarks

    @property
    def uri(self) -> str | None:
        """The name, if it is an address; None for a blank node."""
        return _uri(self.name)

    def remark(self, field: str, value: str, reason: str) -> None:
        """Note that `value` was not taken as it stands."""
        # Cut, since remarks are stored with the run.
        self.remarks.append(Remark(field, value[:200], reason))

    def terms(self, *predicates: str) -> Sequence[Term]:
        """The terms of the properties, in the order of `predicates` and of the page."""
        if len(predicates) == 1:
            return self.properties.get(predicates[0], ())
        found: Sequence[Term] = ()
        for predicate in predicates:
            # The graph's own list is given if there is just one: a copy each time would be costly.
            if more := self.properties.get(predicate):
                found = [*found, *more] if found else more
        return found

    def things(self, *predicates: str) -> "Iterator[Thing]":
        """The things that the properties name."""
        for term in self.terms(*predicates):
            if name := node(term):
                yield self.other(name)

    def other(self, name: str) -> "Thing":
        """Another thing of the same graph, which notes into the same remarks."""
        # What is wrong with a distribution is told with its dataset.
        return Thing(self.graph, name, self.now, self.remarks)

    def texts(self, *predicates: str) -> Texts:
        """The texts of the first of the properties that has any, each once, sorted: no server's order counts."""
        for predicate in predicates:
            terms = self.properties.get(predicate)
            if not terms:
                continue
            found = set()
            for term in terms:
                if is_literal(term) and (value := term.value.strip()):
                    tag = term.language
                    code = language(tag) if tag else None
                    if tag and code is None:
                        self.remark("language", tag, "no code of a language")
                    found.add(Text(value, code))
            if found:
                return tuple(found) if len(found) == 1 else in_order(found)
        return ()

    def words(self, *predicates: str) -> tuple[str, ...]:
        """The plain texts of all the properties: literals, and names of things that carry one; each once, sorted."""
        terms = self.terms(*predicates)
        # Most of what is asked for is not there.
        if not terms:
            return ()
        found = set()
        for term in terms:
            if is_literal(term):
                found.add(term.value.strip())
            elif name := node(term):
                labels = self.labels_of(name)
                found.update(label.value for label in labels)
                # The name of a blank node is made up by the parser, and differs from run to run.
                if not labels and not name.startswith("_:"):
                    found.add(name)
        return tuple(sorted(found - {""}))

    def word(self, *predicates: str) -> str | None:
        """One plain text of the first of the properties that has any."""
        for predicate in predicates:
            if predicate in self.properties and (words := self.words(predicate)):
                return words[0]
        return None

    def published(self, *predicates: str) -> tuple[str, ...]:
        """The terms as they were published: texts, addresses, and for blank nodes their names and descriptions."""
        terms = self.terms(*predicates)
        if not terms:
            return ()
        found = []
        for term in terms:
            if is_literal(term):
                found.append(term.value.strip())
            elif (name := node(term)) and not name.startswith("_:"):
                # An address says exactly which is meant; its label may be cut or translated.
                labels = () if is_uri(name) else self.labels_of(name, DCT.description)
                found += [label.value for label in labels] or [name]
            elif name:
                found += [label.value for label in self.labels_of(name, DCT.description)]
        return tuple(dict.fromkeys(one for one in found if one))

    def labels(self, *more: str) -> Texts:
        """The names that a thing bears, whatever it calls them; `more` names further properties to look at."""
        return self.texts(*_NAMES, *more)

    def labels_of(self, name: str, *more: str) -> Texts:
        """The names that another thing bears; most things of vocabularies are not described at all."""
        return self.other(name).labels(*more) if self.graph.properties(name) else ()

    def moment(self, field: str, *predicates: str) -> datetime | None:
        """The first moment among the properties; what is no moment is noted."""
        for term in self.terms(*predicates):
            if is_literal(term) and (value := term.value.strip()):
                read = moment(value, self.now)
                if read.value:
                    return read.value
                self.remark(field, value, read.reason or "")
        return None

    def address(self, field: str, *predicates: str) -> str | None:
        """The first web address among the properties, from texts and names; what is no address is noted."""
        terms = self.terms(*predicates)
        return next(self._addresses(field, terms), None) if terms else None

    def addresses(self, field: str, *predicates: str) -> Iterator[str]:
        """The web addresses among the properties, each once."""
        return self._addresses(field, self.terms(*predicates))

    def _addresses(self, field: str, terms: Sequence[Term]) -> Iterator[str]:
        seen = set[str]()
        for term in terms:
            # Addresses are published as texts as often as properly.
            value = term.value.strip() if is_literal(term) else node(term) or ""
            if value.startswith("_:") or not value:
                continue
            found = web_address(value)
            if found is None:
                self.remark(field, value, "no web address")
            elif found not in seen:
                seen.add(found)
                yield found

    def concepts(self, *predicates: str) -> tuple[Concept, ...]:
        """The terms of vocabularies, sorted: their addresses, their names as far as the graph tells them."""
        terms = self.terms(*predicates)
        if not terms:
            return ()
        found = set()
        for term in terms:
            if is_literal(term):
                label = text(term)
                found.add(Concept(label.value) if is_uri(label.value) else Concept(None, (label,)))
            elif name := node(term):
                # Most terms of vocabularies are addresses that the page does not describe.
                if self.graph.properties(name):
                    concept = self.other(name)
                    found.add(Concept(concept.uri, concept.labels(), concept.word(SKOS.inScheme)))
                else:
                    found.add(Concept(_uri(name)))
        found -= {Concept(), Concept(None, (Text(""),))}
        return tuple(found) if len(found) < 2 else tuple(sorted(found, key=Concept.place))

    def licenses(self, *predicates: str) -> tuple[LicenseHint, ...]:
        """What the properties say of licences, in the order of the page."""
        terms = self.terms(*predicates)
        if not terms:
            return ()
        found = []
        for term in terms:
            if is_literal(term):
                if value := term.value.strip():
                    found.append(LicenseHint(value, (), addresses_in(value)))
            elif name := node(term):
                if self.graph.properties(name):
                    found.append(_license(self.other(name)))
                elif is_uri(name):
                    found.append(LicenseHint(name, (), (name,)))
        return tuple(dict.fromkeys(hint for hint in found if hint != LicenseHint()))


def _uri(name: str) -> str | None:
    return None if name.startswith("_:") or not is_uri(name) else name


def _license(thing: Thing) -> LicenseHint:
    labels = thing.labels(DCT.description)
    more = [
        *thing.addresses("license", DCT.source, RDFS.seeAlso, FOAF.page, DCT.references, *SCHEMA.both("url")),
        *(address for label in labels for address in addresses_in(label.value)),
    ]
    uri = thing.name if not thing.name.startswith("_:") else None
    identifier = thing.texts(DCT.identifier)
    addresses = dict.fromkeys([*([uri] if uri and is_uri(uri) else []), *more])
    # A name that is no address may still end in the key of a licence.
    published = uri if uri is None or is_uri(uri) else last_segment(uri)
    return LicenseHint(published or (identifier[0].value if identifier else None), labels, tuple(addresses))
