"""A portal in use, as a process of its own: `python living_portal.py ADDRESS OWNER` changes documents.

Fifty times a second one of the things happens that happen on a portal, each in the order in which it is seen
halfway: what is removed goes before what names it, what moves is at its new place before it has left the old one.
At the end of its input it ends, and says how many steps it took.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import cycle
from typing import Any

from bson import DBRef, ObjectId
from pymongo import MongoClient
from pymongo.database import Database

EVERY = 0.02
NOW = datetime(2026, 1, 5)

Db = Database[dict[str, Any]]


def dataset(owner: ObjectId, **fields: Any) -> dict[str, Any]:
    """A valid dataset."""
    id = ObjectId()
    whole = {"_id": id, "title": "Trees", "slug": f"trees-{id}", "owner": owner, "contact_points": [], "resources": []}
    return {**whole, **fields}


def reuse(owner: ObjectId, *datasets: ObjectId) -> dict[str, Any]:
    """A valid reuse of `datasets`."""
    id = ObjectId()
    whole = {"_id": id, "title": "App", "slug": f"app-{id}", "description": "It finds trees.", "type": "api"}
    address = {"topic": "health", "url": f"https://example.org/{id}", "urlhash": str(id)}
    return {**whole, **address, "owner": owner, "datasets": list(datasets), "dataservices": []}


def user(**fields: Any) -> dict[str, Any]:
    """A valid user."""
    id = ObjectId()
    whole = {"_id": id, "first_name": "Ada", "last_name": "Lovelace", "email": f"{id}@example.org", "roles": []}
    return {**whole, "slug": f"ada-{id}", "fs_uniquifier": str(id), **fields}


def organization(*members: ObjectId) -> dict[str, Any]:
    """A valid organization."""
    id = ObjectId()
    people = [{"user": member, "role": "admin", "since": NOW} for member in members]
    return {"_id": id, "name": "Town", "slug": f"town-{id}", "description": "A town.", "members": people}


def found(database: Db, many: int) -> ObjectId:
    """Fill the database with a portal in which nothing is wrong; returns the one who owns it."""
    owner = user()
    database.user.insert_one(owner)
    database.user.insert_many(user() for _ in range(many // 4))
    datasets = [dataset(owner["_id"]) for _ in range(many)]
    database.dataset.insert_many(datasets)
    database.reuse.insert_many(reuse(owner["_id"], some["_id"]) for some in datasets[: many // 2])
    database.organization.insert_many(organization(owner["_id"]) for _ in range(many // 4))
    return ObjectId(owner["_id"])


def a_reused_dataset_is_purged(database: Db, owner: ObjectId) -> Iterator[None]:
    """A dataset comes with a reuse, goes, and is taken out of the reuse."""
    removed = dataset(owner)
    database.dataset.insert_one(removed)
    user_of = reuse(owner, removed["_id"])
    database.reuse.insert_one(user_of)
    yield
    database.dataset.delete_one({"_id": removed["_id"]})
    database.reuse.update_one({"_id": user_of["_id"]}, {"$set": {"datasets": []}})
    yield
    database.reuse.delete_one({"_id": user_of["_id"]})


def what_hangs_on_a_dataset_goes_after_it(database: Db, owner: ObjectId) -> Iterator[None]:
    """A dataset is followed and part of a topic; it goes, the follow goes, the topic's element is emptied."""
    removed = dataset(owner)
    pointer = {"_cls": "Dataset", "_ref": DBRef("dataset", removed["_id"])}
    topic = {"_id": ObjectId(), "name": "Theme", "slug": f"theme-{removed['_id']}"}
    element = {"_id": ObjectId(), "topic": topic["_id"], "title": "Trees", "element": pointer}
    database.dataset.insert_one(removed)
    database.follow.insert_one({"_id": removed["_id"], "follower": owner, "following": pointer, "since": NOW})
    database.topic.insert_one(topic)
    database.topic_element.insert_one(element)
    yield
    database.dataset.delete_one({"_id": removed["_id"]})
    database.follow.delete_one({"_id": removed["_id"]})
    database.topic_element.update_one({"_id": element["_id"]}, {"$unset": {"element": 1}})
    yield
    database.topic.delete_one({"_id": topic["_id"]})
    database.topic_element.delete_one({"_id": element["_id"]})


def a_resource_moves(database: Db, owner: ObjectId) -> Iterator[None]:
    """A resource goes from one dataset to another."""
    resource = {"_id": str(ObjectId()), "title": "File", "url": "https://example.org/file"}
    old, new = dataset(owner, resources=[resource]), dataset(owner)
    database.dataset.insert_many([old, new])
    yield
    database.dataset.update_one({"_id": new["_id"]}, {"$push": {"resources": resource}})
    database.dataset.update_one({"_id": old["_id"]}, {"$set": {"resources": []}})
    yield
    database.dataset.delete_many({"_id": {"$in": [old["_id"], new["_id"]]}})


def a_slug_and_an_email_are_taken_over(database: Db, owner: ObjectId) -> Iterator[None]:
    """Two users change roles: the second has what the first had."""
    first, second = user(), user()
    database.user.insert_many([first, second])
    yield
    for field in ("slug", "email"):
        database.user.update_one({"_id": second["_id"]}, {"$set": {field: first[field]}})
        database.user.update_one({"_id": first["_id"]}, {"$set": {field: f"old-{first[field]}"}})
    yield
    database.user.delete_many({"_id": {"$in": [first["_id"], second["_id"]]}})


def an_account_is_deleted(database: Db, owner: ObjectId) -> Iterator[None]:
    """A member of an organization is deleted and leaves it."""
    leaver = user()
    database.user.insert_one(leaver)
    town = organization(owner, leaver["_id"])
    database.organization.insert_one(town)
    yield
    database.user.update_one({"_id": leaver["_id"]}, {"$set": {"deleted": NOW, "email": f"{leaver['_id']}@deleted"}})
    database.organization.update_one({"_id": town["_id"]}, {"$pull": {"members": {"user": leaver["_id"]}}})
    yield
    database.organization.delete_one({"_id": town["_id"]})
    database.user.delete_one({"_id": leaver["_id"]})


STORIES: tuple[Callable[[Db, ObjectId], Iterator[None]], ...] = (
    a_reused_dataset_is_purged,
    what_hangs_on_a_dataset_goes_after_it,
    a_resource_moves,
    a_slug_and_an_email_are_taken_over,
    an_account_is_deleted,
)


def use(database: Db, owner: ObjectId, stop: threading.Event) -> int:
    """Let one thing after the other happen, a step every fiftieth of a second; returns how many steps there were."""
    steps = 0
    due = time.monotonic()
    for story in cycle(STORIES):
        for _ in story(database, owner):
            steps += 1
            due += EVERY
            if stop.is_set():
                continue
            time.sleep(max(0.0, due - time.monotonic()))
        if stop.is_set():
            return steps
    return steps


def main(address: str, owner: str) -> None:
    """Use the portal at `address`, whose owner has the id `owner`, until the input ends."""
    stop = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=listen, daemon=True).start()
    with MongoClient[dict[str, Any]](address) as client:
        sys.stdout.write("uses\n")
        sys.stdout.flush()
        sys.stdout.write(f"{use(client.get_default_database(), ObjectId(owner), stop)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
