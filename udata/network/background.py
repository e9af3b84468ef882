"""An event loop in a thread of its own, for what is asked from code that has none."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


class Background:
    """What has the loop of a thread called `name` while it is entered; `_begin` and `_end` are done in the loop.

    A signal that stops the caller finds it waiting, not within a callback of the loop, which would swallow what the
    signal raises.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.wait(self._begin())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.wait(self._end())
        finally:
            self._stop()

    async def _begin(self) -> None:
        """Make what is tied to a loop, as everything of aiohttp is."""

    async def _end(self) -> None:
        """Let nothing be left behind of what was broken off."""
        await self._cancel_all()

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What comes of `work`, done in the loop."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        # Whatever breaks the waiting off, Ctrl-C included: nobody wants the answer any more.
        except BaseException:
            future.cancel()
            raise

    async def _cancel_all(self) -> None:
        """End all that goes on in the loop, but for who asks for it."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _stop(self) -> None:
        # Called from here, `stop` itself would not wake the loop.
        self._loop.call_soon_threadsafe(self._loop.stop)
        # A loop that still runs cannot be closed.
        self._thread.join()
        self._loop.close()
