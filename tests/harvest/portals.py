"""The portals that published the catalogues, on loopback, and what runs store of them.

Each is asked as a source is: over HTTP, by its backend, with everything written into a database. What is stored then
is shown as if the portal were at HOST, wherever it listened.
"""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from bson import ObjectId
from flask import current_app
from pymongo.database import Database

from tests.harvest.catalogues import HOST, NOW, content
from tests.harvest.shown import shown
from tests.network.webserver import WebServer
from udata.harvest.backends.base import Fetch
from udata.harvest.backends.registry import backend
from udata.harvest.run.source import Report, Rules, run

Stored = dict[str, Any]
# The files that are pages of one catalogue, by the first of them and by where each starts.
PAGES = {
    "csw-dcat-1.xml": {1: "csw-dcat-1.xml", 3: "csw-dcat-3.xml", 5: "csw-dcat-5.xml"},
    "paged-collection-1.jsonld": {1: "paged-collection-1.jsonld", 2: "paged-collection-2.jsonld"},
}
_TYPES = {"json": "application/json", "jsonld": "application/ld+json", "nt": "application/n-triples",
          "rdf": "application/rdf+xml", "ttl": "text/turtle", "xml": "text/xml"}  # fmt: skip
_END = (
    b'<csw:GetRecordsResponse xmlns:csw="http://www.opengis.net/cat/csw/2.0.2"><csw:SearchResults nextRecord="0" '
    b'numberOfRecordsMatched="6" numberOfRecordsReturned="0"/></csw:GetRecordsResponse>'
)
# Of the list of data.gouv.fr, with addresses of Creative Commons and of the catalogues' own countries.
LICENSES: list[Stored] = [
    {"_id": "notspecified", "title": "License Not Specified"},
    {
        "_id": "lov2",
        "title": "Licence Ouverte / Open Licence version 2.0",
        "url": "https://www.etalab.gouv.fr/wp-content/uploads/2017/04/ETALAB-Licence-Ouverte-v2.0.pdf",
        "alternate_titles": ["Licence Ouverte 2.0"],
        "alternate_urls": ["https://www.etalab.gouv.fr/licence-ouverte-open-licence"],
    },
    {
        "_id": "fr-lo",
        "title": "Licence Ouverte / Open Licence",
        "url": "https://www.etalab.gouv.fr/wp-content/uploads/2014/05/Licence_Ouverte.pdf",
        "alternate_titles": ["Licence Ouverte Version 1.0"],
        "alternate_urls": ["http://www.etalab.gouv.fr/pages/Licence_ouverte_Open_licence-5899923.html"],
    },
    {
        "_id": "cc-by",
        "title": "Creative Commons Attribution",
        "url": "http://www.opendefinition.org/licenses/cc-by",
        "alternate_urls": [
            "https://creativecommons.org/licenses/by/4.0/",
            "http://creativecommons.org/licenses/by/3.0/it/",
        ],
    },
    {"_id": "cc-zero", "title": "CC0", "url": "http://creativecommons.org/publicdomain/zero/1.0/"},
    {
        "_id": "uk-ogl",
        "title": "UK Open Government Licence",
        "url": "http://reference.data.gov.uk/id/open-government-licence",
    },
]


class Outcome(NamedTuple):
    """Two runs of a catalogue, a few hours apart, and what is stored: as documents, and as 17.18's are shown."""

    first: Report
    second: Report
    documents: dict[str, Stored]
    shown: dict[str, Stored]
    wrote_again: list[str]


def harvested_twice(portal: "Portal") -> Outcome:
    """Harvest a portal, and again when nothing has changed there."""
    first = portal.harvest()
    documents = portal.stored("dataset") | portal.stored("dataservice")
    looks = {identity: shown(one, portal.database) for identity, one in documents.items()}
    before = portal.everything()
    second = portal.harvest(timedelta(hours=2))
    wrote = [name for name, documents in portal.everything().items() if documents != before.get(name)]
    return Outcome(first, second, documents, looks, wrote)


