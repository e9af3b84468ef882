"""The client for what reads page after page, with no event loop of its own.

with Fetcher(settings) as fetcher:
    answer = fetcher.get("https://example.org/catalog.ttl")
"""

from collections.abc import Mapping
from typing import Any

from udata.network.answers import Answer
from udata.network.background import Background
from udata.network.http import Client


class Fetcher(Background):
    """A client whose requests are waited for; its connections are kept between them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__("fetcher")
        self._settings = settings

    def get(self, url: str, **options: Any) -> Answer:
        """The whole answer; `options` are those of `Client.get`. Raises HttpError."""
        return self.wait(self._client.get(url, **options))

    async def _begin(self) -> None:
        self._client = Client(self._settings)

    async def _end(self) -> None:
        await super()._end()
        await self._client.close()


def fetch(settings: Mapping[str, Any], url: str, **options: Any) -> Answer:
    """One whole answer; `options` are those of `Client.get`. Raises HttpError."""
    with Fetcher(settings) as fetcher:
        return fetcher.get(url, **options)
