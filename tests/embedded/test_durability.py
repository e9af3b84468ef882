"""What a server has acknowledged is there after it was killed in the middle of its work."""

import itertools
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo
import pytest
import redis
from pymongo.errors import PyMongoError

from tests.waiting import PATIENCE, wait_for
from udata.embedded import process, supervisor
from udata.embedded.supervisor import Endpoints

KILLS = 5


def writing_mongodb(endpoints: Endpoints, numbers: "itertools.count[int]", acknowledged: list[int]) -> None:
    """Insert documents until the server is gone."""
    with pymongo.MongoClient[Any](endpoints.mongodb, serverSelectionTimeoutMS=500, retryWrites=False) as client:
        for number in numbers:
            try:
                client["udata"]["kept"].insert_one({"_id": number})
            except PyMongoError:
                return
            acknowledged.append(number)


def writing_redis(endpoints: Endpoints, numbers: "itertools.count[int]", acknowledged: list[int]) -> None:
    """Append to a queue until the server is gone."""
    with redis.Redis.from_url(endpoints.redis) as client:
        for number in numbers:
            try:
                client.rpush("kept", number)
            except redis.ConnectionError:
                return
            acknowledged.append(number)


def held_by_mongodb(endpoints: Endpoints) -> set[int]:
    """The numbers that the database holds."""
    with pymongo.MongoClient[Any](endpoints.mongodb) as client:
        return {document["_id"] for document in client["udata"]["kept"].find({}, {"_id": 1})}


def held_by_redis(endpoints: Endpoints) -> set[int]:
    """The numbers that the queue holds."""
    with redis.Redis.from_url(endpoints.redis) as client:
        return {int(item) for item in client.lrange("kept", 0, -1)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "write", "held"),
    [("mongodb", writing_mongodb, held_by_mongodb), ("redis", writing_redis, held_by_redis)],
)
def test_acknowledged_writes_survive_a_kill(
    name: str, write: Callable[..., None], held: Callable[[Endpoints], set[int]], own_servers: Path
) -> None:
    numbers = itertools.count()
    acknowledged: list[int] = []
    for _ in range(KILLS):
        endpoints = supervisor.ensure(own_servers)
        [server] = [server for server in supervisor.status(own_servers) if server.name == name]
        writer = threading.Thread(target=write, args=(endpoints, numbers, acknowledged))
        before = len(acknowledged)
        writer.start()
        wait_for(lambda: len(acknowledged) > before)  # noqa: B023 - it is called before the next turn
        writer.join(random.uniform(0.2, 0.8))
        assert server.pid is not None
        process.kill(process.Process(server.pid, process.started(server.pid) or 0))
        writer.join(timeout=PATIENCE)
    assert set(acknowledged) - held(supervisor.ensure(own_servers)) == set()
