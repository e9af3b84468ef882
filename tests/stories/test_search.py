"""An operator looks after what is searched, by the command line alone."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.conftest import Run
from tests.waiting import wait_for

Documents = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("search_engine")


@pytest.fixture
def portal(load_reference: Callable[[str], dict[str, int]], database: Documents) -> Documents:
    """A real portal's database."""
    load_reference("clean")
    return database


def test_a_portal_is_indexed_rebuilt_moved_back_and_cleaned(udata: Run, portal: Documents) -> None:
    first = udata("search", "index")
    assert first.exit_code == 0, first
    assert "✔ dataset: 180 indexed, 20 not shown" in first.lines
    assert udata("search", "verify").exit_code == 0
    built = udata("search", "index", "--reindex", "true", "datasets", "Reuse")
    (suffix,) = set(re.findall(r"\(dataset-(\d{4}-\d\d-\d\d-\d\d-\d\d)\)", built.stdout))
    assert f"udata search set-alias {suffix}" in built.stderr
    assert "disk" in built.stderr
    moved = udata("search", "set-alias", suffix)
    assert moved.lines == [
        "➢ The portal searches another index of dataset: 180 documents",
        "➢ The portal searches another index of reuse: 52 documents",
    ]
    swapped = udata("search", "index", "-r", "true", "--swap", "dataset")
    assert "➢ The portal searches the indices" in swapped.stdout
    back = udata("search", "rollback", "dataset")
    assert back.exit_code == 0, back
    assert f"dataset-{suffix}" in udata("search", "status").stdout
    would = udata("search", "clean", "--dry-run").lines
    assert len(would) == 3
    assert udata("search", "clean").lines == [line.replace("Would remove", "➢ Removed") for line in would]
    assert udata("search", "clean").lines == ["# Every index is named by an alias"]
    assert udata("search", "verify").exit_code == 0


def test_what_differs_is_found_and_mended(udata: Run, portal: Documents) -> None:
    udata("search", "index")
    changed = portal["dataset"].find_one({"deleted": None}) or {}
    portal["dataset"].update_one({"_id": changed["_id"]}, {"$set": {"title": "Autre titre"}})
    portal["reuse"].update_many({}, {"$set": {"private": True}})
    found = udata("search", "verify", "-v")
    assert found.exit_code == 1
    assert "✘ dataset: 180 documents compared, 1 different" in found.lines
    assert f"    different {changed['_id']}" in found.lines
    assert "✘ reuse: 0 documents compared, 52 superfluous" in found.lines
    assert "udata search verify --repair" in found.stderr
    assert udata("search", "verify", "--repair").exit_code == 0
    assert udata("search", "verify").exit_code == 0


def test_a_visitor_finds_what_was_indexed(udata: Run, portal: Documents) -> None:
    one = portal["dataset"].find_one({"deleted": None}) or {}
    portal["dataset"].update_one({"_id": one["_id"]}, {"$set": {"title": "Résultats des élections municipales"}})
    udata("search", "index", "--id", str(one["_id"]), "dataset")
    hits = udata("search", "query", "dataset", "elections", "municipale", "--json").json()["hits"]
    assert [hit["id"] for hit in hits] == [str(one["_id"])]
    assert udata("search", "query", "datasets", "zzzzzz").lines == ["# Nothing is found"]


def test_the_answer_in_json_says_what_became_of_each_model(udata: Run, portal: Documents) -> None:
    answer = udata("search", "index", "dataset", "--json").json()
    assert answer["state"] == "succeeded"
    assert answer["models"] == [
        {"model": "dataset", "index_name": None, "suffix": None, "live": False, "indexed": 180, "removed": 20,
         "stale": 0, "failed": 0},
    ]  # fmt: skip
    status = udata("search", "status", "--json").json()
    assert {one["model"]: one["documents"] for one in status["models"]}["dataset"] == 180
    assert status["waiting"] == 0


