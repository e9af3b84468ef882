"""Who may be asked now: few requests at a time a host and a pause between them, whoever leads there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

from udata.errors import InnerError
from udata.network.addresses import host_of

# How many may wait for a host to which redirects lead; the others are put off.
WAITING = 100
# From so many hosts on those are forgotten that nobody asks.
HOSTS = 10_000


class PutOffError(InnerError):
    """Too many wait for the same host."""


class _Place:
    def __init__(self, limit: int) -> None:
        self.slots = asyncio.Semaphore(limit)
        self.users = 0
        self.next = 0.0


class Turns:
    """At most `limit` requests at a time a host, begun at least `pause` seconds after each other; `total` in all."""

    def __init__(self, limit: int, pause: float, total: int) -> None:
        self._limit = limit
        self._pause = pause
        self._total = asyncio.Semaphore(total)
        self._places: dict[str, _Place] = {}
        # Hosts whose robots ask for a longer pause.
        self.pauses: dict[str, float] = {}

    @asynccontextmanager
    async def turn(self, url: URL) -> AsyncIterator[None]:
        """Wait until `url` may be asked; in this context it is. Raises PutOffError if too many wait already."""
        host = host_of(url)
        place = self._place(host)
        if place.users >= self._limit + WAITING:
            raise PutOffError
        place.users += 1
        try:
            async with place.slots:
                await self._wait(place, self.pauses.get(host, self._pause))
                async with self._total:
                    yield
        finally:
            place.users -= 1

    async def _wait(self, place: _Place, pause: float) -> None:
        now = asyncio.get_running_loop().time()
        begin = max(now, place.next)
        place.next = begin + pause
        if begin > now:
            await asyncio.sleep(begin - now)

    def _place(self, host: str) -> _Place:
        place = self._places.get(host)
        if place is None:
            if len(self._places) >= HOSTS:
                now = asyncio.get_running_loop().time()
                self._places = {name: one for name, one in self._places.items() if one.users or one.next > now}
            place = self._places[host] = _Place(self._limit)
        return place
