"""Indexing into what is in use: all, or what is selected; what is hidden leaves it."""

from datetime import datetime
from typing import Any

import pytest

from tests import factories
from tests.search.indexed import assert_equal, document, held
from udata.errors import UnknownName, UsageError
from udata.search.documents.kinds import kinds
from udata.search.engines.base import NoSuchIndex
from udata.search.indexing import Tally, index
from udata.search.selection import Selection, select
from udata.search.session import Listener, Session, opened
from udata.settings import Settings

ALL = Selection()


def every() -> list[Any]:
    return list(kinds().values())


def test_everything_of_a_portal_is_indexed(session: Session, load_reference: Any) -> None:
    load_reference("clean")
    tallies = index(session, every(), ALL)
    assert sum(tally.indexed for tally in tallies.values()) == 309
    assert sum(tally.failed for tally in tallies.values()) == 0
    assert_equal(session)


def test_a_second_run_changes_nothing_and_says_the_same(session: Session, load_reference: Any) -> None:
    load_reference("clean")
    first = index(session, every(), ALL)
    assert index(session, every(), ALL) == first
    assert_equal(session)


def test_what_is_hidden_or_gone_leaves_the_index(session: Session) -> None:
    datasets = [factories.dataset() for _ in range(3)]
    index(session, every(), ALL)
    assert len(held(session, "dataset")) == 3
    session.database["dataset"].update_one({"_id": datasets[0].id}, {"$set": {"private": True}})
    session.database["dataset"].delete_one({"_id": datasets[1].id})
    tallies = index(session, [kinds()["dataset"]], ALL)
    assert tallies["dataset"] == Tally(indexed=1, removed=2)
    assert list(held(session, "dataset")) == [str(datasets[2].id)]


def test_a_document_that_fails_is_named_and_stops_no_other(session: Session) -> None:
    rows = [factories.dataset() for _ in range(3)]
    session.database["dataset"].update_one({"_id": rows[1].id}, {"$set": {"title": "\x00" + "x" * 40_000}})
    failures: list[tuple[str, str, str]] = []
    tallies = index(session, [kinds()["dataset"]], ALL, Listener(failed=lambda *one: failures.append(one)))
    assert tallies["dataset"].indexed + len(failures) == 3
    assert tallies["dataset"].failed == len(failures)


def test_ids_are_indexed_as_they_are_now(session: Session) -> None:
    shown, hidden, other = (factories.dataset() for _ in range(3))
    index(session, every(), ALL)
    session.database["dataset"].update_one({"_id": hidden.id}, {"$set": {"archived": datetime(2026, 1, 1)}})
    session.database["dataset"].update_many({}, {"$set": {"title": "Nouveau"}})
    chosen = select(session.database, every(), ids=[str(shown.id), str(hidden.id)])
    index(session, [kinds()["dataset"]], chosen)
    assert set(held(session, "dataset")) == {str(shown.id), str(other.id)}
    assert document(session, "dataset", shown.id)["title"] == "Nouveau"
    assert document(session, "dataset", other.id)["title"] != "Nouveau"


def test_an_organization_is_indexed_with_what_it_owns(session: Session) -> None:
    organization = factories.organization()
    mine, other = factories.dataset(organization=organization, owner=None), factories.dataset()
    chosen = select(session.database, every(), organization=organization.slug)
    tallies = index(session, every(), chosen)
    assert set(held(session, "dataset")) == {str(mine.id)}
    assert set(held(session, "organization")) == {str(organization.id)}
    assert "discussion" not in tallies
    assert str(other.id) not in held(session, "dataset")


def test_only_what_was_changed_since_is_indexed(session: Session) -> None:
    old, new, hidden = (factories.dataset() for _ in range(3))
    index(session, every(), ALL)
    rows = session.database["dataset"]
    rows.update_many({}, {"$set": {"title": "Nouveau", "last_modified_internal": datetime(2026, 1, 1)}})
    rows.update_one({"_id": new.id}, {"$set": {"last_modified_internal": datetime(2026, 2, 1)}})
    rows.update_one({"_id": hidden.id}, {"$set": {"last_modified_internal": datetime(2026, 2, 1), "private": True}})
    tallies = index(session, every(), Selection(since=datetime(2026, 2, 1)))
    assert tallies["dataset"] == Tally(indexed=1, removed=1)
    assert document(session, "dataset", new.id)["title"] == "Nouveau"
    assert document(session, "dataset", old.id)["title"] != "Nouveau"


def test_versions_are_the_moments_by_the_database(session: Session) -> None:
    one = factories.dataset()
    before = session.clock()
    index(session, [kinds()["dataset"]], ALL)
    after = session.clock()
    version = held(session, "dataset")[str(one.id)]
    assert before.timestamp() <= version / 1_000_000 - _offset() <= after.timestamp()


def _offset() -> float:
    return datetime(1970, 1, 1).timestamp() * -1


def test_without_an_index_nothing_is_written(portal: Settings, app: Any, database: Any) -> None:
    factories.dataset()
    with opened(database, portal) as bare, pytest.raises(NoSuchIndex):
        index(bare, [kinds()["dataset"]], ALL)


def test_a_selection_that_matches_nothing_is_refused(session: Session) -> None:
    factories.organization(slug="ministere")
    with pytest.raises(UnknownName, match="ministere"):
        select(session.database, every(), organization="ministre")
    with pytest.raises(UnknownName):
        select(session.database, every(), ids=["5f0000000000000000000000"])
    with pytest.raises(UsageError):
        select(session.database, every(), ids=["x"], organization="ministere")


def test_indices_and_aliases_bear_the_prefix(session: Session, portal: Settings) -> None:
    alias = f"{portal['ELASTICSEARCH_INDEX_BASENAME']}-dataset"
    (name,) = session.engine.aliases([alias])[alias]
    assert name.startswith(f"{alias}-2")
