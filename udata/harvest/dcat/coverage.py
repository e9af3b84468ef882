"""Where and when: the areas and the time that data are about."""

from pyoxigraph import Literal

from udata.harvest.dcat.thing import Thing
from udata.harvest.errors import NoArea
from udata.harvest.rdf.graph import Term, is_literal, node, text
from udata.harvest.rdf.terms import DCAT, DCT, GEO, LOCN, SCHEMA, TIME
from udata.harvest.records import MultiPolygon, Period, Place
from udata.harvest.values.addresses import is_uri
from udata.harvest.values.geometry import area
from udata.harvest.values.moments import period, period_in

_SHAPES = (DCAT.bbox, LOCN.geometry, GEO.asGeoJSON, GEO.asWKT, GEO.asGML, *SCHEMA.both("box"), GEO.hasGeometry)
_STARTS = (DCAT.startDate, *SCHEMA.both("startDate"))
_ENDS = (DCAT.endDate, *SCHEMA.both("endDate"))
_INSTANT = (TIME.inXSDDateTimeStamp, TIME.inXSDDateTime, TIME.inXSDDate, TIME.inXSDgYearMonth, TIME.inXSDgYear)
# What is tried first when a place describes its shape in several notations.
_NOTATIONS = ("json", "wkt", "gml")


def places(thing: Thing) -> tuple[Place, ...]:
    """The areas that a thing is about, each once, in the order of the page."""
    return tuple(dict.fromkeys(place for term in thing.terms(DCT.spatial) if (place := _place(thing, term))))


def _place(thing: Thing, term: Term) -> Place | None:
    if is_literal(term):
        value = term.value.strip()
        if not value:
            return None
        # It may be a shape: GeoJSON, GML, WKT or four numbers. Names have brackets and commas, too.
        if value[0] in "{<" or "(" in value or value.count(",") == 3:
            try:
                return Place(geometry=area(value))
            except NoArea as error:
                thing.remark("spatial", value, str(error))
                if value[0] in "{<" or value.count(",") == 3:
                    return None
        return Place(uri=value) if is_uri(value) else Place(labels=(text(term),))
    place = thing.other(node(term) or "")
    # The shape stands at the place itself, or in a node between.
    shapes = [place, *place.things(*_SHAPES)]
    published = [shape for one in shapes for shape in one.terms(*_SHAPES) if is_literal(shape)]
    found = Place(uri=place.uri, labels=place.labels(), geometry=_geometry(thing, published))
    if found == Place():
        # Some name no place but the unit of administration that it is, by an authority's address or in words.
        units = place.concepts(LOCN.adminUnitL2, LOCN.adminUnitL1)
        found = Place(uri=units[0].uri, labels=units[0].labels) if units else found
    # A blank node that describes nothing names no place.
    return None if found == Place() else found


def _geometry(thing: Thing, literals: list[Literal]) -> MultiPolygon | None:
    # GeoJSON first, since its order of coordinates is the only one that is certain.
    literals.sort(key=lambda shape: _notation(shape.datatype.value))
    reasons = []
    for shape in literals:
        try:
            return area(shape.value)
        except NoArea as error:
            reasons.append((shape.value, str(error)))
    # The other notations are of the same shape: one remark is enough.
    for value, reason in reasons[:1]:
        thing.remark("spatial", value, reason)
    return None


def _notation(datatype: str) -> int:
    return next((rank for rank, name in enumerate(_NOTATIONS) if name in datatype.lower()), len(_NOTATIONS))


def temporal(thing: Thing) -> Period | None:
    """The time that a thing is about: the first period that can be read."""
    for term in thing.terms(DCT.temporal):
        if is_literal(term):
            found, reason = period_in(term.value) if term.value.strip() else (None, None)
        else:
            found, reason = _period(thing.other(node(term) or ""))
        if reason:
            thing.remark("temporal", reason, "no period that can be kept whole")
        if found:
            return found
    return None


def _period(described: Thing) -> tuple[Period | None, str | None]:
    start = described.word(*_STARTS) or _instant(described, TIME.hasBeginning)
    end = described.word(*_ENDS) or _instant(described, TIME.hasEnd)
    if start or end:
        return period(start, end)
    # Without dates, some write the period into the label.
    if labels := described.labels():
        return period_in(labels[0].value)
    return None, described.uri and f"{described.uri} is not described"


def _instant(described: Thing, predicate: str) -> str | None:
    for term in described.terms(predicate):
        if is_literal(term):
            return term.value.strip()
        # OWL-Time puts the date into an instant of its own.
        if found := described.other(node(term) or "").word(*_INSTANT):
            return found
    return None
