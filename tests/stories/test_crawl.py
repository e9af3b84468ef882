"""Resources that lie elsewhere are checked, and what is broken is found out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from pymongo.database import Database

from tests.conftest import Run
from tests.models.same import Stored
from tests.network.webserver import WebServer, web_server
from tests.upstream import Written


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A server that has lost a file, which the crawl may ask."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404 if "lost" in request.path else 200)

    monkeypatch.setenv("UDATA_HTTP_ALLOW_PRIVATE", '["127.0.0.1"]')
    monkeypatch.setenv("UDATA_CRAWL_PAUSE_SECONDS", "0")
    monkeypatch.setenv("UDATA_CRAWL_BROKEN_AFTER", "1")
    with web_server(handler) as server:
        yield server


def publish(database: Database[Stored], *urls: str) -> None:
    """Let the portal's datasets name these addresses, one each, as the first of their resources."""
    datasets = database.dataset.find({"deleted": None, "resources": {"$ne": []}}).sort("_id", 1)
    database.dataset.update_many({}, {"$set": {"resources.$[].filetype": "file"}})
    for url, dataset in zip(urls, datasets, strict=False):
        changed = {"resources.0.url": url, "resources.0.filetype": "remote"}
        database.dataset.update_one({"_id": dataset["_id"]}, {"$set": changed})
    database.community_resource.delete_many({})


def test_an_operator_finds_out_what_is_broken(
    server: WebServer, sample_portal: None, udata: Run, database: Database[Stored]
) -> None:
    publish(database, server.url("/a"), server.url("/lost"), "ftp://h/x")
    assert "No resource was checked" in udata("harvest", "resources").stdout
    tried = udata("job", "run", "crawl-resources", "--dry-run", "--json").json()
    assert tried["result"]["verdicts"] == {"available": 1, "status 404": 1, "not checked: another protocol": 1}
    assert udata("harvest", "resources").exit_code == 0
    done = udata("job", "run", "crawl-resources", "--json").json()
    assert done["state"] == "succeeded"
    assert {**done["result"], "dry_run": True, "written": 0} == tried["result"]
    told = udata("harvest", "resources", "-v")
    assert told.exit_code == 1
    assert server.url("/lost") in told.stdout
    again = udata("job", "run", "crawl-resources", "--json").json()
    assert again["result"]["addresses"] == 0
    asked = len(server.asked)
    found = database.dataset.find_one({"resources.url": server.url("/a")}) or {}
    for words in (f"resource={found['resources'][0]['_id']}", f"dataset={found['slug']}", "host=127.0.0.1"):
        assert udata("job", "run", "crawl-resources", words).exit_code == 0
        assert len(server.asked) > asked
        asked = len(server.asked)


def test_what_is_mistyped_or_not_wanted_is_refused(
    server: WebServer, sample_portal: None, udata: Run, database: Database[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(database, server.url("/a"))
    assert udata("job", "run", "crawl-resources", "hosts=h").exit_code == 2
    assert udata("job", "run", "crawl-resources", "dry_run=perhaps").exit_code == 2
    told = udata("job", "run", "crawl-resources", "dataset=no-such-dataset")
    assert told.exit_code == 1
    assert "no dataset is named 'no-such-dataset'" in told.stderr
    monkeypatch.setenv("UDATA_PUBLISH_ON_RESOURCE_EVENTS", "true")
    told = udata("job", "run", "crawl-resources")
    assert told.exit_code == 1
    assert "force=true" in told.stderr
    assert len(server.asked) == 0
    assert udata("job", "run", "crawl-resources", "force=true").exit_code == 0


def test_the_portals_own_programs_can_load_what_was_written(
    server: WebServer,
    udata: Run,
    load_reference: Callable[[str], object],
    database: Database[Stored],
    reference: Path,
) -> None:
    load_reference("clean")
    publish(database, server.url("/a"), server.url("/lost"), "ftp://h/x", "no address")
    written = Written(database, reference)
    before = {one["_id"]: one for one in database.dataset.find()}
    assert udata("job", "run", "crawl-resources").exit_code == 0
    assert written.undeclared() == []
    touched = [one for one in database.dataset.find() if one != before[one["_id"]]]
    assert len(touched) == 4
    for one in touched:
        extras = one["resources"][0]["extras"]
        assert None not in extras.values()
        assert {type(extras.get(f"check:{name}")) for name in ("available", "timeout")} <= {bool, type(None)}
        assert one["last_modified_internal"] == before[one["_id"]]["last_modified_internal"]
        assert (
            one["resources"][0]["last_modified_internal"]
            == before[one["_id"]]["resources"][0]["last_modified_internal"]
        )
