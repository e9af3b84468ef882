"""Catalogues of geographic data: GetRecords of https://www.ogc.org/standard/cat/ 2.0.2, in pages and sorted."""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from lxml import etree

from udata.harvest.backends.base import Feature, Fetch, Page, Source, charset
from udata.harvest.backends.paging import Paging
from udata.harvest.dcat.catalogue import records
from udata.harvest.errors import RemoteFault, UnreadableCatalogue, reason_of
from udata.harvest.iso19139.metadata import record
from udata.harvest.iso19139.texts import word
from udata.harvest.rdf.graph import Graph
from udata.harvest.rdf.read import read_element
from udata.harvest.records import Damage, Record, Unread
from udata.harvest.safe_xml import local_name, read_xml
from udata.harvest.values.addresses import web_address

# Full records are large: with more of them a request, slow servers run into their own limits.
PAGE_SIZE = 50
# Records that the server cannot write, beyond which it is the server.
MAX_BROKEN = 50
_TYPES = ("dataset", "series", "service", "nonGeographicDataset")
# Servers know the same properties by different names, and some without that profile by Dublin Core's alone: the
# first that is understood is kept to.
_SPELLINGS = (("apiso:type", "apiso:identifier"), ("apiso:Type", "apiso:Identifier"), ("dc:type", "dc:identifier"))
_REQUEST = """<?xml version="1.0" encoding="UTF-8"?>
<csw:GetRecords xmlns:csw="http://www.opengis.net/cat/csw/2.0.2" xmlns:gmd="http://www.isotc211.org/2005/gmd"
  xmlns:ogc="http://www.opengis.net/ogc" xmlns:apiso="http://www.opengis.net/cat/csw/apiso/1.0"
  xmlns:dcat="http://www.w3.org/ns/dcat#" xmlns:dc="http://purl.org/dc/elements/1.1/"
  service="CSW" version="2.0.2" resultType="results"
  startPosition="{start}" maxRecords="{count}" outputFormat="application/xml" outputSchema="{schema}">
  <csw:Query typeNames="{typename}">
    <csw:ElementSetName>full</csw:ElementSetName>
    <csw:Constraint version="1.1.0"><ogc:Filter>{types}</ogc:Filter></csw:Constraint>
    <ogc:SortBy><ogc:SortProperty>
      <ogc:PropertyName>{identifier}</ogc:PropertyName><ogc:SortOrder>ASC</ogc:SortOrder>
    </ogc:SortProperty></ogc:SortBy>
  </csw:Query>
</csw:GetRecords>"""
_TYPE = (
    "<ogc:PropertyIsEqualTo><ogc:PropertyName>{property}</ogc:PropertyName>"
    "<ogc:Literal>{value}</ogc:Literal></ogc:PropertyIsEqualTo>"
)
_WRAPPERS = ("SearchResults", "GetRecordByIdResponse")


class Results(NamedTuple):
    """An answer to GetRecords: its records, how many match in all, where the next ones start, what was damaged."""

    elements: list[etree._Element]
    matched: int | None
    following: int | None
    damages: list[Damage]
    body: bytes


def results(body: bytes, encoding: str | None = None) -> Results:
    """Read an answer. Raises RemoteFault for an ExceptionReport, UnreadableCatalogue for what is no answer."""
    root, damages = read_xml(body, encoding)
    name = local_name(root)
    if name == "ExceptionReport":
        text = "; ".join(found for one in root.iter("{*}ExceptionText") if (found := word(one)))
        told = root.find("{*}Exception")
        raise RemoteFault(
            f"the catalogue says: {text or 'an error without a text'}",
            code=told.get("exceptionCode") if told is not None else None,
        )
    # Some answers are the bare record, without results around it.
    if name in ("MD_Metadata", "RDF"):
        return Results([root], None, None, damages, body)
    # GetRecordsResponse has the results as a child, an envelope of SOAP has them deeper.
    wrapper = root if name in _WRAPPERS else root.find(".//{*}SearchResults")
    if wrapper is None:
        raise UnreadableCatalogue(f"the answer is no result of a search, but {name!r}", "is it the address of a CSW?")
    elements = [child for child in wrapper if isinstance(child.tag, str)]
    return Results(elements, _number(wrapper, "numberOfRecordsMatched"), _number(wrapper, "nextRecord"), damages, body)


