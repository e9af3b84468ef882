"""Who may be asked now: few requests at a time a host and a pause between them, whoever leads there; and who rests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from yarl import URL

from udata.clock import now
from udata.errors import InnerError
from udata.network.addresses import host_of

# How many may wait for a host to which redirects lead; the others are put off.
WAITING = 100
# From so many hosts on those are forgotten that nobody asks.
HOSTS = 10_000
# A rest that is longer is not waited for.
PATIENCE = timedelta(seconds=60)


class PutOffError(InnerError):
    """A host has its rest, or too many wait for it."""


class _Place:
    def __init__(self, limit: int) -> None:
        self.slots = asyncio.Semaphore(limit)
        self.users = 0
        self.next = 0.0


class Turns:
    """At most `limit` requests at a time a host, begun at least `pause` seconds after each other; `total` in all.

    `rests` are the hosts to be left alone until a moment.
    """

    def __init__(self, limit: int, pause: float, total: int, rests: Mapping[str, datetime]) -> None:
        self._limit = limit
        self._pause = pause
        self._total = asyncio.Semaphore(total)
        self._places: dict[str, _Place] = {}
        # Hosts whose robots ask for a longer pause.
        self.pauses: dict[str, float] = {}
        self.rests = dict(rests)

    def is_resting(self, host: str) -> bool:
        """Whether a host is to be left alone for longer than is waited for."""
        until = self.rests.get(host)
        return until is not None and until > now()

    def rest(self, host: str, span: timedelta) -> None:
        """Leave a host alone from now on: a short while is waited for, a longer one is a rest."""
        if span <= PATIENCE:
            place = self._place(host)
            place.next = max(place.next, asyncio.get_running_loop().time() + span.total_seconds())
        else:
            self.rests[host] = max(self.rests.get(host, datetime.min), now() + span)

    @asynccontextmanager
    async def turn(self, url: URL) -> AsyncIterator[None]:
        """Wait until `url` may be asked; in this context it is. Raises PutOffError if that is not now."""
        host = host_of(url)
        place = self._place(host)
        if self.is_resting(host) or place.users >= self._limit + WAITING:
            raise PutOffError
        place.users += 1
        try:
            async with place.slots:
                await self._wait(place, self.pauses.get(host, self._pause))
                # It may have asked for it meanwhile.
                if self.is_resting(host):
                    raise PutOffError
                async with self._total:
                    yield
        finally:
            place.users -= 1

    async def _wait(self, place: _Place, pause: float) -> None:
        time = asyncio.get_running_loop().time()
        begin = max(time, place.next)
        place.next = begin + pause
        if begin > time:
            await asyncio.sleep(begin - time)

    def _place(self, host: str) -> _Place:
        place = self._places.get(host)
        if place is None:
            if len(self._places) >= HOSTS:
                time = asyncio.get_running_loop().time()
                self._places = {name: one for name, one in self._places.items() if one.users or one.next > time}
            place = self._places[host] = _Place(self._limit)
        return place
