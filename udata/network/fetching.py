"""The client for what reads page after page, with no event loop of its own.

with Fetcher(settings) as fetcher:
    answer = fetcher.get("https://example.org/catalog.ttl")
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from udata.network.answers import Answer
from udata.network.background import Background
from udata.network.http import Client


class Fetcher:
    """A client whose requests are waited for; its connections are kept between them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._background = Background("fetcher")

    def __enter__(self) -> Self:
        self._background.start()
        try:
            # Made within the loop, to which aiohttp ties what it makes.
            self._client = self._background.wait(self._made())
        except BaseException:
            self._background.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._background.wait(self._end())
        finally:
            self._background.stop()

    def get(self, url: str, **options: Any) -> Answer:
        """The whole answer; `options` are those of `Client.get`. Raises HttpError."""
        return self._background.wait(self._client.get(url, **options))

    async def _made(self) -> Client:
        return Client(self._settings)

    async def _end(self) -> None:
        """Let nothing be left behind of a request that was broken off."""
        await self._background.cancel_all()
        await self._client.close()


def fetch(settings: Mapping[str, Any], url: str, **options: Any) -> Answer:
    """One whole answer; `options` are those of `Client.get`. Raises HttpError."""
    with Fetcher(settings) as fetcher:
        return fetcher.get(url, **options)
