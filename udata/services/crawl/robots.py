"""What a host's robots.txt says to us: https://www.rfc-editor.org/rfc/rfc9309"""

import asyncio
from typing import TYPE_CHECKING

from yarl import URL

from udata.network.failures import HttpError
from udata.network.http import Client

if TYPE_CHECKING:
    from protego import Protego

# As much of it is read, at least: RFC 9309, 2.5.
MOST_BYTES = 500 * 1024
# No host makes a run wait longer between two requests, in seconds.
LONGEST_DELAY = 30.0


class Robots:
    """The rules of the origins of one host, each read once. What cannot be read forbids nothing."""

    def __init__(self, client: Client, agent: str, seconds: float) -> None:
        self._client = client
        self._agent = agent
        self._seconds = seconds
        self._rules: dict[URL, Protego | None] = {}
        self._lock = asyncio.Lock()

    async def allows(self, url: URL) -> bool:
        """Whether `url` may be asked."""
        rules = await self._of(url.origin())
        return rules is None or bool(rules.can_fetch(str(url), self._agent))

    async def delay(self, url: URL) -> float:
        """How many seconds the host wants to have between two requests."""
        rules = await self._of(url.origin())
        asked = None if rules is None else rules.crawl_delay(self._agent)
        return min(float(asked or 0), LONGEST_DELAY)

    async def _of(self, origin: URL) -> "Protego | None":
        # Several ask for addresses of the same host, and one reads the rules for all of them.
        async with self._lock:
            if origin not in self._rules:
                self._rules[origin] = await self._read(origin)
        return self._rules[origin]

    async def _read(self, origin: URL) -> "Protego | None":
        from protego import Protego

        try:
            answer = await self._client.get(
                str(origin.with_path("/robots.txt")), timeout=self._seconds, first_bytes=MOST_BYTES
            )
        except HttpError:
            return None
        return Protego.parse(answer.body.decode(errors="replace")) if answer.ok else None
