"""Checks that other packages add."""

import sys
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from tests.conftest import Run

SHOUTS = ObjectId()
TITLES = """
from udata.services.integrity.check import Check


class Titles(Check):
    severity = "warning"
    help = "titles in capitals"

    def fields(self, collection, shape):
        return ("title",) if "title" in shape.fields else ()

    def visit(self, collection, shape, document):
        if str(document.get("title")).isupper():
            yield self.finding(collection, document["_id"], "title", "shouts")
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path where packages may be installed."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def install(site: Path, name: str, module: str, code: str) -> None:
    """Install a package whose check is called `name`: the class `Titles` of `code`."""
    folder = site / f"{module}-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text(f"[udata.checks]\n{name} = {module}:Titles\n", encoding="utf-8")
    (site / f"{module}.py").write_text(code, encoding="utf-8")


@pytest.fixture(autouse=True)
def portal(database: Database[dict[str, Any]]) -> None:
    """Two datasets in which nothing but a title in capitals is wrong."""
    owner = database.user.insert_one(
        {"email": "a@x.org", "first_name": "A", "last_name": "B", "slug": "a", "roles": []}
    ).inserted_id
    fine = {"contact_points": [], "owner": owner}
    database.dataset.insert_many(
        [{"_id": SHOUTS, "title": "TREES", "slug": "a", **fine}, {"title": "Trees", "slug": "b", **fine}]
    )


def test_a_check_of_a_plugin_runs_beside_the_others(site: Path, udata: Run) -> None:
    install(site, "capitals", "check_capitals", TITLES)
    result = udata("db", "check-integrity", "--jsonl", "--fail-on", "warning")
    assert [(one["check"], one["severity"], one["id"], one["path"]) for one in result.jsonl()] == [
        ("capitals", "warning", str(SHOUTS), "title")
    ]
    assert result.exit_code == 1
    assert udata("db", "check-integrity", "--checks", "references", "--jsonl").stdout == ""
    assert udata("db", "check-integrity", "--checks", "capitals", "--json").json()["findings"] == {
        "capitals": {"dataset.title": 1}
    }
    assert "capitals" in udata("db", "check-integrity", "--checks", "capitels").stderr


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("yield self.finding", "raise RuntimeError('broken inside')\n            yield self.finding"),
        ("yield self.finding", "yield 'broken inside', "),
        ("def fields(self, collection, shape):", "def fields(self, collection, shape):\n        broken_inside()"),
        ("class Titles(Check):", "class Titles(Check):\n    def __init__(self, broken_inside): ...\n"),
    ],
)
def test_a_check_that_fails_is_given_up_and_the_others_go_on(was: str, becomes: str, site: Path, udata: Run) -> None:
    module = f"check_broken_{abs(hash(becomes))}"
    install(site, "capitals", module, TITLES.replace(was, becomes))
    result = udata("db", "check-integrity", "--checks", "capitals,references,duplicates", "--fail-on", "never")
    assert result.exit_code == 1
    assert "✘ the check capitals was given up" in result.stderr
    assert "broken" in result.stderr
    assert result.lines[-1].startswith("✘ 3 documents in 2 collections")
    assert result.lines[-1].endswith("nothing is wrong, 1 check given up")


@pytest.mark.parametrize(
    ("code", "said"),
    [("raise ValueError('no')", "cannot be loaded: ValueError: no"), ("Titles = int", "is no check")],
)
def test_a_check_that_cannot_be_loaded_is_a_warning_unless_it_is_named(
    code: str, said: str, site: Path, udata: Run
) -> None:
    install(site, "capitals", f"check_unloadable_{len(code)}", code)
    result = udata("db", "check-integrity")
    assert result.exit_code == 0
    assert said in result.stderr
    named = udata("db", "check-integrity", "--checks", "capitals")
    assert (named.exit_code, named.stdout) == (1, "")
    assert said in named.stderr


def test_a_check_cannot_take_the_place_of_another(site: Path, udata: Run) -> None:
    install(site, "references", "check_usurper", TITLES)
    result = udata("db", "check-integrity", "--checks", "references")
    assert result.exit_code == 0
    assert "the check references of check_usurper is left out" in result.stderr
