"""Dead letters, put aside as a worker would."""

from typing import Any

from udata.runner.broker import dead_letters, options
from udata.runner.broker.dead_letters import Letter


def put_aside(
    client: Any, settings: Any, raw: bytes, remedy: str, task: str | None = None, *, queue: str = "default"
) -> Letter:
    """Put the message `raw` among the dead letters."""
    letter = dead_letters.letter(queue, raw, "it cannot be taken", remedy, task)
    dead_letters.keep(client, dead_letters.key(settings), letter, raw, options.bounds(settings))
    return letter
