"""Formats and media types of files, and the protocols of services."""

import re
from typing import NamedTuple

from udata.harvest.values.addresses import is_uri, last_segment
from udata.harvest.values.remembering import remembered

_MEDIA_TYPE = re.compile(r"(application|audio|chemical|font|image|message|model|multipart|text|video)/[\w.+\-]+")
# Names of media types that nobody would call the format.
_NAMES = {
    "plain": "txt",
    "vnd.ms-excel": "xls",
    "msword": "doc",
    "vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "vnd.oasis.opendocument.spreadsheet": "ods",
    "vnd.oasis.opendocument.text": "odt",
    "vnd.geo+json": "geojson",
    "geo+json": "geojson",
    "ld+json": "jsonld",
    "rdf+xml": "rdf",
    "gml+xml": "gml",
    "vnd.google-earth.kml+xml": "kml",
    "vnd.google-earth.kmz": "kmz",
    "x-zip-compressed": "zip",
    "octet-stream": None,
}
# Of https://github.com/OSGeo/Cat-Interop/blob/master/LinkPropertyLookupTable.csv
_PROTOCOL = re.compile(r"(?:OGC|ESRI|WWW|OSM|GLG|FILE|DB)[:\-]", re.IGNORECASE)
_SERVICE = re.compile(r"\b(wms|wmts|wfs|wcs|wps|csw|sos|tms|atom)\b", re.IGNORECASE)
SERVICES = ("wms", "wmts", "wfs", "wcs", "wps", "csw", "sos", "tms")


class Format(NamedTuple):
    """What a distribution is: the short name in lower case, the media type."""

    name: str | None = None
    mime: str | None = None


@remembered
def media_type(text: str) -> str | None:
    """The media type in a text or an address of IANA's, in lower case; None if there is no media type."""
    match = _MEDIA_TYPE.search(text.strip().lower().partition(";")[0])
    return (
        match[0] if match and (match[0] == text.strip().lower().partition(";")[0] or "media-types/" in text) else None
    )


@remembered
def file_format(published: str) -> Format:
    """The format that a label, a media type, an authority's address or a service's protocol stands for."""
    text = published.strip()
    if not text:
        return Format()
    if mime := media_type(text):
        name = mime.partition("/")[2]
        return Format(_NAMES.get(name, name), mime)
    if _PROTOCOL.match(text):
        return Format(service_type(text))
    if is_uri(text) or "://" in text:
        text = last_segment(text)
        if re.search(r"\.(?:xml|html?|rdf)$", text):
            return Format()  # a page about a format
    return Format(text.lower().lstrip(".") or None)


@remembered
def service_type(text: str | None) -> str | None:
    """The kind of service that a protocol such as `OGC:WMS-1.3.0-http-get-map` or a label names, or None."""
    match = _SERVICE.search((text or "").replace("_", " "))
    return match[1].lower() if match else None


def service_in(address: str) -> str | None:
    """The kind of service that an address asks for by `SERVICE=`; None if it asks for none."""
    match = re.search(r"[?&]service=(\w+)", address, re.IGNORECASE)
    kind = match[1].lower() if match else None
    return kind if kind in SERVICES else None
