"""How fast catalogues are read, as a ratio to rdflib's parsing of the same RDF/XML, and in how much memory.

Seconds are those of the processor: nothing waits for anything here, and other work on the machine does not count.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import process_time

import psutil
import rdflib

from udata.harvest.backends.base import Source
from udata.harvest.backends.dcat import DCATBackend

DATASETS = 10_000
PAGES = 100
SPEED_GOAL = 5.0
HOST = "http://catalogue.example.org"

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcat="http://www.w3.org/ns/dcat#"
  xmlns:dct="http://purl.org/dc/terms/" xmlns:foaf="http://xmlns.com/foaf/0.1/" xmlns:hydra="http://www.w3.org/ns/hydra/core#"
  xmlns:locn="http://www.w3.org/ns/locn#" xmlns:vcard="http://www.w3.org/2006/vcard/ns#">
"""
_DISTRIBUTION = """<dcat:distribution><dcat:Distribution rdf:about="{host}/datasets/{n}/files/{k}">
<dct:title xml:lang="en">File {k} of dataset {n}</dct:title><dct:title xml:lang="fr">Fichier {k} du jeu {n}</dct:title>
<dct:description xml:lang="en">The data of {n}, part {k}</dct:description>
<dcat:downloadURL rdf:resource="{host}/files/{n}-{k}.csv"/><dcat:accessURL rdf:resource="{host}/datasets/{n}"/>
<dct:format rdf:resource="http://publications.europa.eu/resource/authority/file-type/CSV"/>
<dcat:mediaType rdf:resource="https://www.iana.org/assignments/media-types/text/csv"/>
<dcat:byteSize>12{n}</dcat:byteSize>
<dct:license rdf:resource="http://publications.europa.eu/resource/authority/licence/CC_BY_4_0"/>
<dct:issued rdf:datatype="http://www.w3.org/2001/XMLSchema#date">2023-01-02</dct:issued>
<dct:modified rdf:datatype="http://www.w3.org/2001/XMLSchema#dateTime">2024-05-06T07:08:09Z</dct:modified>
</dcat:Distribution></dcat:distribution>
"""
_DATASET = """<dcat:Dataset rdf:about="{host}/datasets/{n}"><dct:identifier>id-{n}</dct:identifier>
<dct:title xml:lang="en">Dataset {n}</dct:title><dct:title xml:lang="fr">Jeu de données {n}</dct:title>
<dct:title xml:lang="de">Datensatz {n}</dct:title>
<dct:description xml:lang="en">What dataset {n} is about, in a few words</dct:description>
<dct:description xml:lang="fr">Ce dont parle le jeu {n}, en quelques mots</dct:description>
<dcat:keyword xml:lang="en">one {n}</dcat:keyword><dcat:keyword xml:lang="en">two</dcat:keyword>
<dcat:keyword xml:lang="en">three</dcat:keyword><dcat:keyword xml:lang="fr">quatre</dcat:keyword>
<dcat:theme rdf:resource="http://publications.europa.eu/resource/authority/data-theme/ENVI"/>
<dct:accrualPeriodicity rdf:resource="http://publications.europa.eu/resource/authority/frequency/ANNUAL"/>
<dct:accessRights rdf:resource="http://publications.europa.eu/resource/authority/access-right/PUBLIC"/>
<dct:issued rdf:datatype="http://www.w3.org/2001/XMLSchema#date">2023-01-02</dct:issued>
<dct:modified rdf:datatype="http://www.w3.org/2001/XMLSchema#dateTime">2024-05-06T07:08:09Z</dct:modified>
<dcat:landingPage rdf:resource="{host}/datasets/{n}"/>
<dct:publisher><foaf:Organization><foaf:name>Office {m}</foaf:name></foaf:Organization></dct:publisher>
<dcat:contactPoint><vcard:Organization><vcard:fn>Desk {m}</vcard:fn>
<vcard:hasEmail rdf:resource="mailto:desk{m}@example.org"/></vcard:Organization></dcat:contactPoint>
<dct:temporal><dct:PeriodOfTime>
<dcat:startDate rdf:datatype="http://www.w3.org/2001/XMLSchema#date">2020-01-01</dcat:startDate>
<dcat:endDate rdf:datatype="http://www.w3.org/2001/XMLSchema#date">2022-12-31</dcat:endDate>
</dct:PeriodOfTime></dct:temporal>
<dct:spatial><dct:Location><locn:geometry rdf:datatype="http://www.opengis.net/ont/geosparql#wktLiteral">
POLYGON((1.5 48.5,3.5 48.5,3.5 49.5,1.5 49.5,1.5 48.5))</locn:geometry></dct:Location></dct:spatial>
{distributions}</dcat:Dataset>
"""


