"""Which of a portal's zones the places of a record are, by the addresses that name both."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from udata.harvest.records import Place


class Zone(NamedTuple):
    """A zone of the portal: its id, and the level of administration that it is of."""

    id: str
    level: str


class Zones:
    """The zones of a portal that have an address, read when the first place names one."""

    def __init__(self, read: Callable[[], Iterable[Mapping[str, Any]]] = tuple) -> None:
        """`read` gives the stored zones, with their `uri` and `level`."""
        self._read = read
        self._known: dict[str, Zone] | None = None

    def of(self, places: Sequence[Place]) -> list[Zone]:
        """The zones that the places are, each once; a place that is no zone of the portal is left out."""
        addresses = [bare(place.uri) for place in places if place.uri]
        if not addresses:
            return []
        if self._known is None:
            # One scan: portals have no index on the address.
            self._known = {}
            for one in self._read():
                # What was typed into the database by hand may have any shape.
                if isinstance(one.get("uri"), str) and isinstance(one["_id"], str):
                    self._known.setdefault(bare(one["uri"]), Zone(one["_id"], str(one.get("level") or "other")))
        return list(dict.fromkeys(zone for address in addresses if (zone := self._known.get(address))))


def bare(address: str) -> str:
    """An address as zones are compared by: without its scheme and final slash."""
    return address.strip().removeprefix("https://").removeprefix("http://").rstrip("/")
