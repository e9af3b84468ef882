"""Views and downloads come from a real server of a tabular API; what is wrong with its answers changes nothing."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from bson import ObjectId
from flask import Flask
from pymongo.database import Database

from tests.conftest import Run
from tests.network.webserver import WebServer, web_server
from tests.ports import NOBODY
from udata.errors import ConfigurationError, UdataError
from udata.network.failures import HttpError
from udata.services.traffic import PAGE_SIZE, update

Stored = dict[str, Any]

D1, D2, REUSE, ORG, SERVICE = (ObjectId() for _ in range(5))


class Api:
    """The tables of the API, and what it answers instead where something is wrong with it."""

    def __init__(self) -> None:
        self.tables: dict[str, list[Any]] = {}
        self.instead: Callable[[web.BaseRequest, Any], Any] = lambda request, answer: answer
        self.server: WebServer

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """A page, as the tabular API gives it."""
        url = request.url
        column = next(name.removesuffix("__greater") for name in url.query if name.endswith("__greater"))
        table = self.tables.get(url.path.split("/")[2].removesuffix("_total"), [])
        rows = [row for row in table if not isinstance(row, dict) or row.get(column)]
        page, size = int(url.query.get("page", 1)), int(url.query["page_size"])
        following = url.update_query(page=page + 1) if page * size < len(rows) else None
        answer = {"data": rows[(page - 1) * size : page * size], "links": {"next": following and str(following)}}
        changed = self.instead(request, answer)
        return changed if isinstance(changed, web.Response) else web.json_response(changed)


@pytest.fixture
def api() -> Iterator[Api]:
    """A running API with some rows of each kind."""
    made = Api()
    made.tables = {
        "datasets": [
            {"__id": 1, "dataset_id": str(D1), "visit": 10, "download_resource": 3},
            {"__id": 2, "dataset_id": str(D2), "visit": None, "download_resource": 4},
            {"__id": 3, "dataset_id": str(ObjectId()), "visit": 9, "download_resource": None},
        ],
        "resources": [
            {"__id": 1, "resource_id": "r1", "dataset_id": str(D1), "download_resource": 5},
            {"__id": 2, "resource_id": "c1", "dataset_id": None, "download_resource": 6},
        ],
        "reuses": [{"__id": 1, "reuse_id": str(REUSE), "visit": 7}],
        "organizations": [{"__id": 1, "organization_id": str(ORG), "visit_dataset": 8}],
        "dataservices": [{"__id": 1, "dataservice_id": str(SERVICE), "visit": 9}],
    }
    with web_server(made.answer) as server:
        made.server = server
        yield made


@pytest.fixture
def portal(app: Flask, database: Database[Stored]) -> Database[Stored]:
    """Documents with counters, some of which are odd."""
    resources = [{"_id": "r0"}, {"_id": "r1", "metrics": {"other": 1}}]
    database.dataset.insert_many(
        [{"_id": D1, "metrics": {"views": 1, "followers": 2}, "resources": resources, "title": 7}, {"_id": D2}]
    )
    database.community_resource.insert_one({"_id": "c1", "metrics": {}})
    database.reuse.insert_one({"_id": REUSE, "metrics": {"views": 5}})
    database.organization.insert_one({"_id": ORG})
    database.dataservice.insert_one({"_id": SERVICE})
    return database


@pytest.fixture
def given(settings: Stored, api: Api) -> Stored:
    """Settings that name the API."""
    return {**settings, "METRICS_API": api.server.url("/api/")}


def everything(database: Database[Stored]) -> Stored:
    return {name: list(database[name].find().sort("_id")) for name in sorted(database.list_collection_names())}


def test_views_and_downloads_arrive_and_nothing_else_is_written(portal: Database[Stored], given: Stored) -> None:
    done = update(portal, given)
    assert portal.dataset.find_one({"_id": D1}) == {
        "_id": D1,
        "metrics": {"views": 10, "followers": 2, "resources_downloads": 3},
        "resources": [{"_id": "r0"}, {"_id": "r1", "metrics": {"other": 1, "views": 5}}],
        "title": 7,
    }
    # A number that the API does not know is not written.
    assert portal.dataset.find_one({"_id": D2}) == {"_id": D2, "metrics": {"resources_downloads": 4}}
    assert portal.community_resource.find_one() == {"_id": "c1", "metrics": {"views": 6}}
    assert portal.reuse.find_one() == {"_id": REUSE, "metrics": {"views": 7}}
    assert portal.organization.find_one() == {"_id": ORG, "metrics": {"views": 8}}
    assert portal.dataservice.find_one() == {"_id": SERVICE, "metrics": {"views": 9}}
    assert done["datasets"] == {"rows": 3, "odd": 0, "changed": 2}
    assert done["resources"] == {"rows": 2, "odd": 0, "changed": 2}


def test_a_second_run_changes_nothing(portal: Database[Stored], given: Stored) -> None:
    update(portal, given)
    before = everything(portal)
    assert {one["changed"] for one in update(portal, given).values()} == {0}
    assert everything(portal) == before


def test_all_pages_are_read_and_each_row_once(portal: Database[Stored], given: Stored, api: Api) -> None:
    ids = [ObjectId() for _ in range(3 * PAGE_SIZE + 1)]
    portal.dataset.insert_many([{"_id": id} for id in ids])
    api.tables["datasets"] = [
        {"__id": number, "dataset_id": str(id), "visit": number + 1, "download_resource": 1}
        for number, id in enumerate(ids)
    ]
    assert update(portal, given)["datasets"] == {"rows": len(ids), "odd": 0, "changed": len(ids)}
    assert portal.dataset.find_one({"_id": ids[-1]})["metrics"] == {  # type: ignore[index]
        "views": len(ids), "resources_downloads": 1,
    }  # fmt: skip


def failing(request: web.BaseRequest, answer: Any) -> Any:
    return web.Response(status=500) if "organizations" in request.path else answer


def no_json(request: web.BaseRequest, answer: Any) -> Any:
    return web.Response(text="<html>maintenance</html>")


def circle(request: web.BaseRequest, answer: Any) -> Any:
    return {**answer, "links": {"next": str(request.url)}}


def endless(request: web.BaseRequest, answer: Any) -> Any:
    following = request.url.update_query(again=len(request.url.query_string))
    return {"data": [{"__id": 1, "dataset_id": str(D1), "visit": 1}], "links": {"next": str(following)}}


def elsewhere(request: web.BaseRequest, answer: Any) -> Any:
    return {**answer, "links": {"next": "http://127.0.0.2/x"}}


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        (failing, "answers with status 500"),
        (no_json, "no JSON"),
        (circle, "names itself"),
        (endless, "the same rows again and again"),
        (elsewhere, "on another server"),
        (lambda request, answer: {"rows": []}, "no list of rows"),
        (lambda request, answer: [], "no list of rows"),
        (lambda request, answer: {"data": [1, "x", None]}, "neither documents nor numbers"),
        (lambda request, answer: {"data": [], "links": {"next": 7}}, "no address"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_an_answer_that_fails_or_is_nonsense_changes_nothing(
    portal: Database[Stored], given: Stored, api: Api, instead: Any, said: str
) -> None:
    api.instead = instead
    before = everything(portal)
    with pytest.raises(HttpError, match=said):
        update(portal, given)
    assert everything(portal) == before


def test_a_server_that_is_not_there_changes_nothing(portal: Database[Stored], given: Stored) -> None:
    before = everything(portal)
    with pytest.raises(HttpError, match="takes no connection"):
        update(portal, {**given, "METRICS_API": f"http://127.0.0.1:{NOBODY}"})
    assert everything(portal) == before


def test_an_odd_row_is_passed_over(portal: Database[Stored], given: Stored, api: Api) -> None:
    api.tables["reuses"] += [
        {"__id": 2, "reuse_id": None, "visit": 1}, {"__id": 3, "reuse_id": "no id", "visit": 1},
        {"__id": 4, "reuse_id": str(REUSE), "visit": -1}, {"__id": 5, "reuse_id": str(REUSE), "visit": "many"},
        {"__id": 6, "reuse_id": str(REUSE), "visit": True}, {"__id": 7, "reuse_id": str(REUSE), "visit": 1.5}, "row",
    ]  # fmt: skip
    done = update(portal, given)
    assert done["reuses"]["odd"] == 6
    assert portal.reuse.find_one() == {"_id": REUSE, "metrics": {"views": 7}}


def test_a_document_that_cannot_be_written_stops_no_other(portal: Database[Stored], given: Stored) -> None:
    portal.dataset.update_one({"_id": D1}, {"$set": {"metrics": None, "resources.1.metrics": 7}})
    with pytest.raises(UdataError, match=f"dataset {D1}"):
        update(portal, given)
    assert portal.dataset.find_one({"_id": D2})["metrics"] == {"resources_downloads": 4}  # type: ignore[index]
    assert portal.reuse.find_one() == {"_id": REUSE, "metrics": {"views": 7}}


def test_without_an_address_the_job_says_so_and_ends_with_one(
    portal: Database[Stored], given: Stored, udata: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="METRICS_API is not set"):
        update(portal, {**given, "METRICS_API": None})
    done = udata("job", "run", "update-metrics")
    assert done.exit_code == 1
    assert "METRICS_API is not set" in done.stderr
    monkeypatch.setenv("UDATA_METRICS_API", given["METRICS_API"])
    done = udata("job", "run", "update-metrics", "--json")
    assert json.loads(done.stdout)["result"]["datasets"]["changed"] == 2


def test_what_changed_is_noted_for_the_search_engine_and_nothing_else(portal: Database[Stored], given: Stored) -> None:
    searched = {**given, "ELASTICSEARCH_URL": "http://127.0.0.1:1", "AUTO_INDEX": True}
    update(portal, searched)
    noted = {(note["model"], id) for note in portal.search_outbox.find() for id in note["ids"]}
    changed = {("dataset", D1), ("dataset", D2), ("reuse", REUSE), ("organization", ORG), ("dataservice", SERVICE)}
    assert noted == changed
    portal.search_outbox.delete_many({})
    update(portal, searched)
    assert portal.search_outbox.count_documents({}) == 0