def test_a_run_is_recorded_as_that_of_its_job(udata: Run, portal: Documents) -> None:
    run = udata("search", "index", "posts", "--json").json()["run"]
    (recorded,) = udata("job", "history", "index-search", "--json").json()
    assert (recorded["id"], recorded["args"], recorded["state"]) == (run, ["post"], "succeeded")
    assert recorded["result"]["models"][0]["indexed"] == 5


def test_ids_and_organizations_are_selected(udata: Run, portal: Documents, tmp_path: Path) -> None:
    dataset = portal["dataset"].find_one({"deleted": None, "organization": {"$ne": None}}) or {}
    file = tmp_path / "ids.txt"
    file.write_text(f"{dataset['_id']}\n\n", encoding="utf-8")
    assert "✔ dataset: 1 indexed" in udata("search", "index", "dataset", "--ids-from", str(file)).lines
    slug = (portal["organization"].find_one({"_id": dataset["organization"]}) or {})["slug"]
    done = udata("search", "index", "dataset", "organization", "--organization", slug)
    assert done.exit_code == 0, done
    assert re.search(r"^✔ dataset: \d+ indexed", done.stdout)


@pytest.mark.parametrize(
    "words",
    [("--swap",), ("-f", "1 May"), ("-r", "true", "--id", "5f0000000000000000000000"),
     ("-r", "true", "--swap", "-f", "2022-02-20-20-02"), ("-r", "perhaps")],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(udata: Run, words: tuple[str, ...]) -> None:
    done = udata("search", "index", *words)
    assert (done.exit_code, done.stdout) == (2, ""), done


def test_without_an_engine_it_is_said(udata: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UDATA_ELASTICSEARCH_URL")
    for words in (("index",), ("status",), ("verify",), ("clean",), ("query", "dataset", "x")):
        done = udata("search", *words)
        assert (done.exit_code, done.stdout) == (4, ""), done
        assert "ELASTICSEARCH_URL" in done.stderr


def test_what_has_no_index_yet_is_said(udata: Run) -> None:
    status = udata("search", "status")
    assert status.exit_code == 1
    assert "✘ No index: dataset, reuse" in status.stdout
    assert udata("search", "verify", "dataset").exit_code == 1
    created = udata("search", "init")
    assert len(created.lines) == 7
    assert udata("search", "init").lines == ["# Each has one already"]
    assert udata("search", "status").exit_code == 0


@pytest.mark.slow
def test_a_worker_indexes_what_was_noted_and_what_the_portal_says(
    udata: Run, portal: Documents, udata_popen: Callable[..., Any], settings: Any
) -> None:
    from celery import Celery

    from udata.search import outbox

    udata("search", "index")
    ids = [row["_id"] for row in portal["dataset"].find({"deleted": None}).limit(2)]
    portal["dataset"].update_many({"_id": {"$in": ids}}, {"$set": {"title": "Zygomatique"}})
    outbox.changed(portal, settings, "dataset", ids[:1])
    web_application = Celery(broker=settings["CELERY_BROKER_URL"])
    web_application.conf.task_default_queue = "default"
    web_application.send_task("udata.search.reindex", ("Dataset", str(ids[1])))
    web_application.close()
    udata_popen("worker", "start", "-c", "1")
    wanted = {str(id) for id in ids}
    query = ("search", "query", "dataset", "zygomatique", "--json")
    wait_for(lambda: {hit["id"] for hit in udata(*query).json()["hits"]} == wanted)
    wait_for(lambda: udata("search", "status", "--json").json()["waiting"] == 0)


@pytest.mark.parametrize("command", [("search", "index"), ("job", "run", "index-search")])
def test_a_search_server_that_is_away_is_one_line_without_the_client_s_own(
    command: tuple[str, ...], udata_process: Any
) -> None:
    done = udata_process(*command, env={"UDATA_ELASTICSEARCH_URL": "http://127.0.0.1:1"})
    first, *others = done.stderr.splitlines()
    assert "the search server at http://127.0.0.1:1 does not answer" in first
    # A run in the journal says where more of it stands.
    assert all(line.startswith("More: udata job show") for line in others)
