"""Indices are built anew beside those in use; what changes meanwhile is neither missing nor stale in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId

from tests import factories
from tests.search.indexed import assert_equal, document, held
from tests.search.meant import datasets, every, in_use
from udata.errors import UdataError, UsageError
from udata.search import outbox, rebuilding, records
from udata.search.aliases import unnamed
from udata.search.documents.kinds import kinds
from udata.search.draining import drain
from udata.search.indexing import index
from udata.search.rebuilding import Options, rebuild
from udata.search.selection import Selection
from udata.search.session import Listener, Session

ALL = Selection()
SWAP = Options(swap=True)


class During(Listener):
    """A listener that does something once, when the first documents have been written."""

    def __new__(cls, action: Any) -> "During":
        done: list[bool] = []

        def progress(*_: object) -> None:
            if not done:
                done.append(True)
                action()

        return super().__new__(cls, progress=progress)


def test_a_new_index_is_built_and_the_alias_left_alone(session: Session, load_reference: Any) -> None:
    load_reference("clean")
    index(session, every(), ALL)
    before = in_use(session)
    built = rebuild(session, every(), ALL, Options())
    assert sum(one.documents for one in built) == 309
    assert not any(one.live for one in built)
    assert in_use(session) == before
    assert len({one.suffix for one in built}) == 1
    assert {one.name for one in unnamed(session, every())} == {one.name for one in built}


def test_with_a_swap_all_aliases_move(session: Session, load_reference: Any) -> None:
    load_reference("clean")
    before = in_use(session)
    built = rebuild(session, every(), ALL, SWAP)
    assert all(one.live for one in built)
    assert in_use(session) == built[0].name != before
    assert_equal(session)
    record = records.record(session.database, "dataset") or {}
    assert (record["state"], record["previous"], record["documents"]) == ("live", before, 180)


def test_two_rebuilds_in_a_minute_have_two_names(session: Session) -> None:
    factories.dataset()
    first, second = (rebuild(session, datasets(), ALL, Options())[0] for _ in range(2))
    assert first.name < second.name


def test_what_changes_meanwhile_is_in_the_new_index(session: Session) -> None:
    rows, portal = session.database["dataset"], session.settings
    noted, dated, hidden, gone, untouched = (factories.dataset() for _ in range(5))
    index(session, datasets(), ALL)
    added = ObjectId()

    def change() -> None:
        with outbox.changing(session.database, portal, "dataset", [noted.id]):
            rows.update_one({"_id": noted.id}, {"$set": {"title": "Noté"}})
        drain(session)
        rows.update_one({"_id": dated.id}, {"$set": {"title": "Daté", "last_modified_internal": session.clock()}})
        rows.update_one({"_id": hidden.id}, {"$set": {"private": True}})
        rows.delete_one({"_id": gone.id})
        rows.insert_one({"_id": added, "title": "Neuf"})

    rebuild(session, datasets(), ALL, SWAP, During(change))
    assert set(held(session, "dataset")) == {str(one) for one in (noted.id, dated.id, untouched.id, added)}
    assert document(session, "dataset", noted.id)["title"] == "Noté"
    assert document(session, "dataset", dated.id)["title"] == "Daté"
    assert_equal(session)
    assert outbox.backlog(session.database).changes == 0


def test_what_is_indexed_just_before_the_alias_moves_is_in_the_new_index(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = factories.dataset()
    index(session, datasets(), ALL)
    move = rebuilding.move

    def late(session: Session, wanted: Sequence[Any]) -> Any:
        session.database["dataset"].update_one({"_id": dataset.id}, {"$set": {"title": "Tard"}})
        outbox.changed(session.database, session.settings, "dataset", [dataset.id])
        drain(session)
        return move(session, wanted)

    monkeypatch.setattr(rebuilding, "move", late)
    rebuild(session, datasets(), ALL, SWAP)
    assert document(session, "dataset", dataset.id)["title"] == "Tard"


def test_the_alias_stays_where_documents_failed_unless_told(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = factories.dataset(), factories.dataset()
    kind = kinds()["dataset"]

    def build(row: Any, context: Any) -> Any:
        if row["_id"] == bad.id:
            raise ValueError("odd")
        return kind.build(row, context)

    odd = [kind._replace(build=build)]
    before, failures = in_use(session), list[Any]()
    listener = Listener(failed=lambda *one: failures.append(one))
    (built,) = rebuild(session, odd, ALL, SWAP, listener)
    assert (built.live, built.tally.failed > 0, in_use(session)) == (False, True, before)
    assert ("dataset", str(bad.id), "ValueError: odd") in failures
    (built,) = rebuild(session, odd, ALL, Options(swap=True, force=True))
    assert built.live
    assert list(held(session, "dataset")) == [str(good.id)]


def test_an_interruption_leaves_no_half_built_index(session: Session) -> None:
    factories.dataset()
    before = in_use(session)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(session, datasets(), ALL, SWAP, During(interrupt))
    assert in_use(session) == before
    assert unnamed(session, every()) == []
    assert records.record(session.database, "dataset") is None


def test_the_next_run_removes_what_a_killed_one_left(session: Session) -> None:
    factories.dataset()
    name = f"{session.alias('dataset')}-2026-01-01-00-00"
    records.claim(session.database, "dataset", name, 60, partial=False)
    session.engine.create_index(name, session.alias("dataset"), session.definitions("dataset"))
    assert unnamed(session, datasets()) == []
    with pytest.raises(records.RebuildRunsError):
        rebuild(session, datasets(), ALL, SWAP)
    session.database["search_rebuild"].update_many({}, {"$set": {"lease_until": datetime(2026, 1, 1)}})
    assert [one.name for one in unnamed(session, datasets())] == [name]
    rebuild(session, datasets(), ALL, SWAP)
    assert name not in {one.name for one in session.engine.indices(session.alias("dataset"))}
    assert_equal(session)


def test_a_run_that_was_taken_for_dead_moves_no_alias(session: Session) -> None:
    factories.dataset()
    before = in_use(session)

    def take_over() -> None:
        session.database["search_rebuild"].update_many({}, {"$set": {"lease_until": datetime(2026, 1, 1)}})
        records.claim(session.database, "dataset", "another", 60, partial=False)

    with pytest.raises(records.TakenOverError):
        rebuild(session, datasets(), ALL, SWAP, During(take_over))
    assert in_use(session) == before
    assert (records.record(session.database, "dataset") or {})["index"] == "another"


@pytest.mark.parametrize(
    ("selection", "options"),
    [
        (Selection(ids=("x",)), Options()),
        (Selection(organization="x"), Options()),
        (Selection(since=datetime(2026, 1, 1)), SWAP),
    ],
)
def test_an_index_that_would_not_be_complete_never_goes_live(
    session: Session, selection: Selection, options: Options
) -> None:
    with pytest.raises(UsageError):
        rebuild(session, datasets(), selection, options)


def test_what_was_changed_since_can_be_built_apart(session: Session) -> None:
    old, new = factories.dataset(), factories.dataset()
    rows = session.database["dataset"]
    rows.update_one({"_id": old.id}, {"$set": {"last_modified_internal": datetime(2025, 1, 1)}})
    rows.update_one({"_id": new.id}, {"$set": {"last_modified_internal": datetime(2026, 1, 1)}})
    (built,) = rebuild(session, datasets(), Selection(since=datetime(2026, 1, 1)), Options())
    assert [one.id for one in session.engine.stored(built.name)] == [str(new.id)]


def test_an_engine_that_loses_documents_is_found_out(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = factories.dataset()

    class Losing:
        def __getattr__(self, name: str) -> Any:
            return getattr(session.engine, name)

        def stored(self, target: str) -> Any:
            return (one for one in session.engine.stored(target) if one.id != str(lost.id))

        def get(self, target: str, ids: Any) -> Any:
            return {id: one for id, one in session.engine.get(target, ids).items() if id != str(lost.id)}

    before = in_use(session)
    with pytest.raises(UdataError, match=str(lost.id)):
        rebuild(session._replace(engine=Losing()), datasets(), ALL, SWAP)  # type: ignore[arg-type]
    assert in_use(session) == before
