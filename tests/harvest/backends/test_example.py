"""A backend of another package, installed as anybody would: what the page about backends says works so."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pymongo.database import Database

from tests.conftest import Run
from tests.harvest.conftest import Answers, all_records, identities
from tests.network.webserver import WebServer
from udata.errors import ServerError
from udata.harvest.backends.base import Backend, Fetch, Filter, Source
from udata.harvest.backends.registry import backend, known
from udata.harvest.errors import EndlessPaging, UnreadableCatalogue
from udata.network.fetching import Fetcher
from udata.settings import load

Serving = Callable[[Answers], WebServer]
EXAMPLE = Path(__file__).parents[1] / "example"
PAGE = Path(__file__).parents[3] / "docs/harvest-backends.md"
FIRST = """id,title,theme,licence,modified,file,format
1,Wells,water,cc-by,2026-01-02,http://e.org/wells.csv,CSV
2,Mills,,,soon,ttp://e.org,
3,too,many,values,here,and,there,indeed
"""
SECOND = "id,title,theme\n4,Dépôts,waste\n5,,water\n"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the example is installed."""
    folder = tmp_path_factory.mktemp("example")
    # A copy, since building leaves files behind.
    source = shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", folder / "site", source], check=True)
    return folder / "site"


@pytest.fixture
def csv(site: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The backend of the example."""
    monkeypatch.syspath_prepend(str(site))
    return backend("csv")


def answer(path: str, body: bytes) -> web.Response:
    """Two pages, of which the first names the second in its head."""
    if "page=2" in path:
        return web.Response(body=SECOND.encode("latin-1"), headers={"Content-Type": "text/csv; charset=latin-1"})
    return web.Response(text=FIRST, content_type="text/csv", headers={"Link": '<?page=2>; rel="next"'})


def test_the_example_is_found_by_its_entry_point(csv: Backend) -> None:
    assert ("csv", "udata_harvest_csv") in [(one.name, one.distribution) for one in known()]
    assert (csv.display_name, csv.filters, csv.extras) == ("CSV", ("theme",), ("remote_url_prefix",))


def test_pages_are_read_with_what_cannot_be_taken(csv: Backend, serving: Serving, fetch: Fetch) -> None:
    pages = list(csv.pages(Source(serving(answer).url("/list")), fetch))
    assert [identities([page]) for page in pages] == [["1", "2"], ["4", "5"]]
    assert [page.is_whole for page in pages] == [False, True]
    assert pages[0].unread[0].name == "line 4"
    mills = all_records(pages)[1]
    assert [remark.field for remark in mills.remarks] == ["file", "modified"]
    assert all_records(pages)[2].titles[0].value == "Dépôts"
    assert all_records(pages)[3].refusal == "no title"


def test_filters_and_features_of_a_source_are_heeded(csv: Backend, serving: Serving, fetch: Fetch) -> None:
    url = serving(answer).url("/list")

    def read(*filters: Filter, **features: bool) -> list[str | None]:
        return identities(list(csv.pages(Source(url, filters, features), fetch)))

    assert read(Filter("theme", "water")) == ["1", "5"]
    assert read(Filter("theme", "water", exclude=True)) == ["2", "4"]
    assert read(**{"files-only": True}) == ["1"]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (b"<html></html>", UnreadableCatalogue),
        (404, ServerError),
        (web.Response(text=FIRST, headers={"Link": "<?>; rel=next"}), EndlessPaging),
        (web.Response(text=FIRST, headers={"Link": "<http://169.254.169.254/>; rel=next"}), EndlessPaging),
    ],
)
def test_what_goes_wrong_is_a_clear_failure(
    given: Any, error: type[Exception], csv: Backend, serving: Serving, fetch: Fetch
) -> None:
    server = serving(lambda path, body: given)
    with pytest.raises(error):
        list(csv.pages(Source(server.url("/list")), fetch))


@pytest.mark.usefixtures("csv")
def test_a_backend_is_tested_with_the_client_itself(serving: Serving) -> None:
    server = serving(answer)
    with Fetcher({**load({}), "HTTP_ALLOW_PRIVATE": ["127.0.0.1"]}) as fetcher:
        pages = list(backend("csv").pages(Source(server.url("/list")), fetcher.get))
    assert len(pages) == 2


@pytest.mark.usefixtures("csv")
def test_a_source_is_harvested_with_it(
    serving: Serving, udata: Run, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_HTTP_ALLOW_PRIVATE", '["127.0.0.1"]')
    assert "csv" in udata("harvest", "backends").stdout
    url = serving(answer).url("/list")
    assert udata("harvest", "check", "csv", url).exit_code == 1, "a line could not be read"
    assert udata("harvest", "create", "csv", url, "Wells and mills", "-f", "theme!=waste").exit_code == 0
    assert udata("harvest", "validate", "wells-and-mills", "--no-launch").exit_code == 0
    udata("harvest", "run", "wells-and-mills")
    stored = {one["title"]: one for one in database.dataset.find()}
    assert set(stored) == {"Wells", "Mills"}
    assert stored["Wells"]["harvest"]["backend"] == "CSV"
    assert [one["format"] for one in stored["Wells"]["resources"]] == ["csv"]


def test_the_page_shows_what_the_example_does() -> None:
    files = (EXAMPLE / "udata_harvest_csv.py", EXAMPLE / "pyproject.toml", Path(__file__))
    code = "\n".join(_flush(file.read_text("utf-8")) for file in files)
    shown = re.findall(r"```(?:python|toml)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(shown) == 7
    assert [block for block in shown if _flush(block) not in code] == []


def _flush(text: str) -> str:
    return "\n".join(map(str.strip, text.splitlines()))
