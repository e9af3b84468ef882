"""The files and services through which a dataset is had."""

from udata.harvest.dcat.thing import Thing
from udata.harvest.rdf.graph import is_literal, node
from udata.harvest.rdf.terms import DCAT, DCT, FOAF, RDF, RDFS, SPDX
from udata.harvest.records import Checksum, Concept, Distribution
from udata.harvest.values.addresses import is_uri
from udata.harvest.values.formats import Format, file_format, media_type, service_type

_DOCUMENT = (FOAF.Document, DCAT.Distribution)


def distributions(dataset: Thing) -> tuple[Distribution, ...]:
    """The distributions of a dataset in the order of the page; those that say no address are left out and noted.

    Two that nothing tells apart are two: equal blank nodes are not merged.
    """
    found, seen = [], set()
    for one in dataset.things(DCAT.distribution):
        # A graph keeps a statement that a page makes twice.
        if one.name in seen:
            continue
        seen.add(one.name)
        if read := _distribution(one):
            found.append(read)
    for part in dataset.things(DCT.hasPart):
        # A part that is a file of its own is reached under its own name.
        if (
            part.name not in seen
            and part.graph.is_of_type(part.name, *_DOCUMENT)
            and (read := _distribution(part, True))
        ):
            found.append(read)
            seen.add(part.name)
    return tuple(found)


def _distribution(one: Thing, is_part: bool = False) -> Distribution | None:
    if not one.properties:
        one.remark("distribution", one.name, "named, but not described")
        return None
    download = one.address("downloadURL", DCAT.downloadURL)
    look = one.address("accessURL", DCAT.accessURL)
    has_service = bool(one.properties.get(DCAT.accessService))
    service, endpoint, protocol = _service(one) if has_service else (None, None, None)
    # The file itself before the page about it: portals check and show what is downloaded.
    url = download or look or endpoint or (one.uri if is_part else None)
    if url is None:
        one.remark("distribution", one.name, "says no web address")
        return None
    kind_of_file = _format(one)
    # Without a service of its own the format often tells, as `WMS`.
    protocol = protocol or next((found for word in one.words(DCT.format_) if (found := service_type(word))), None)
    return Distribution(
        url=url,
        access_url=look if look != url else None,
        uri=one.uri,
        identifier=one.word(DCT.identifier),
        titles=one.texts(DCT.title, RDFS.label),
        descriptions=one.texts(DCT.description, DCT.abstract),
        # A part of the dataset that is no distribution is a document about it.
        kind="other" if is_part else "api" if has_service or protocol else "main",
        format=kind_of_file.name,
        mime=kind_of_file.mime,
        size=_size(one),
        checksum=_checksum(one),
        schema=_schema(one),
        licenses=one.licenses(DCT.license, DCT.licence),
        rights=one.published(DCT.rights),
        access_rights=one.published(DCT.accessRights),
        created=one.moment("created", DCT.created),
        issued=one.moment("issued", DCT.issued),
        modified=one.moment("modified", DCT.modified),
        service=service,
        protocol=protocol,
    )


def _service(one: Thing) -> tuple[str | None, str | None, str | None]:
    """The address that names a distribution's service, its endpoint, its kind."""
    for service in one.things(DCAT.accessService):
        endpoint = service.address("endpointURL", DCAT.endpointURL)
        described = " ".join(service.words(DCT.title, DCT.conformsTo, DCAT.endpointDescription))
        return service.uri, endpoint, service_type(described)
    return None, None, None


def _format(one: Thing) -> Format:
    name = mime = None
    for term in one.terms(DCAT.mediaType, DCT.format_):
        found = file_format(term.value) if is_literal(term) else _named_format(one, node(term) or "")
        mime = mime or found.mime
        # What the publisher calls the format says more than the media type.
        if found.name and (name is None or term in one.properties.get(DCT.format_, ())):
            name = found.name
    return Format(name, mime)


def _named_format(one: Thing, name: str) -> Format:
    """The format that a thing stands for: most are addresses of an authority, which the page does not describe."""
    if not one.graph.properties(name):
        found = file_format(name if is_uri(name) else "")
        return found if found.mime else Format(found.name, media_type(name))
    thing = one.other(name)
    labels = [label.value for label in thing.labels()]
    types = [media_type(value) for value in (*labels, *thing.words(RDF.value))]
    found = file_format(labels[0] if labels else thing.uri or "")
    return Format(found.name, found.mime or next(filter(None, types), None) or media_type(name))


def _size(one: Thing) -> int | None:
    for term in one.terms(DCAT.byteSize):
        value = term.value.strip() if is_literal(term) else ""
        try:
            # Some write it as a decimal, as the standard once had it, or as 1.2E6.
            size = int(float(value))
        except (ValueError, OverflowError):
            if value:
                one.remark("byteSize", value, "no number of bytes")
            continue
        # More than eight bytes the database cannot store.
        if 0 <= size < 2**63:
            return size
        one.remark("byteSize", value, "no number of bytes")
    return None


def _checksum(one: Thing) -> Checksum | None:
    for checksum in one.things(SPDX.checksum):
        value = checksum.word(SPDX.checksumValue)
        # Written as an address ending in `checksumAlgorithm_sha1`, or as the bare name.
        algorithm = (checksum.word(SPDX.algorithm) or "").lower().rpartition("checksumalgorithm_")[2]
        if value and algorithm:
            return Checksum(algorithm.rpartition("/")[2].replace("-", ""), value.lower())
    return None


def _schema(one: Thing) -> Concept | None:
    for concept in one.concepts(DCT.conformsTo):
        # The portal's model knows schemas by address alone.
        if concept.uri:
            return concept
        if concept.labels:
            one.remark("conformsTo", concept.labels[0].value, "a text, no address of a schema")
    return None
