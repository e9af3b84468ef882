"""The client for what reads page after page, with no event loop of its own.

with Fetcher(settings) as fetcher:
    answer = fetcher.get("https://example.org/catalog.ttl")
"""

import asyncio
from collections.abc import Coroutine, Mapping
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from udata.network.answers import Answer
from udata.network.http import Client

Result = TypeVar("Result")


class Fetcher:
    """A client whose requests are waited for; its connections are kept between them.

    The event loop runs in a thread of its own: a signal that stops the caller finds it waiting, not within a callback
    of the loop, which would swallow what the signal raises.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="fetcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            # Made within the loop, to which aiohttp ties what it makes.
            self._client = self._wait(self._made())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wait(self._end())
        finally:
            self._stop()

    def get(self, url: str, **options: Any) -> Answer:
        """The whole answer; `options` are those of `Client.get`. Raises HttpError."""
        return self._wait(self._client.get(url, **options))

    async def _made(self) -> Client:
        return Client(self._settings)

    async def _end(self) -> None:
        """Let nothing be left behind of a request that was broken off."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        # Whatever breaks the waiting off, Ctrl-C included: nobody wants the answer any more.
        except BaseException:
            future.cancel()
            raise

    def _stop(self) -> None:
        # Called from here, `stop` itself would not wake the loop.
        self._loop.call_soon_threadsafe(self._loop.stop)
        # A loop that still runs cannot be closed.
        self._thread.join()
        self._loop.close()


def fetch(settings: Mapping[str, Any], url: str, **options: Any) -> Answer:
    """One whole answer; `options` are those of `Client.get`. Raises HttpError."""
    with Fetcher(settings) as fetcher:
        return fetcher.get(url, **options)
