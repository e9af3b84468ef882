"""The round through the addresses of one host: it is left alone when it asks for it, is silent, or is not there."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple

from yarl import URL

from udata.clock import now
from udata.network.addresses import parsed
from udata.network.http import Client
from udata.services.crawl.agenda import Agenda
from udata.services.crawl.robots import Robots
from udata.services.crawl.turns import PutOffError, Turns
from udata.services.crawl.verdicts import Seen
from udata.services.crawl.visiting import visit

log = logging.getLogger(__name__)

# After so many connections in a row that did not come about, what else the host has is not there either.
DEAD = 3
# After so many answers in a row that did not come in time, the others are put off to the next run.
SILENT = 5
# After so many files that a host gave while its answers to a HEAD were of no use, it is asked for none.
HEADLESS = 2

_OTHER_PROTOCOL = re.compile(r"(?i)\s*(ftp|ftps|sftp|s3|rsync|webdav|smb|nfs)://")
_HOST_AND_MORE = re.compile(r"(?i)https?://[^/?#\s]+[/?#]")

# Told what came of an address; None if it was put off.
Tell = Callable[[str, Seen | None], Awaitable[None]]


class Manners(NamedTuple):
    """How hosts are asked: so many requests at a time, each within `seconds`; `rest` if one asks for a rest of no
    length. `robots` are the rules of the one that is asked, made for each host, or None.
    """

    at_a_time: int
    seconds: float
    rest: timedelta
    robots: Callable[[], Robots | None]


class Host:
    """The addresses of a host, asked one after the other by a few at a time.

    `is_over` says that the run has come to its end.
    """

    def __init__(
        self, name: str, agenda: Agenda, client: Client, turns: Turns, manners: Manners, is_over: Callable[[], bool]
    ) -> None:
        self.name = name
        self._client = client
        self._turns = turns
        self._manners = manners
        self._is_over = is_over
        self._robots = manners.robots()
        self._addresses = agenda.addresses(name)
        self._dead: dict[URL, int] = {}
        self._gone: dict[URL, Seen] = {}
        self._silent = 0
        self._headless = 0

    async def work(self, tell: Tell) -> None:
        """Ask for all of them, or say that they are put off."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._manners.at_a_time):
                group.create_task(self._ask(tell))

    async def _ask(self, tell: Tell) -> None:
        for url, file in self._addresses:
            await tell(url, None if self._stopped else await self._guarded(url, file))

    @property
    def _stopped(self) -> bool:
        return self._turns.is_resting(self.name) or self._silent >= SILENT or self._is_over()

    async def _guarded(self, url: str, file: bool) -> Seen | None:
        try:
            return await self._patiently(url, file)
        except PutOffError:
            return None
        # Whatever an address of others makes a library raise: it must not keep the other addresses from their turn.
        except Exception as error:
            log.warning("%r could not be asked: %s: %s", url, type(error).__name__, error)
            log.debug("It was raised here", exc_info=True)
            return Seen(kind="fault", reason=f"{type(error).__name__}: {error}")

    async def _patiently(self, url: str, file: bool) -> Seen | None:
        """What came of an address, after a short rest if a host asks for one; None if it asks for more than that."""
        for again in (False, True):
            if self._stopped:
                return None
            seen = await self._seen(url, file)
            rest = seen.rest(now())
            if rest is None:
                return seen
            # A redirect may have led to another host, and it is that one that rests.
            self._turns.rest(seen.host or self.name, max(rest, self._manners.rest) if again or not rest else rest)
        return None

    async def _seen(self, text: str, file: bool) -> Seen:
        if _OTHER_PROTOCOL.match(text):
            return Seen(kind="scheme", reason="only addresses of the web are checked")
        try:
            url = parsed(askable(text))
        except ValueError as error:
            return Seen(kind="address", reason=str(error))
        origin = url.origin()
        if origin in self._gone:
            return self._gone[origin]
        if self._robots is not None:
            if not await self._robots.allows(url):
                return Seen(kind="robots", reason="robots.txt of the host does not allow it")
            if delay := await self._robots.delay(url):
                self._turns.pauses[self.name] = delay
        seen, of_use = await visit(
            self._client, str(url), file=file, seconds=self._manners.seconds,
            head=self._headless < HEADLESS,
        )  # fmt: skip
        self._learn(origin, seen, of_use)
        return seen

    def _learn(self, origin: URL, seen: Seen, of_use: bool) -> None:
        """What an answer, or its absence, tells of the others."""
        if not of_use and seen.ok:
            self._headless += 1
        elif of_use:
            self._headless = 0
        self._silent = self._silent + 1 if seen.kind == "timeout" and not seen.beforehand else 0
        self._dead[origin] = self._dead.get(origin, 0) + 1 if seen.beforehand else 0
        if self._dead[origin] >= DEAD:
            self._gone[origin] = seen


def askable(text: str) -> str:
    """The address as browsers ask for it: spaces behind the host are escaped."""
    text = text.strip()
    return text.replace(" ", "%20") if _HOST_AND_MORE.match(text) else text