def page(first: int, count: int, following: str | None = None) -> bytes:
    """A page of `count` datasets of three distributions each, 75 statements or so a dataset."""
    parts = [_HEAD, f'<dcat:Catalog rdf:about="{HOST}/"/>']
    for n in range(first, first + count):
        distributions = "".join(_DISTRIBUTION.format(host=HOST, n=n, k=k) for k in range(3))
        parts.append(_DATASET.format(host=HOST, n=n, m=n % 97, distributions=distributions))
    if following:
        parts.append(f'<hydra:PagedCollection><hydra:next rdf:resource="{following}"/></hydra:PagedCollection>')
    return "".join([*parts, "</rdf:RDF>"]).encode()


@dataclass(frozen=True)
class Answer:
    """An answer without a network: the reading is measured, not the way."""

    url: str
    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def checked(self) -> "Answer":
        """Itself."""
        return self


def fetch(url: str, /, **options: object) -> Answer:
    """The page of that number, made when it is asked for."""
    number = int(url.rpartition("=")[2])
    size = DATASETS // PAGES
    following = f"{HOST}/?page={number + 1}" if number < PAGES else None
    return Answer(url, page((number - 1) * size, size, following))


def seconds(given: Mapping[str, Answer], first: str) -> float:
    """The time of the processor for reading what is `given`, from the address `first` on."""
    start = process_time()
    found = sum(len(page.records) for page in DCATBackend().pages(Source(first), lambda url, /, **options: given[url]))
    taken = process_time() - start
    if found != DATASETS:
        sys.exit(f"{found} datasets were read, not {DATASETS}")
    return taken


def main() -> None:
    """Print the memory at page 10 and at page 100, and how many times as fast as rdflib the pages are read."""
    memory = {}
    process = psutil.Process()
    for number, _ in enumerate(DCATBackend().pages(Source(f"{HOST}/?page=1"), fetch), 1):
        if number in (10, PAGES):
            memory[number] = process.memory_info().rss / 2**20
    print(f"memory at page 10 {memory[10]:.0f} MiB, at page {PAGES} {memory[PAGES]:.0f} MiB (goal: the same)")
    pages = {address: fetch(address) for address in (f"{HOST}/?page={number}" for number in range(1, PAGES + 1))}
    ours = seconds(pages, f"{HOST}/?page=1")
    in_one = seconds({HOST: Answer(HOST, page(0, DATASETS))}, HOST)
    statements = 0
    start = process_time()
    for address, answer in pages.items():
        graph = rdflib.Graph()
        graph.parse(data=answer.body, format="xml", publicID=address)
        statements += len(graph)
    other = process_time() - start
    print(f"{statements} statements in {PAGES} pages: {ours:.1f} s for {DATASETS} records, in one piece {in_one:.1f} s")
    print(f"rdflib: {other:.1f} s for the graphs of the pages alone")
    print(f"{other / ours:.1f} times as fast (goal {SPEED_GOAL}), {DATASETS / ours:.0f} datasets a second")


if __name__ == "__main__":
    main()
