"""What comes back: an answer as it comes in, or the whole of it, bounded."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from udata.network.failures import BadAnswer, BadStatus, TooLarge, translated
from udata.wording import size


@dataclass(frozen=True)
class Answer:
    """An answer: `url` is where it came from, after the `redirects`; `headers` ignore case.

    `truncated` says that there is more than `body`, because no more was asked for.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    redirects: tuple[str, ...] = ()
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the server says that this is what was asked for."""
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        """The type that the server gives it, as in `text/turtle`; empty if it gives none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def checked(self) -> "Answer":
        """This answer. Raises BadStatus if it is not `ok`."""
        if not self.ok:
            raise BadStatus(self.url, self.status)
        return self

    def json(self) -> Any:
        """What it says in JSON. Raises BadAnswer."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise BadAnswer(self.url, f"answers with what is no JSON: {reason}") from error


class Incoming:
    """An answer of which the head is there. `redirects` are the addresses that were asked before it."""

    def __init__(self, response: aiohttp.ClientResponse, redirects: list[str]) -> None:
        self._response = response
        self.url = str(response.url)
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.redirects = tuple(redirects)

    async def chunks(self, max_bytes: int) -> AsyncIterator[bytes]:
        """The body, decompressed, in pieces of any size. Raises TooLarge after `max_bytes`, and HttpError."""
        self._refuse_announced(max_bytes)
        total = 0
        with translated(self.url):
            # What is decompressed at once is bounded, and no more is read from the server until it was taken.
            async for chunk in self._response.content.iter_any():
                total += len(chunk)
                if total > max_bytes:
                    raise TooLarge(self.url, f"answers with more than {size(max_bytes)}")
                yield chunk

    async def read(self, max_bytes: int, first_bytes: int | None = None) -> Answer:
        """The whole answer, or its first bytes. Raises TooLarge, and HttpError."""
        body = bytearray()
        truncated = False
        if first_bytes is None:
            async for chunk in self.chunks(max_bytes):
                body += chunk
        else:
            # One byte more shows that there is more.
            truncated = await self._first(body, first_bytes + 1)
            del body[first_bytes:]
        return Answer(self.url, self.status, self.headers, bytes(body), self.redirects, truncated)

    async def _first(self, body: bytearray, wanted: int) -> bool:
        """Fill `body` up to `wanted` bytes; returns whether they are there."""
        with translated(self.url):
            while len(body) < wanted:
                chunk = await self._response.content.read(wanted - len(body))
                if not chunk:
                    return False
                body += chunk
        return True

    def _refuse_announced(self, max_bytes: int) -> None:
        """Refuse at once what says itself that it is too large."""
        announced = self.headers.get("Content-Length", "")
        # The answer to a HEAD names the length of a body that does not come.
        if announced.isdecimal() and int(announced) > max_bytes and self._response.method != "HEAD":
            raise TooLarge(self.url, f"answers with {size(int(announced))}, more than {size(max_bytes)}")
