"""Which indices there are and which the portal searches; going back, and cleaning up."""

import pytest

from tests import factories
from tests.search.indexed import assert_equal, document
from tests.search.meant import datasets, every, in_use
from udata.errors import UdataError, UnknownName
from udata.search import aliases, outbox, records
from udata.search.documents.kinds import kinds
from udata.search.engines.base import NoSuchIndex
from udata.search.indexing import index
from udata.search.rebuilding import Options, rebuild
from udata.search.selection import Selection
from udata.search.session import Session

ALL = Selection()


def test_only_what_is_not_there_is_created(session: Session) -> None:
    assert aliases.initialise(session, every()) == []


def test_an_alias_that_is_set_names_an_index_that_is_up_to_date(session: Session) -> None:
    dataset = factories.dataset()
    (built,) = rebuild(session, datasets(), ALL, Options())
    session.database["dataset"].update_one({"_id": dataset.id}, {"$set": {"title": "Depuis"}})
    aliases.set_alias(session, built.suffix, every(), all_kinds=True)
    assert in_use(session) == built.name
    assert document(session, "dataset", dataset.id)["title"] == "Depuis"
    assert_equal(session)


def test_a_suffix_that_no_index_has_is_refused_with_the_nearest(session: Session) -> None:
    (built,) = rebuild(session, datasets(), ALL, Options())
    with pytest.raises(UnknownName, match=built.suffix):
        aliases.set_alias(session, built.suffix[:-1] + "x", every(), all_kinds=True)
    with pytest.raises(NoSuchIndex):
        aliases.set_alias(session, built.suffix, [kinds()["reuse"]], all_kinds=False)


def test_the_index_before_is_searched_again_and_brought_up_to_date(session: Session) -> None:
    dataset = factories.dataset()
    before = in_use(session)
    (built,) = rebuild(session, datasets(), ALL, Options(swap=True))
    session.database["dataset"].update_one({"_id": dataset.id}, {"$set": {"title": "Depuis"}})
    aliases.rollback(session, datasets())
    assert in_use(session) == before
    assert document(session, "dataset", dataset.id)["title"] == "Depuis"
    aliases.rollback(session, datasets())
    assert in_use(session) == built.name


def test_where_there_is_none_before_nothing_changes(session: Session) -> None:
    before = in_use(session)
    with pytest.raises(UdataError, match="no index of dataset before"):
        aliases.rollback(session, datasets())
    assert in_use(session) == before


def test_what_no_alias_names_is_removed_and_nothing_else(session: Session) -> None:
    (built,) = rebuild(session, datasets(), ALL, Options())
    stranger = f"{session.alias('dataset')}-of-another-program"
    session.engine.create_index(stranger, session.alias("dataset"), session.definitions("dataset"))
    used = in_use(session)
    found = aliases.unnamed(session, every())
    assert [one.name for one in found] == [built.name]
    aliases.clean(session, found)
    assert {one.name for one in session.engine.indices(session.alias("dataset"))} == {used, stranger}
    assert records.record(session.database, "dataset") is None


def test_an_index_that_an_alias_names_by_now_is_not_removed(session: Session) -> None:
    (built,) = rebuild(session, datasets(), ALL, Options())
    found = aliases.unnamed(session, datasets())
    aliases.set_alias(session, built.suffix, datasets(), all_kinds=False)
    assert built.name not in [one.name for one in aliases.clean(session, found)]
    assert in_use(session) == built.name


def test_status_says_what_is_in_use_and_how_far_behind(session: Session) -> None:
    datasets_ = [factories.dataset() for _ in range(2)]
    index(session, every(), ALL)
    outbox.changed(session.database, session.settings, "dataset", [one.id for one in datasets_])
    session.engine.refresh(in_use(session))
    overview = aliases.status(session, every())
    (found,) = [one for one in overview.models if one.model == "dataset"]
    assert (found.in_use, found.documents, found.visible, found.others) == (in_use(session), 2, 2, [])
    assert (overview.waiting, overview.automatic) == (2, True)
    assert overview.oldest is not None
    assert overview.health == "green" or overview.server.name != "tantivy"