def _number(element: etree._Element, name: str) -> int | None:
    value = (element.get(name) or "").strip()
    return int(value) if value.isdecimal() else None


class _CSWBackend:
    """What both kinds of records have in common: how they are asked for."""

    filters: ClassVar[tuple[str, ...]] = ()
    features: ClassVar[tuple[Feature, ...]] = ()
    extras: ClassVar[tuple[str, ...]] = ("remote_url_prefix",)
    typename: ClassVar[str] = "csw:Record"

    def schema(self, source: Source) -> str:
        """The schema in which records are asked for."""
        raise NotImplementedError

    def read(self, element: etree._Element, address: str) -> tuple[list[Record], list[Unread], list[Damage]]:
        """The records in one element of a result."""
        raise NotImplementedError

    def pages(self, source: Source, fetch: Fetch) -> Iterator[Page]:
        """The pages of the search, each record once; one that the server cannot write costs no other."""
        asking = _Asking(fetch, source.url, self.schema(source), self.typename)
        paging = Paging()
        position, unread_so_far = 1, 0
        while True:
            # All requests go to one address: the position tells the pages apart.
            address = f"{source.url}#{position}"
            paging.visit(address)
            parts, broken = asking.page(position)
            found, unread, damages = list[Record](), list[Unread](broken), list[Damage]()
            for part in parts:
                damages += part.damages
                # An empty part equals every other empty part, which is no circle.
                if part.elements:
                    paging.content(address, part.body)
                for element in part.elements:
                    read, odd, harmed = self.read(element, source.url)
                    found += read
                    unread += odd
                    damages += harmed
            given = sum(len(part.elements) for part in parts)
            # Each piece of a page tells the number of the whole, if it tells any.
            matched = next((part.matched for part in parts if part.matched is not None), None)
            fresh = paging.new(address, found)
            unread_so_far += len(unread)
            if len(parts) == 1 and not broken:
                following = _following(position, given, matched, parts[0].following)
            else:  # of a page in pieces no piece knows what follows the whole
                following = _following(position, PAGE_SIZE, matched, None)
            # A record that comes on two pages counts once: what was withheld in its place shows as missing.
            seen = paging.identities + unread_so_far
            missing = (matched or 0) - seen if following is None else 0
            yield Page(
                address,
                records=fresh,
                unread=tuple(unread),
                damages=tuple(damages),
                total=matched,
                incomplete=f"{missing} of {matched} records were not given" if missing > 0 else None,
            )
            if following is None:
                return
            position = following


def _following(position: int, given: int, matched: int | None, named: int | None) -> int | None:
    """Where the next page starts; None behind the last. Never back, whatever the server names as the next record."""
    # The standard's sign for the end is a next record of 0.
    if named == 0 or given == 0:
        return None
    following = named if named is not None and named > position else position + given
    # Nothing says that there is more, and asking on might never end.
    if named is None and matched is None:
        return None
    return following if matched is None or following <= matched else None


