"""Index and database are compared both ways, document by document; what differs is mended."""

from typing import Any

from bson import ObjectId

from tests import factories
from tests.search.indexed import assert_equal, held
from udata.search.comparing import Difference, differences, verify
from udata.search.documents.kinds import kinds
from udata.search.engines.base import Action
from udata.search.indexing import index
from udata.search.selection import Selection
from udata.search.session import Session, version


def test_each_difference_is_found_and_mended(session: Session) -> None:
    kind = kinds()["dataset"]
    same, missing, different = (factories.dataset() for _ in range(3))
    index(session, [kind], Selection())
    alias, superfluous = session.alias("dataset"), str(ObjectId())
    now = version(session.clock())
    session.engine.bulk(alias, [Action(str(missing.id), now)], alias=True)
    session.engine.bulk(alias, [Action(superfluous, now, {"id": superfluous, "title": "Parti"})], alias=True)
    session.database["dataset"].update_one({"_id": different.id}, {"$set": {"metrics.followers": 12}})
    found = verify(session, kind)
    assert (found.checked, found.missing, found.superfluous, found.different, found.wrong) == (3, 1, 1, 1, 3)
    assert {(one.id, one.kind) for one in found.examples} == {
        (str(missing.id), "missing"), (superfluous, "superfluous"), (str(different.id), "different"),
    }  # fmt: skip
    mended = verify(session, kind, repair=True)
    assert (mended.mended, mended.wrong) == (3, 0)
    assert_equal(session)
    assert str(same.id) in held(session, "dataset")


def test_ids_of_any_type_are_compared(session: Session) -> None:
    kind = kinds()["post"]
    rows: list[dict[str, Any]] = [
        {"_id": id, "name": "Article", "published": session.clock()} for id in ("zz", "00", 7)
    ]
    session.database["post"].insert_many(rows)
    factories.post(published=session.clock())
    index(session, [kind], Selection())
    assert len(held(session, "post")) == 4
    assert verify(session, kind).wrong == 0


def test_streams_are_compared_both_ways() -> None:
    class Side:
        def __init__(self, id: str, digest: bytes = b"") -> None:
            self.id, self.digest, self.version = id, digest, 1

    ours: Any = [Side("a"), Side("b", b"1"), Side("d"), Side("e")]
    theirs: Any = [Side("b", b"2"), Side("c"), Side("d"), Side("f")]
    assert list(differences(ours, theirs)) == [
        Difference("a", "missing"), Difference("b", "different"), Difference("c", "superfluous"),
        Difference("e", "missing"), Difference("f", "superfluous"),
    ]  # fmt: skip
