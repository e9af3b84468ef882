"""Deleting a user: the account is anonymised, for what somebody wrote must keep an author.

What refers to the user ends as the declarations say (`on_anonymised`): memberships, follows, tokens, what concerns
the user alone. The account itself is written last, so that whoever is interrupted finds it again and goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.database import Database

from udata.clock import now
from udata.errors import UdataError, UnknownName
from udata.network.mail import Outcome
from udata.progress import Progress, silent
from udata.search.outbox import changing
from udata.services.detaching import Target, on_anonymised, on_gone
from udata.services.named_files import named
from udata.services.purge.batch import Batch, Decision
from udata.services.purge.files import Files, Gone
from udata.services.purge.kinds import Left
from udata.services.purge.notes import Notes
from udata.services.purge.walk import Ground, Walk
from udata.services.users import listing as accounts
from udata.store import registry
from udata.store.connection import translated_errors
from udata.store.scan import Unreadable, chunks, documents, key
from udata.store.shapes import Reference, shape

Stored = dict[str, Any]

DELETED = "DELETED"
# What is emptied of an account, and what is left out of it.
EMPTIED: Mapping[str, Any] = {"extras": {}, "roles": []}
LEFT_OUT = (
    "password", "avatar", "avatar_url", "website", "about", "tf_primary_method", "tf_totp_secret",
    "last_login_at", "current_login_at", "last_login_ip", "current_login_ip",
)  # fmt: skip
LOOKS = 100


@dataclass
class Deletion:
    """What became of an account, or would: `removed` and `changed` count documents by collection, `detached`
    references by collection and path; `comments` are the messages whose text went, `discussions` those that went.
    `mail` says what became of the mail to the user, if one was to go out.
    """

    id: str
    email: str | None
    name: str
    dry_run: bool = False
    again: bool = False
    removed: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    detached: dict[str, int] = field(default_factory=dict)
    comments: int = 0
    discussions: int = 0
    files: Gone = field(default_factory=Gone)
    mail: Outcome | None = None
    left: list[Left] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something could not be done."""
        told = self.mail is None or self.mail.state in ("sent", "withheld")
        return not told or any(one.bad for one in self.left)


def find(database: Database[Stored], who: str) -> Stored:
    """The whole account that `who` means: its e-mail in any case, its id, its slug, or its e-mail as it is stored.

    Raises UnknownName with the nearest e-mails, UsageError if several are meant, ServerError.
    """
    users = accounts.users(database)
    wanted = accounts.text("user", who).strip()
    with translated_errors():
        # As it is stored comes first, so that an e-mail in an odd spelling can be meant, too.
        found = users.find_one({"email": who}) or users.find_one({"slug": wanted})
        if found is None and ObjectId.is_valid(wanted):
            found = users.find_one({"_id": ObjectId(wanted)})
        if found is None:
            found = users.find_one({"_id": accounts.find(users, wanted)["_id"]})
    if found is None:
        raise UnknownName("user", who)
    return found


def delete(
    database: Database[Stored],
    settings: Mapping[str, Any],
    user: Stored,
    *,
    comments: bool = False,
    dry_run: bool = False,
    tell: Callable[[str, str, Any], None] = lambda what, collection, id: None,
    progress: Progress = silent,
) -> Deletion:
    """Anonymise an account, given whole, or say what would become of it.

    With `comments` the texts of the user's messages go as well, and the discussions in which nobody else spoke. An
    account that is deleted already loses what it has still. `tell` is told of each document whether it is "removed" or
    "changed", its collection and its id.
    Raises UdataError if something refers to the user that cannot be written; ServerError.
    """
    names = " ".join(str(user[name]) for name in ("first_name", "last_name") if user.get(name))
    email = user.get("email")
    result = Deletion(str(user["_id"]), email if isinstance(email, str) else None, names, dry_run)
    result.again = user.get("deleted") is not None
    with translated_errors():
        run = _Deletion(database, settings, user, result, progress)
        run.tell = tell
        run.all(comments)
    return result


