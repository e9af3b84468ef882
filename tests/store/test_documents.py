"""Models make new documents whole, and write over nothing that is stored."""

from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from tests import factories
from tests.models.same import Stored
from udata.models.reuse import Reuse
from udata.models.user import User
from udata.store.documents import DocumentError


def test_a_new_document_gets_its_defaults_and_empty_lists(app: Flask, database: Database[Stored]) -> None:
    Reuse(title="T", slug="t", description="d", type="api", url="http://x", urlhash="h", topic="health").save()
    stored = database.reuse.find_one()
    assert stored is not None
    assert stored["datasets"] == stored["dataservices"] == stored["tags"] == []
    assert stored["private"] is False


def test_what_was_read_is_not_written_whole_for_it_would_lose_what_models_do_not_know(
    app: Flask, database: Database[dict[str, Any]]
) -> None:
    id = factories.user().id
    database.user.update_one({"_id": id}, {"$set": {"later": 1, "roles": None}})
    before = database.user.find_one()
    loaded = User.objects.get(id=id)
    loaded.first_name = "Ada"
    with pytest.raises(DocumentError, match="is not saved whole"):
        loaded.save()
    assert database.user.find_one() == before
