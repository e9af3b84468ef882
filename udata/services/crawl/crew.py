"""Those who ask: many hosts at once, in a thread of their own, never further ahead than what comes of it is taken."""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from udata.network.background import Background
from udata.network.http import Client, user_agent
from udata.services.crawl.agenda import Agenda
from udata.services.crawl.hosts import Host, Manners
from udata.services.crawl.robots import Robots
from udata.services.crawl.turns import Turns
from udata.services.crawl.verdicts import Seen

# How many outcomes may wait to be written, and how many are written at once: the more, the more of them are of the same
# dataset, which is written as one.
BACKLOG, BATCH = 4000, 2000
# How many hosts are at work for each request that may be on its way: most of them wait for their pause.
HOSTS = 4
# The limits are those of the turns.
_CONNECTIONS = 1_000_000


class Outcome(NamedTuple):
    """What came of an address of a host; `seen` is None if it was put off to another run."""

    url: str
    host: str
    seen: Seen | None


class Crew(Background):
    """Asks for what is on the agenda, within this context; `resting` are hosts to be left alone until a moment.

    `late` says that there was no time for all of it.
    """

    def __init__(self, settings: Mapping[str, Any], agenda: Agenda, resting: Mapping[str, datetime]) -> None:
        super().__init__("crawl")
        self.late = False
        self._settings = settings
        self._agenda = agenda
        self._resting = resting
        self._over = False

    @property
    def rests(self) -> dict[str, datetime]:
        """The hosts that asked meanwhile to be left alone."""
        # A copy, for others go on.
        return {name: until for name, until in dict(self._turns.rests).items() if self._resting.get(name) != until}

    def outcomes(self) -> Iterator[list[Outcome]]:
        """What came of the addresses, some at a time, until all are asked."""
        while some := self.wait(self._some()):
            yield some

    async def _begin(self) -> None:
        settings = self._settings
        self._queue: asyncio.Queue[Outcome | None] = asyncio.Queue(BACKLOG)
        at_a_time, total = settings["CRAWL_PER_HOST"], settings["CRAWL_CONCURRENCY"]
        # Names are looked up in threads: no request waits for another one's name, which may take long to be unknown.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(total, "names"))
        self._turns = Turns(at_a_time, settings["CRAWL_PAUSE_SECONDS"], total, self._resting)
        self._client = Client(settings, connections=_CONNECTIONS, turns=self._turns.turn)
        seconds = settings["CRAWL_TIMEOUT"]
        agent = user_agent(settings)

        def robots() -> Robots | None:
            return Robots(self._client, agent, seconds) if settings["CRAWL_ROBOTS"] else None

        self._manners = Manners(at_a_time, seconds, timedelta(seconds=settings["CRAWL_REST_SECONDS"]), robots)
        self._until = asyncio.get_running_loop().time() + 60 * settings["CRAWL_MAX_MINUTES"]
        self._work = asyncio.create_task(self._all(self._agenda.hosts(), total * HOSTS))

    async def _all(self, hosts: Iterator[str], at_once: int) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(self._one_by_one(hosts))
        finally:
            self._over = True
            # Who waits for an outcome that does not come is woken; who has outcomes before them does not wait.
            if not self._queue.full():
                self._queue.put_nowait(None)

    async def _one_by_one(self, hosts: Iterator[str]) -> None:
        for name in hosts:
            host = Host(name, self._agenda, self._client, self._turns, self._manners, self._is_over)

            async def tell(url: str, seen: Seen | None, name: str = name) -> None:
                await self._queue.put(Outcome(url, name, seen))

            await host.work(tell)

    def _is_over(self) -> bool:
        if asyncio.get_running_loop().time() >= self._until:
            self.late = True
        return self.late

    async def _some(self) -> list[Outcome]:
        """All that there is, and at least one; none at the end. Raises what stopped the others."""
        some: list[Outcome] = []
        while len(some) < BATCH and not ((some or self._over) and self._queue.empty()):
            outcome = await self._queue.get()
            if outcome is not None:
                some.append(outcome)
        if not some:
            await self._work
        return some

    async def _end(self) -> None:
        await super()._end()
        await self._client.close()
