"""What a page of DCAT holds: its datasets, data services and series, each under its own identity."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from udata.harvest.dcat.contacts import contacts
from udata.harvest.dcat.coverage import places, temporal
from udata.harvest.dcat.distributions import distributions
from udata.harvest.dcat.thing import Thing
from udata.harvest.errors import reason_of
from udata.harvest.rdf.graph import Graph, node
from udata.harvest.rdf.terms import ADMS, DC, DCAT, DCATAP, DCT, FOAF, GEODCAT, OWL, POD, RDFS, SKOS
from udata.harvest.records import Concept, DataService, Dataset, Record, Remark, Series, Text, Unread
from udata.harvest.values.access import strictest
from udata.harvest.values.addresses import is_uri
from udata.harvest.values.frequency import frequency
from udata.harvest.values.languages import language

# Some catalogues list these among their datasets; each is read as what it is, or not at all.
_NOT_DATASETS = (DCAT.DatasetSeries, DCAT.DataService, DCAT.Catalog, DCAT.CatalogRecord, DCAT.Distribution)
_HIGH_VALUE_LAW = "reg_impl/2023/138"
_HIGH_VALUE_CATEGORY = "http://data.europa.eu/bna/"
# http://data.europa.eu/bna/asd487ae75: the categories, which catalogues name by address alone.
_CATEGORIES = {
    "c_164e0bf5": (Text("Meteorological", "en"), Text("Météorologiques", "fr")),
    "c_9427236f": (Text("Mobility", "en"), Text("Mobilité", "fr")),
    "c_a9135398": (Text("Companies and company ownership", "en"), Text("Entreprises et propriété d'entreprises", "fr")),
    "c_ac64a52d": (Text("Geospatial", "en"), Text("Géospatiales", "fr")),
    "c_dd313021": (
        Text("Earth observation and environment", "en"),
        Text("Observation de la terre et environnement", "fr"),
    ),
    "c_e1da4e07": (Text("Statistics", "en"), Text("Statistiques", "fr")),
}


def records(graph: Graph, now: datetime | None = None) -> tuple[list[Record], list[Unread]]:
    """The records of a page: series first, then datasets, then data services, in the order of the page.

    Beside them what could not be read: one bad thing costs no other.

    Identity is `dct:identifier`, else the address that names the thing, never the name of a blank node. If
    several things of a page share an identifier, their addresses tell them apart. `now` is what moments may not
    be ahead of.
    """
    # One moment for the whole page, as the database keeps moments: naive UTC.
    now = now or datetime.now(UTC).replace(tzinfo=None)
    unread: list[Unread] = []
    found: list[Record] = []
    for names, reader in (
        (graph.of_type(DCAT.DatasetSeries), _series),
        (_datasets(graph), _dataset),
        (_services(graph), _service),
    ):
        # Each kind by itself: a dataset and its service may share an identifier.
        found += _told_apart(_read(names, reader, graph, now, unread))
    return _told_of_each_other(found), unread


def _read(
    names: Iterable[str],
    reader: Callable[[Thing], Record],
    graph: Graph,
    now: datetime | None,
    unread: list[Unread],
) -> list[Record]:
    read = []
    for name in names:
        try:
            read.append(reader(Thing(graph, name, now)))
        except Exception as error:  # whatever strangers wrote into one thing, the others are read
            unread.append(Unread(name, reason_of(error)))
    return read


def _datasets(graph: Graph) -> list[str]:
    """Things of the type, and whatever a catalogue calls its datasets without saying the type."""
    found = dict.fromkeys(graph.of_type(DCAT.Dataset))
    for _, term in graph.with_property(DCAT.dataset, DCAT.seriesMember):
        name = node(term)
        # One that is only named is described on another page, or nowhere.
        if name and name not in found and graph.properties(name):
            found[name] = None
    return [name for name in found if not graph.is_of_type(name, *_NOT_DATASETS)]


def _services(graph: Graph) -> list[str]:
    found = dict.fromkeys(graph.of_type(DCAT.DataService))
    for _, term in graph.with_property(DCAT.service):
        if (name := node(term)) and graph.properties(name):
            found[name] = None
    # A service that only a distribution names, without a name of its own, is part of the distribution.
    nested = {node(term) for _, term in graph.with_property(DCAT.accessService)}
    return [name for name in found if not (name.startswith("_:") and name in nested)]


def _told_apart(found: list[Record]) -> Iterator[Record]:
    # All are counted before the first is given out, so that the first one is told apart, too.
    sharing: dict[str, set[str | None]] = defaultdict(set)
    for record in found:
        if record.identifier:
            sharing[record.identifier].add(record.uri)
    nameless: set[str] = set()
    for record in found:
        if record.identifier and record.uri is None:
            # The same thing said twice, within one page, as series do with their first and last.
            if record.identifier in nameless:
                continue
            nameless.add(record.identifier)
        # The identifier would make one document of them, each run with another content.
        if record.identifier and len(sharing[record.identifier]) > 1 and record.uri:
            remark = Remark("identifier", record.identifier, "shared by several; the address identifies it")
            record = replace(record, remote_id=record.uri, remarks=(*record.remarks, remark))
        yield record


def _told_of_each_other(found: list[Record]) -> list[Record]:
    """The records; a series knows the datasets that name it, and a dataset the series that name it."""
    if not any(isinstance(one, Series) for one in found):
        return found
    members, series = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for one in found:
        name = one.uri or one.remote_id
        for other in one.members if isinstance(one, Series) and name else ():
            series[other].add(name or "")
        for other in one.series if isinstance(one, Dataset) and name else ():
            members[other].add(name or "")
    return [_told(one, members, series) for one in found]


def _told(one: Record, members: Mapping[str, set[str]], series: Mapping[str, set[str]]) -> Record:
    names = [name for name in dict.fromkeys((one.uri, one.remote_id, one.identifier)) if name]
    if isinstance(one, Series):
        more = {member for name in names for member in members.get(name, ())}
        return replace(one, members=tuple(sorted({*one.members, *more})))
    if isinstance(one, Dataset):
        more = {member for name in names for member in series.get(name, ())}
        return replace(one, series=tuple(sorted({*one.series, *more})))
    return one


def _common(thing: Thing) -> dict[str, object]:
    """The fields that every kind of record has. The remarks are taken last, when all is read."""
    identifier = thing.word(DCT.identifier)
    themes = _themes(thing)
    # High-value data are marked by the law that demands them, or by a category.
    laws = [node(term) or "" for term in thing.terms(DCATAP.applicableLegislation)]
    access_rights = thing.published(DCT.accessRights)
    rights = thing.published(DCT.rights)
    titles = thing.texts(DCT.title, DC.title, RDFS.label, SKOS.prefLabel, FOAF.name)
    # Said, since without an address and an identifier the record is refused.
    if thing.uri is None and not thing.name.startswith("_:"):
        thing.remark("uri", thing.name, "no address")
    return {
        "remote_id": identifier or thing.uri,
        "identifier": identifier,
        "uri": thing.uri,
        # `landindPage` is a slip that catalogues make.
        "landing_page": thing.address("landingPage", DCAT.landingPage, DCAT["landindPage"], FOAF.page),
        "titles": titles,
        "descriptions": thing.texts(DCT.description, DCT.abstract, DC.description, RDFS.comment),
        "keywords": thing.texts(DCAT.keyword),
        "themes": themes,
        "languages": _languages(thing),
        "contacts": contacts(thing),
        # Some catalogues write a hash too many.
        "licenses": thing.licenses(DCT.license, DCT.licence, DCT["#license"]),
        "rights": rights,
        "access_rights": access_rights,
        "access": strictest((*access_rights, *rights, *thing.words(POD.accessLevel))),
        "conforms_to": thing.concepts(DCT.conformsTo),
        "places": places(thing),
        "created": thing.moment("created", DCT.created),
        "issued": thing.moment("issued", DCT.issued, DCT.date),
        "modified": thing.moment("modified", DCT.modified),
        "high_value": any(_HIGH_VALUE_LAW in law for law in laws)
        or any(theme.uri and theme.uri.startswith(_HIGH_VALUE_CATEGORY) for theme in themes),
    }


def _dataset(thing: Thing) -> Dataset:
    fields = _common(thing)
    published = thing.word(DCT.accrualPeriodicity, DCAT.accrualPeriodicity)
    # The label of a described frequency may be in any language; its address is not.
    named = next((node(term) for term in thing.terms(DCT.accrualPeriodicity) if node(term)), None)
    term = frequency(published) if published else None
    if term is None and named:
        term = frequency(named)
    if published and term is None:
        thing.remark("frequency", published, "no frequency that is known")
    # Before the record is made, since the reading adds to the remarks.
    period = temporal(thing)
    read = distributions(thing)
    return Dataset(
        **fields,  # type: ignore[arg-type]  # a mapping of the fields, which mypy sees as objects
        version=thing.word(DCAT.version, OWL.versionInfo),
        frequency=term,
        published_frequency=published,
        period=period,
        spatial_resolution=thing.words(
            DCAT.spatialResolutionInMeters, GEODCAT.spatialResolutionAsText, DCAT.granularity
        ),
        provenance=thing.published(DCT.provenance),
        distributions=read,
        series=tuple(sorted(member.uri for member in thing.things(DCAT.inSeries) if member.uri)),
        remarks=tuple(thing.remarks),
    )


def _service(thing: Thing) -> DataService:
    fields = _common(thing)
    return DataService(
        **fields,  # type: ignore[arg-type]
        endpoint_url=thing.address("endpointURL", DCAT.endpointURL),
        endpoint_descriptions=tuple(thing.addresses("endpointDescription", DCAT.endpointDescription)),
        documentation=tuple(thing.addresses("page", FOAF.page)),
        service_type=thing.word(GEODCAT.serviceType),
        serves=_names(thing, DCAT.servesDataset, DCT.relation, DCT.hasPart),
        remarks=tuple(thing.remarks),
    )


def _series(thing: Thing) -> Series:
    fields = _common(thing)
    members = _names(thing, DCAT.seriesMember, DCAT.first, DCAT.last)
    return Series(**fields, members=members, remarks=tuple(thing.remarks))  # type: ignore[arg-type]


def _names(thing: Thing, *predicates: str) -> tuple[str, ...]:
    """The addresses or identifiers of the things that the properties name."""
    found = []
    for member in thing.things(*predicates):
        name = member.uri or member.word(DCT.identifier)
        if name:
            found.append(name)
    found += [value for value in thing.words(*predicates) if is_uri(value)]
    return tuple(sorted(set(found)))


def _themes(thing: Thing) -> tuple[Concept, ...]:
    found = []
    for concept in thing.concepts(DCAT.theme, DCATAP.hvdCategory, ADMS.theme):
        if concept.uri and not concept.labels and concept.uri.startswith(_HIGH_VALUE_CATEGORY):
            concept = Concept(concept.uri, _CATEGORIES.get(concept.uri.rpartition("/")[2], ()))
        found.append(concept)
    return tuple(found)


def _languages(thing: Thing) -> tuple[str, ...]:
    names = [node(term) or word for term in thing.terms(DCT.language) for word in [getattr(term, "value", "")]]
    return tuple(sorted({code for name in names if (code := language(name))}))
