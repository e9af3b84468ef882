"""`udata db check-integrity`, as typed."""

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from tests.conftest import Result, Run
from tests.terminal import Terminal
from tests.waiting import PATIENCE

Db = Database[dict[str, Any]]
Load = Callable[[str], Any]
Check = Callable[..., Result]

FINDING = ["check", "severity", "collection", "id", "path", "target", "missing", "message"]
SUMMARY = ["checked", "findings", "errors", "warnings", "accepted", "gone", "unread", "broken", "seconds"]


@pytest.fixture
def check(udata: Run) -> Check:
    """`udata db check-integrity` with these options."""
    return lambda *options: udata("db", "check-integrity", *options)


@pytest.fixture
def refuses_reuses(database: Db) -> None:
    """A database whose server fails when it reads reuses: they are a view that divides by a text."""
    database.base.insert_one({"_id": "text"})
    database.command("create", "reuse", viewOn="base", pipeline=[{"$match": {"$expr": {"$divide": [1, "$_id"]}}}])


def test_what_is_wrong_is_shown_with_examples_and_the_exit_code_tells(check: Check, load_reference: Load) -> None:
    load_reference("broken")
    result = check()
    assert result.exit_code == 1
    assert "references: 62 errors" in result.lines
    assert "missing-lists: 62 warnings" in result.lines
    start = result.lines.index("  follow.following -> organization: 6")
    examples = result.lines[start + 1 : start + 5]
    assert all(
        re.fullmatch(r"    [0-9a-f]{24} names [0-9a-f]{24}, which is not in organization", one) for one in examples[:3]
    )
    assert examples[3] == "    … and 3 more"
    assert re.fullmatch(
        r"✘ 784 documents in 22 collections checked in [\d.]+ s: 62 errors, 62 warnings", result.lines[-1]
    )
    assert "--report" in result.stderr


def test_the_limit_says_how_many_examples(check: Check, load_reference: Load) -> None:
    load_reference("broken")
    all_of_them = check("--checks", "references", "--limit", "100").lines
    assert sum(", which is not in " in line for line in all_of_them) == 62
    none = check("--checks", "references", "--limit", "0").lines
    assert len(none) == 28
    assert none[1] == "  harvest_job.items.dataset -> dataset: 8"


def test_a_whole_database_ends_with_0_and_says_its_warnings(check: Check, load_reference: Load) -> None:
    load_reference("clean")
    result = check()
    assert result.exit_code == 0
    assert result.lines[:2] == ["missing-lists: 60 warnings", "  reuse.dataservices: 60"]
    assert result.lines[-1].startswith("✔ 784 documents in 22 collections checked")
    assert result.lines[-1].endswith(": 60 warnings")
    fine = check("--checks", "references,duplicates", "--checks", "documents")
    assert (fine.exit_code, len(fine.lines)) == (0, 1)
    assert fine.lines[0].endswith("nothing is wrong")


@pytest.mark.parametrize(
    ("checks", "fail_on", "code"),
    [
        ("references", "error", 1),
        ("references", "warning", 1),
        ("references", "never", 0),
        ("missing-lists", "error", 0),
        ("missing-lists", "warning", 1),
        ("missing-lists", "never", 0),
        ("duplicates", "warning", 0),
        ("metrics", "error", 0),
        ("metrics", "warning", 1),
    ],
)
def test_it_is_chosen_what_ends_with_1(
    checks: str, fail_on: str, code: int, check: Check, load_reference: Load
) -> None:
    load_reference("broken")
    assert check("--checks", checks, "--fail-on", fail_on).exit_code == code


def test_json_has_the_summary_and_nothing_else(check: Check, load_reference: Load) -> None:
    load_reference("broken")
    told = check("--json", "--checks", "references,missing-lists").json()
    assert list(told) == SUMMARY
    assert (told["errors"], told["warnings"]) == (62, 62)
    assert told["checked"]["dataset"] == 200
    assert told["findings"]["missing-lists"] == {"reuse.dataservices": 60, "dataset.contact_points": 2}
    assert told["findings"]["references"]["harvest_job.items.dataset"] == 8
    assert isinstance(told["seconds"], float)