def first_files(names: list[str]) -> list[str]:
    """The catalogues among files: those that are later pages of one are no catalogue of their own."""
    later = {page for pages in PAGES.values() for start, page in pages.items() if start > 1}
    return [name for name in names if name not in later]


class Portal:
    """A portal that publishes one catalogue, and a database that harvests it."""

    def __init__(
        self, name: str, serving: Callable[[Any], WebServer], fetch: Fetch, database: Database[Stored]
    ) -> None:
        self.name, self.database, self._fetch = name, database, fetch
        self.server = serving(self._answer)
        self.backend, path = _spoken(name)
        self.source: Stored = {
            "_id": ObjectId(),
            "name": name,
            "url": self.server.url(path),
            "backend": self.backend,
            "organization": ObjectId(),
            "validation": {"state": "accepted"},
        }
        database.license.insert_many([dict(one) for one in LICENSES])

    def harvest(self, later: timedelta = timedelta()) -> Report:
        """Run the source, `later` than NOW."""
        spoken = backend(self.backend)
        return run(self.database, current_app.config, self.source, spoken, self._fetch, rules=Rules(), now=NOW + later)

    def stored(self, collection: str) -> dict[str, Stored]:
        """What is stored, by identity, as if the portal were at HOST."""
        found = [self._as_at_host(one) for one in self.database[collection].find()]
        return {one["harvest"]["remote_id"]: one for one in found}

    def everything(self) -> dict[str, list[Stored]]:
        """All that the database holds, by collection, but for the runs themselves."""
        names = set(self.database.list_collection_names()) - {"harvest_job"}
        return {name: list(self.database[name].find()) for name in sorted(names)}

    def _as_at_host(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._as_at_host(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._as_at_host(one) for one in value]
        if isinstance(value, str):
            here = self.server.url("")
            return value.replace(here, HOST) if value != self.server.host else urlsplit(HOST).hostname
        return value

    def _answer(self, path: str, body: bytes) -> Any:
        parts = urlsplit(path)
        asked = {key: value[0] for key, value in parse_qs(parts.query).items()}
        if self.backend in ("ckan", "dkan"):
            return _action(self.name, parts.path.rpartition("/")[2], asked)
        if self.backend == "dcat":
            name = PAGES.get(self.name, {1: self.name}).get(int(asked.get("page", 1)), self.name)
            kind = _TYPES[name.rpartition(".")[2]]
            return self._here(content(name)), f"{kind}; charset=utf-8"
        start = int(re.search(rb'startPosition="(\d+)"', body)[1])  # type: ignore[index]
        name = PAGES.get(self.name, {1: self.name}).get(start, "")
        return content(name) if name else _END

    def _here(self, page: bytes) -> bytes:
        # What names itself and its parts by the address that it was published at does so by this one here.
        return page.replace(HOST.encode(), self.server.url("").encode())


def _spoken(name: str) -> tuple[str, str]:
    """The backend that reads a catalogue, and the path at which its portal offers it."""
    if name.startswith("csw-dcat"):
        return "csw-dcat", "/csw"
    if name.startswith(("csw-iso", "iso-bad", "iso-multilingual.")):
        return "csw-iso-19139", "/csw"
    if name.startswith(("ckan", "dkan-french")):
        return name[:4], "/"
    return "dcat", "/catalog.jsonld" if name.startswith("paged-collection") else f"/{name}"


def _action(name: str, action: str, asked: dict[str, str]) -> Any:
    given = json.loads(content(name))
    given = given.get("result", given)
    packages = given.get("results", given) if isinstance(given, dict) else given
    packages = packages if isinstance(packages, list) else [packages]
    if action == "package_list":
        return _result([one["name"] for one in packages])
    if action == "package_show":
        return _result([one for one in packages if one["name"] == asked["id"]])
    start = int(asked["start"])
    return _result({"count": len(packages), "results": packages[start : start + int(asked["rows"])]})


def _result(result: Any) -> bytes:
    return json.dumps({"success": True, "result": result}).encode()
