"""An event loop in a thread of its own, for what is asked from code that has none."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


class Background:
    """The loop of a thread called `name`, from `start` to `stop`.

    A signal that stops the caller finds it waiting, not within a callback of the loop, which would swallow what the
    signal raises.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What comes of `work`, done in the loop."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        # Whatever breaks the waiting off, Ctrl-C included: nobody wants the answer any more.
        except BaseException:
            future.cancel()
            raise

    async def cancel_all(self) -> None:
        """In the loop: end all that goes on there, but for who asks for it."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def stop(self) -> None:
        """End the loop and its thread."""
        # Called from here, `stop` itself would not wake the loop.
        self._loop.call_soon_threadsafe(self._loop.stop)
        # A loop that still runs cannot be closed.
        self._thread.join()
        self._loop.close()
