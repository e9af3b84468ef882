"""Messages as other programs write them into a queue, made by hand."""

import base64
import json
import pickle
import uuid
from typing import Any

JSON = "application/json"
PICKLE = "application/x-python-serialize"


def envelope(
    task: str,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    *,
    queue: str = "default",
    message_id: str | None = None,
    headers: dict[str, Any] | None = None,
) -> bytes:
    """A message of Celery's second protocol, which has the task's name in its headers."""
    message_id = message_id or str(uuid.uuid4())
    body = json.dumps([list(args), kwargs or {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    named = {"lang": "py", "task": task, "id": message_id, "eta": None, "expires": None, "retries": 0,
             "timelimit": [None, None], "root_id": message_id, "origin": "gen1@portal"}  # fmt: skip
    return wrapped(body.encode(), {**named, **(headers or {})}, queue=queue)


def first_protocol(task: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> bytes:
    """A message of Celery's first protocol, which has everything in its body."""
    body = {"task": task, "id": str(uuid.uuid4()), "args": list(args), "kwargs": kwargs or {}, "retries": 0,
            "eta": None, "expires": None, "utc": True}  # fmt: skip
    return wrapped(json.dumps(body).encode(), {})


def pickled(task: str, witness: str) -> bytes:
    """A message with a pickled body that makes a file at `witness` when someone decodes it."""

    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
            return open, (witness, "w")

    headers = {"lang": "py", "task": task, "id": str(uuid.uuid4())}
    return wrapped(pickle.dumps([[Bomb()], {}, {}]), headers, content_type=PICKLE, encoding="binary")


def wrapped(
    body: bytes, headers: Any, *, queue: str = "default", content_type: Any = JSON, encoding: str = "utf-8"
) -> bytes:
    """An envelope as kombu writes it."""
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": encoding,
            "content-type": content_type,
            "headers": headers,
            "properties": {
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
            },
        }
    ).encode()
