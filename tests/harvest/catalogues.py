"""The catalogues of real portals that the tests read, and the reading of one without a network."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from tests.conftest import skip_or_fail
from udata.harvest.backends.ckan import packages
from udata.harvest.backends.csw import CSWDCATBackend, CSWISOBackend, results
from udata.harvest.dcat.catalogue import records
from udata.harvest.rdf.graph import Graph
from udata.harvest.rdf.read import read
from udata.harvest.records import Damage, DataService, Dataset, Distribution, Record, Series, Unread

FOLDER = (Path(__file__).parents[2] / "../shared/harvest").resolve()
HOST = "http://data.test.org"
NOW = datetime(2026, 6, 1)


def content(name: str) -> bytes:
    """The bytes of a catalogue."""
    if not FOLDER.is_dir():
        skip_or_fail(f"no catalogues in {FOLDER}")
    return (FOLDER / name).read_bytes()


def names() -> list[str]:
    """The names of all catalogues."""
    if not FOLDER.is_dir():
        return []
    return sorted(file.name for file in FOLDER.iterdir() if file.suffix not in (".md", ".jsonl"))


def graph(name: str) -> Graph:
    """The graph of a catalogue, as it stands under its own name on a host."""
    return read(content(name), f"{HOST}/{name}")


class Read:
    """A catalogue that was read: its records by kind, what could not be read, the damages."""

    def __init__(self, found: Iterable[Record], unread: Iterable[Unread], damages: Iterable[Damage]) -> None:
        self.records = list(found)
        self.unread = list(unread)
        self.damages = list(damages)

    @property
    def datasets(self) -> list[Dataset]:
        return [record for record in self.records if isinstance(record, Dataset)]

    @property
    def distributions(self) -> list[Distribution]:
        return [distribution for dataset in self.datasets for distribution in dataset.distributions]

    @property
    def services(self) -> list[DataService]:
        return [record for record in self.records if isinstance(record, DataService)]

    @property
    def series(self) -> list[Series]:
        return [record for record in self.records if isinstance(record, Series)]

    @property
    def one(self) -> Dataset:
        """The only dataset."""
        (dataset,) = self.datasets
        return dataset

    def dataset(self, remote_id: str) -> Dataset:
        """The dataset of that identity."""
        (dataset,) = [one for one in self.datasets if one.remote_id == remote_id]
        return dataset


def reading(name: str) -> Read:
    """A catalogue, read by the reader that is made for its kind."""
    if name.startswith("csw-dcat"):
        return _searched(name, CSWDCATBackend())
    if name.startswith(("csw-iso", "iso-bad", "iso-multilingual.")):
        return _searched(name, CSWISOBackend())
    if name.startswith(("ckan", "dkan-french")):
        given = json.loads(content(name))
        given = given.get("result", given)
        found, unread = packages(given.get("results", given) if isinstance(given, dict) else given, HOST)
        return Read(found, unread, [])
    page = graph(name)
    read_here, odd = records(page, NOW)
    return Read(read_here, odd, page.damages)


def _searched(name: str, backend: CSWDCATBackend | CSWISOBackend) -> Read:
    answer = results(content(name))
    found, unread, damages = list[Record](), list[Unread](), list(answer.damages)
    for element in answer.elements:
        read_here, odd, harmed = backend.read(element, f"{HOST}/csw")
        found += read_here
        unread += odd
        damages += harmed
    return Read(found, unread, damages)