class _Asking:
    """The requests of one reading: which spelling the server understands is found out once."""

    def __init__(self, fetch: Fetch, url: str, schema: str, typename: str) -> None:
        self._fetch = fetch
        self._url = url
        self._schema = schema
        self._typename = typename
        self._spelling: tuple[str, str] | None = None
        self._broken = 0

    def page(self, position: int) -> tuple[list[Results], list[Unread]]:
        """The results from `position` on, and the records that the server cannot write."""
        if self._spelling is None:
            return self._first(position)
        return self._halved(position, PAGE_SIZE)

    def _first(self, position: int) -> tuple[list[Results], list[Unread]]:
        # Only an error of the server's own is a reason to try another spelling; a lost connection ends the run.
        refused: list[RemoteFault] = []
        for spelling in _SPELLINGS:
            try:
                found = self._ask(position, PAGE_SIZE, spelling)
            except RemoteFault as error:
                refused.append(error)
                continue
            self._spelling = spelling
            return [found], []
        # Neither is understood, or one of the first records is broken: a single record tells which.
        for spelling in _SPELLINGS:
            # Three, since one or two of the first records may be the broken ones.
            for start in (position, position + 1, position + 2):
                try:
                    self._ask(start, 1, spelling)
                except RemoteFault:
                    continue
                self._spelling = spelling
                return self._halved(position, PAGE_SIZE)
        # One spelling may have been refused for its names, and another for what is the matter.
        told = "; ".join(dict.fromkeys(error.message for error in refused))
        raise RemoteFault(told, code=refused[-1].code)

    def _halved(self, position: int, count: int) -> tuple[list[Results], list[Unread]]:
        """Results in pieces, halved down to the records over which the server stumbles."""
        try:
            return [self._ask(position, count, self._spelling or _SPELLINGS[0])], []
        except RemoteFault as error:
            if count > 1:
                half = count // 2
                left, broken = self._halved(position, half)
                # Behind the last record there is nothing to ask for; some servers answer that with an error.
                if left and left[-1].matched is not None and position + half > left[-1].matched:
                    return left, broken
                right, more = self._halved(position + half, count - half)
                return [*left, *right], [*broken, *more]
            self._broken += 1
            # Halving costs about a dozen requests a record: a server that fails at all must not get thousands.
            if self._broken > MAX_BROKEN:
                raise
            return [], [Unread(f"record {position}", error.message)]

    def _ask(self, position: int, count: int, spelling: tuple[str, str]) -> Results:
        kind, identifier = spelling
        types = "".join(_TYPE.format(property=kind, value=value) for value in _TYPES)
        request = _REQUEST.format(
            start=position,
            count=count,
            schema=self._schema,
            typename=self._typename,
            types=f"<ogc:Or>{types}</ogc:Or>",
            identifier=identifier,
        )
        headers = {"Content-Type": "application/xml", "Accept": "application/xml, text/xml"}
        answer = self._fetch(self._url, method="POST", headers=headers, data=request.encode())
        # Servers report their errors with any status; the report says more than the number.
        if answer.status >= 400 and b"ExceptionReport" not in answer.body[:2000]:
            answer.checked()
        return results(answer.body, charset(answer))


class CSWDCATBackend(_CSWBackend):
    """Records in DCAT, as GeoNetwork writes them."""

    name: ClassVar[str] = "csw-dcat"
    display_name: ClassVar[str] = "CSW-DCAT"
    features: ClassVar[tuple[Feature, ...]] = (Feature("geodcatap", "ask for GeoDCAT-AP, the fuller of two forms"),)

    def schema(self, source: Source) -> str:
        """DCAT, or GeoDCAT-AP if the source asks for it."""
        return "http://data.europa.eu/930/" if source.features.get("geodcatap") else "http://www.w3.org/ns/dcat#"

    def read(self, element: etree._Element, address: str) -> tuple[list[Record], list[Unread], list[Damage]]:
        """The datasets and services of one RDF document."""
        graph = Graph(web_address(address))
        try:
            read_element(element, graph)
        except Exception as error:  # whatever strangers wrote into one record, the others are read
            return [], [Unread(_name(element), reason_of(error))], []
        found, unread = records(graph)
        return found, unread, graph.damages


class CSWISOBackend(_CSWBackend):
    """Records in ISO 19139."""

    name: ClassVar[str] = "csw-iso-19139"
    display_name: ClassVar[str] = "CSW-ISO-19139"
    typename: ClassVar[str] = "gmd:MD_Metadata"

    def schema(self, source: Source) -> str:
        """ISO 19139, whatever the source says."""
        return "http://www.isotc211.org/2005/gmd"

    def read(self, element: etree._Element, address: str) -> tuple[list[Record], list[Unread], list[Damage]]:
        """The one record of an element."""
        try:
            return [record(element)], [], []
        except Exception as error:  # whatever strangers wrote into one record, the others are read
            return [], [Unread(_name(element), reason_of(error))], []


def _name(element: etree._Element) -> str:
    """What names a record in a report: its file identifier, else its element."""
    return word(element.find("{*}fileIdentifier")) or local_name(element)