class _Deletion:
    def __init__(
        self,
        database: Database[Stored],
        settings: Mapping[str, Any],
        user: Stored,
        result: Deletion,
        progress: Progress,
    ) -> None:
        self.database = database
        self.settings = settings
        self.user = user
        self.result = result
        self.progress = progress
        self.tell: Callable[[str, str, Any], None] = lambda what, collection, id: None
        self.files = Files(settings, result.left.append)
        self.notes = Notes(database)

    def all(self, comments: bool) -> None:
        """End what refers to the user, then the account."""
        id = self.user["_id"]
        spoken = list(self._discussions()) if comments else []
        alone = [one["_id"] for one in spoken if all(_is_by(message, id) for message in one["discussion"])]
        batch = self._batch(alone)
        decision = batch.look()
        self._count(batch, decision, spoken, alone)
        if self.result.dry_run:
            self.result.files = self.files.measure(named("user", self.user))
            return
        if not self.result.again:
            # Nobody signs in meanwhile.
            self.database["user"].update_one({"_id": id}, {"$set": {"active": False, "fs_uniquifier": uuid4().hex}})
        noted = self.notes.write(batch, decision)
        batch.apply(decision)
        self.result.left += batch.left
        self.notes.settle(noted, self.files)
        # The account keeps its name and e-mail until all else is done: so it is found again.
        if batch.left:
            raise UdataError(
                f"the account is not active any more, but {batch.left[0].collection} {batch.left[0].id} "
                f"{batch.left[0].reason}",
                "mend it, and delete the user again",
            )
        self._silence([one["_id"] for one in spoken if one["_id"] not in alone])
        self.result.files = self.files.remove(named("user", self.user))
        self.notes.work_off(self.settings, self.files, lambda collection, written: None)
        self._anonymise()

    def _batch(self, alone: list[Any]) -> Batch:
        """Everything that refers to the user, and to the discussions that go."""
        ground = Ground(self.database, {name: shape(cls) for name, cls in registry.by_collection().items()})
        ends: Target = ("user", self.user["_id"])
        takes = [("discussion", id) for id in alone]

        def rule(reference: Reference, around: Stored, target: Target) -> str:
            end = on_anonymised if target == ends else on_gone
            return end(reference, around, target)

        # One batch without roots: the account stays, and only what refers to it is looked for.
        walk = Walk(ground, [[]], self.result.left.append, rule)
        for collection, id in (ends, *takes):
            walk.add(collection, id, (0,))
        walk.all(self.progress)
        touched = walk.touched[0]
        # The account itself is written at the very end.
        touched["user"] = [id for id in touched.get("user", []) if id != self.user["_id"]]
        return Batch(ground, [], touched, ends=[ends], takes=takes, rule=rule)

    def _discussions(self) -> Iterator[Stored]:
        """The discussions in which the user spoke."""
        found = documents(
            self.database["discussion"],
            {"discussion.posted_by": self.user["_id"]},
            ("discussion.posted_by", "discussion.content"),
        )
        for one in found:
            if not isinstance(one, Unreadable) and isinstance(one.get("discussion"), list):
                yield one

    def _silence(self, ids: list[Any]) -> None:
        """Take the text out of the user's messages."""
        # Messages that are silenced already are not written again.
        mine = {"message.posted_by": self.user["_id"], "message.content": {"$ne": DELETED}}
        change = {"$set": {"discussion.$[message].content": DELETED}}
        for some in chunks(ids, LOOKS):
            writes = [UpdateOne({"_id": id}, change, array_filters=[mine]) for id in some]
            with changing(self.database, self.settings, "discussion", some):
                self.database["discussion"].bulk_write(writes, ordered=False)

    def _anonymise(self) -> None:
        id = self.user["_id"]
        gone = {
            # The e-mail and the slug stay unique, as the indexes demand.
            "email": f"{id}@deleted",
            "slug": f"deleted-{id}",
            "first_name": DELETED,
            "last_name": DELETED,
            "active": False,
            # Done again, the first date stays.
            "deleted": self.user.get("deleted") or now(),
            "fs_uniquifier": uuid4().hex,
            **EMPTIED,
        }
        slug = self.user.get("slug")
        if slug and slug != gone["slug"]:
            # What the account was called before leads nowhere.
            self.database["slug_follow"].delete_many({"namespace": "User", "new_slug": slug})
        self.database["user"].update_one({"_id": id}, {"$set": gone, "$unset": dict.fromkeys(LEFT_OUT, "")})

    def _count(self, batch: Batch, decision: Decision, spoken: list[Stored], alone: list[Any]) -> None:
        result = self.result
        for collection, packed in decision.documents:
            if packed in batch.read[collection]:
                result.removed[collection] = result.removed.get(collection, 0) + 1
                self.tell("removed", collection, batch.read[collection][packed].document["_id"])
        for collection, fates in decision.changed.items():
            for packed in fates:
                self.tell("changed", collection, batch.read[collection][packed].document["_id"])
            if fates:
                result.changed[collection] = len(fates)
            for one in fates.values():
                for path, number in one.detached.items():
                    place = f"{collection}.{path}"
                    result.detached[place] = result.detached.get(place, 0) + number
        gone = {key(id) for id in alone}
        result.discussions = len(alone)
        for talk in spoken:
            if key(talk["_id"]) not in gone:
                mine = [message for message in talk["discussion"] if _is_by(message, self.user["_id"])]
                result.comments += sum(message.get("content") != DELETED for message in mine)


def _is_by(message: Any, user: Any) -> bool:
    return isinstance(message, dict) and message.get("posted_by") == user