def test_jsonl_has_every_finding(check: Check, load_reference: Load, reference: Path) -> None:
    load_reference("broken")
    found = check("--jsonl", "--limit", "1").jsonl()
    assert all(list(one) == FINDING for one in found)
    expected = json.loads((reference / "broken-expected.json").read_text(encoding="utf-8"))
    assert {
        (f"{one['collection']}.{one['path']}", one["id"], one["missing"])
        for one in found
        if one["check"] == "references"
    } == {(place, id, missing) for place, entry in expected.items() for id, missing in entry["missing"]}
    assert len(found) == 124
    assert {one["severity"] for one in found if one["check"] == "missing-lists"} == {"warning"}


def test_models_are_chosen_and_left_out(check: Check, load_reference: Load) -> None:
    load_reference("broken")
    assert list(check("--models", "Dataset,reuses", "--models", "harvest-job", "--json").json()["checked"]) == [
        "dataset",
        "harvest_job",
        "reuse",
    ]
    some = check("--exclude", "dataset", "--exclude", "Follow", "--json").json()
    assert len(some["checked"]) == 20
    assert some["errors"] < 62
    # A target is looked for whether its own model is checked or not.
    assert check("--models", "Reuse", "--checks", "references", "--json").json()["errors"] == 6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--models", "Datset"), "no model is named 'Datset' (did you mean Dataset"),
        (("--exclude", "organisation"), "no model is named 'organisation' (did you mean Organization"),
        (("--models", "Dataset", "--exclude", "datasets"), "excluded"),
        (("--checks", "reference"), "no check is named 'reference' (did you mean references"),
        (("--baseline", "no-such-file"), "no-such-file"),
        (("--report", "no/such/folder.html"), "no/such/folder.html cannot be written"),
        (("--limit", "-1"), "-1"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_server_is_asked(
    options: tuple[str, ...], said: str, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDATA_MONGODB_HOST", "mongodb://127.0.0.1:1/nowhere")
    result = check(*options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in " ".join(result.stderr.split())


def test_a_server_that_is_down_is_one_line(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UDATA_MONGODB_HOST", "mongodb://127.0.0.1:1/nowhere")
    monkeypatch.setenv("UDATA_SERVER_TIMEOUT", "0.5")
    result = check()
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.splitlines()[-1].startswith("✘ the database at 127.0.0.1:1 does not answer")


def test_a_baseline_lets_only_new_findings_count(
    check: Check, load_reference: Load, database: Db, tmp_path: Path
) -> None:
    load_reference("broken")
    baseline = tmp_path / "known.jsonl"
    baseline.write_text(check("--jsonl").stdout, encoding="utf-8")
    accepted = check("--baseline", str(baseline), "--fail-on", "warning")
    assert (accepted.exit_code, len(accepted.lines)) == (0, 1)
    assert "124 findings of the baseline not counted" in accepted.stderr
    database.reuse.update_one({}, {"$push": {"datasets": {"$each": [ObjectId(), ObjectId()]}}})
    new = check("--baseline", str(baseline), "--jsonl")
    assert (new.exit_code, [one["path"] for one in new.jsonl()]) == (1, ["datasets"] * 2)


@pytest.mark.parametrize("line", ["{}", "[]", "text", '{"check": "references"}', "\x00"])
def test_a_baseline_that_is_none_is_refused_with_the_line(line: str, check: Check, tmp_path: Path) -> None:
    file = tmp_path / "known.jsonl"
    whole = {"check": "c", "collection": "c", "id": "1", "path": "p", "missing": None}
    file.write_text(f"{json.dumps(whole)}\n\n{line}\n", encoding="utf-8")
    result = check("--baseline", str(file))
    assert result.exit_code == 2
    assert f"{file}, line 3 is no finding" in result.stderr


class Page(HTMLParser):
    """A page of HTML: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_file_with_a_chart_and_examples_by_cause(
    check: Check, load_reference: Load, tmp_path: Path
) -> None:
    load_reference("broken")
    file = tmp_path / "findings.html"
    result = check("--report", str(file), "--limit", "4")
    assert result.exit_code == 1
    assert str(file) in result.stderr
    html = file.read_text(encoding="utf-8")
    page = Page(html)
    chart = next(attributes for tag, attributes in page.tags if attributes.get("class") == "chart")
    assert "reuse: 6 errors, 60 warnings." in str(chart["aria-label"])
    bars = [str(attributes["style"]) for tag, attributes in page.tags if tag == "i" and "style" in attributes]
    assert "width: 90.91%" in bars
    assert len(bars) == 17
    assert page.tags.count(("h2", {})) == 4
    assert len([tag for tag, _ in page.tags if tag == "details"]) == 28
    assert "references whose target does not exist" in page.text
    assert "harvest_job.items.dataset → dataset8" in page.text
    assert page.text.count(", which is not in dataset") > 10
    assert "… and 4 more" in page.text
    # Nothing of it comes from elsewhere.
    loading = {"src", "href", "srcset", "data", "action", "poster", "background"}
    assert [attributes for _, attributes in page.tags if loading.intersection(attributes)] == []
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"}.intersection(tag for tag, _ in page.tags)
    assert not re.search(r"https?:|url\(|@import|//[a-z]", html)


def test_the_report_shows_what_is_stored_as_text(check: Check, database: Db, tmp_path: Path) -> None:
    database.dataset.insert_one({"_id": "<script>alert(1)</script>", "title": "t", "slug": "s", "license": "<b>&"})
    file = tmp_path / "findings.html"
    check("--report", str(file), "--checks", "references")
    page = Page(file.read_text(encoding="utf-8"))
    assert "<script>alert(1)</script> t: names <b>&, which is not in license" in page.text
    assert not {"script", "b>"}.intersection(tag for tag, _ in page.tags)


def test_the_report_turns_no_letters_around(check: Check, database: Db, tmp_path: Path) -> None:
    database.dataset.insert_one({"license": "fdp\u202egpj", "title": "t\x9b", "slug": "s"})
    file = tmp_path / "findings.html"
    check("--report", str(file), "--checks", "references")
    page = file.read_text(encoding="utf-8")
    assert "\\u202e" in page
    assert not {"\u202e", "\x9b"}.intersection(page)


def test_there_is_a_report_where_nothing_is_wrong(check: Check, database: Db, tmp_path: Path) -> None:
    file = tmp_path / "findings.html"
    assert check("--report", str(file)).exit_code == 0
    assert "Nothing was checked." in file.read_text(encoding="utf-8")
    database.tag.insert_one({"_id": ObjectId(), "name": "trees"})
    assert check("--report", str(file)).exit_code == 0
    assert "Nothing was found to be wrong." in file.read_text(encoding="utf-8")
    assert list(tmp_path.glob(".*")) == []


def test_what_a_document_holds_does_not_reach_the_terminal_as_it_is(check: Check, database: Db) -> None:
    database.dataset.insert_one({"_id": "a\nb", "license": "\x1b[31m" + "x" * 5000, "title": "t", "slug": "s"})
    [line] = [one for one in check("--checks", "references").lines if "names" in one]
    assert line.startswith(r"    a\nb (t) names \x1b[31mxxx")
    assert len(line) < 250


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--require-data",), 1), (("--require-data", "--json"), 1)])
def test_an_empty_database_is_said(options: tuple[str, ...], code: int, check: Check, database: Db) -> None:
    for _ in range(2):
        result = check(*options)
        assert result.exit_code == code
        assert f"! The database {database.name} is empty: nothing was checked" in result.stderr
        assert "nothing is wrong" not in result.stdout
        # With indexes and without a document it is empty as well.
        database.dataset.create_index("slug")


def test_a_database_without_what_was_chosen_is_said(check: Check, database: Db) -> None:
    database.tag.insert_one({"_id": ObjectId(), "name": "trees"})
    result = check("--models", "Dataset", "--require-data")
    assert result.exit_code == 1
    assert "has no documents of what was chosen: nothing was checked" in result.stderr
    assert check("--require-data").exit_code == 0


@pytest.mark.parametrize("fail_on", ["error", "never"])
def test_a_collection_that_cannot_be_read_is_said_and_the_others_are_read(
    fail_on: str, refuses_reuses: None, check: Check, database: Db, tmp_path: Path
) -> None:
    database.post.insert_one(
        {"_id": ObjectId(), "name": "n", "slug": "s", "datasets": [ObjectId()], "reuses": [ObjectId()]}
    )
    file = tmp_path / "findings.html"
    result = check("--fail-on", fail_on, "--report", str(file))
    assert result.exit_code == 1
    assert "✘ reuse cannot be read: " in result.stderr
    assert "$divide only supports numeric types" in result.stderr
    assert "  post.datasets -> dataset: 1" in result.lines
    # What a post names among the reuses may be there.
    assert "post.reuses" not in result.stdout
    assert result.lines[-1].startswith("✘ ")
    assert result.lines[-1].endswith("1 error, 1 collection not read")
    assert "reuse was not read" in Page(file.read_text(encoding="utf-8")).text
    whole = check("--models", "Tag,Dataset", "--fail-on", fail_on)
    assert whole.exit_code == 0


def test_counters_that_cannot_be_counted_are_said(refuses_reuses: None, check: Check, database: Db) -> None:
    database.dataset.insert_one({"_id": ObjectId(), "metrics": {"followers": 7}})
    result = check("--checks", "metrics,missing-lists", "--models", "Dataset", "--fail-on", "never")
    assert result.exit_code == 1
    assert "✘ the check metrics was given up: " in result.stderr
    assert "  dataset.contact_points: 1" in result.lines
    assert "  dataset.metrics.followers: 1" in result.lines
    assert result.lines[-1].endswith("2 warnings, 1 check given up")


def test_counters_are_compared_where_that_is_asked_for(check: Check, database: Db) -> None:
    database.dataset.insert_one({"_id": ObjectId(), "metrics": {"followers": 7, "views": 3}})
    assert "metrics" not in check("--json").json()["findings"]
    result = check("--checks", "metrics", "--jsonl")
    assert [(one["path"], one["message"]) for one in result.jsonl()] == [
        ("metrics.followers", "is 7, and counting gives 0")
    ]


def test_findings_reach_a_file_while_a_bar_is_drawn(
    udata_popen: Callable[..., subprocess.Popen[str]], load_reference: Load, tmp_path: Path
) -> None:
    load_reference("broken")
    file = tmp_path / "findings.jsonl"
    ours, theirs = pty.openpty()
    with file.open("w") as stream:
        child = udata_popen("db", "check-integrity", "--jsonl", stdout=stream, stderr=theirs)
        os.close(theirs)
        assert child.wait(timeout=PATIENCE) == 1
    drawn = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "Checking" in drawn
    assert "finding" not in drawn
    assert len([json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]) == 124


def test_on_one_terminal_findings_are_lines_and_nothing_is_drawn_over_them(
    udata_environment: dict[str, str], load_reference: Load
) -> None:
    load_reference("broken")
    with Terminal(udata_environment, "db", "check-integrity", "--jsonl") as terminal:
        result = terminal.end()
    assert result.exit_code == 1
    assert len([json.loads(line) for line in result.lines]) == 124


def test_on_a_narrow_terminal_each_finding_is_folded_between_words(
    udata_environment: dict[str, str], load_reference: Load
) -> None:
    load_reference("broken")
    with Terminal({**udata_environment, "COLUMNS": "80"}, "db", "check-integrity") as terminal:
        lines = terminal.end().lines
    findings = [line for line in lines if line.startswith("    ")]
    assert len(findings) > 100
    assert max(len(line) for line in findings) <= 80
    assert any(line.startswith("      ") for line in findings)
