"""What was noted as changed is indexed, with what hangs on it."""

from typing import Any

import pytest

from tests import factories
from tests.search.indexed import assert_equal, document, held
from udata.search import draining, outbox
from udata.search.aliases import initialise
from udata.search.documents.kinds import kinds
from udata.search.draining import drain, is_due
from udata.search.indexing import Tally, index
from udata.search.selection import Selection
from udata.search.session import Session, opened


def every() -> list[Any]:
    return list(kinds().values())


def test_what_was_changed_hidden_or_removed_is_so_in_the_index(session: Session) -> None:
    changed, hidden, gone = (factories.dataset() for _ in range(3))
    index(session, every(), Selection())
    rows, ids = session.database["dataset"], [changed.id, hidden.id, gone.id]
    with outbox.changing(session.database, session.settings, "dataset", ids):
        rows.update_one({"_id": changed.id}, {"$set": {"title": "Nouveau"}})
        rows.update_one({"_id": hidden.id}, {"$set": {"private": True}})
        rows.delete_one({"_id": gone.id})
    assert drain(session) == {"dataset": Tally(indexed=1, removed=2)}
    assert set(held(session, "dataset")) == {str(changed.id)}
    assert document(session, "dataset", changed.id)["title"] == "Nouveau"


def test_an_organization_takes_along_what_it_owns(session: Session) -> None:
    organization = factories.organization()
    dataset = factories.dataset(organization=organization, owner=None)
    index(session, every(), Selection())
    session.database["organization"].update_one({"_id": organization.id}, {"$set": {"name": "Renommée"}})
    outbox.changed(session.database, session.settings, "organization", [organization.id])
    drain(session)
    assert document(session, "dataset", dataset.id)["organization_name"] == "Renommée"
    assert_equal(session)


def test_a_topic_takes_along_what_it_gathers(session: Session) -> None:
    dataset, topic = factories.dataset(), factories.topic()
    index(session, every(), Selection())
    factories.topic_element(topic=topic, element=dataset)
    outbox.changed(session.database, session.settings, "topic", [topic.id])
    drain(session)
    assert document(session, "dataset", dataset.id)["topics"] == [str(topic.id)]
    assert_equal(session)


def test_many_changes_cost_few_commands(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udata.search.indexing.MANY", 5)
    monkeypatch.setattr("udata.search.draining.MANY", 5)
    ids = [factories.dataset().id for _ in range(12)]
    outbox.changed(session.database, session.settings, "dataset", ids)
    assert drain(session)["dataset"].indexed == 12
    assert_equal(session)


def test_one_at_a_time_is_told_to_see_to_it(session: Session) -> None:
    database, settings = session.database, session.settings
    assert not is_due(database, settings)
    outbox.changed(database, settings, "dataset", [factories.dataset().id])
    assert is_due(database, settings)
    assert not is_due(database, settings)
    draining.end_turn(database)
    assert is_due(database, settings)
    database["lease"].update_one({"_id": draining.TURN}, {"$set": {"until": factories.MOMENT}})
    assert is_due(database, settings)


def test_without_automatic_indexing_nothing_is_due(session: Session) -> None:
    outbox.changed(session.database, session.settings, "dataset", [factories.dataset().id])
    assert not is_due(session.database, {**session.settings, "AUTO_INDEX": False})


def test_a_model_without_an_index_holds_up_no_other(
    portal: Any, app: Any, database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    dataset, reuse = factories.dataset(), factories.reuse(datasets=[factories.dataset()])
    outbox.changed(database, portal, "reuse", [reuse.id])
    outbox.changed(database, portal, "dataset", [dataset.id])
    with opened(database, portal) as session:
        initialise(session, [kinds()["dataset"]])
        assert drain(session) == {"dataset": Tally(indexed=1)}
    assert "reuse" in caplog.text
    assert outbox.backlog(database).changes == 0
