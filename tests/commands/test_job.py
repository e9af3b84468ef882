"""Jobs at the command line: listed, run, handed over, and followed in the journal."""

import re
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from pymongo.database import Database

from tests.conftest import Result, Run
from tests.models.same import Stored
from tests.waiting import PATIENCE, wait_for
from udata.commands.runs import inline
from udata.runner.journal.history import Run as Shown

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def test_jobs_are_listed_a_line_each(udata: Run) -> None:
    done = udata("job", "list")
    assert done.exit_code == 0
    assert done.lines == sorted(done.lines)
    assert {"bump-metrics", "count-tags", "log-test", "purge-datasets"} <= set(done.lines)
    assert done.stderr == ""


def test_the_long_list_says_what_a_job_takes_and_which_is_not_built(unbuilt: str, udata: Run) -> None:
    jobs = {job["job"]: job for job in udata("job", "list", "--json").json()}
    assert jobs["sleep-test"]["arguments"] == "[seconds=1.0] [label=]"
    assert jobs["log-test"]["aliases"] == ["test-log"]
    assert jobs["job-to-come"]["queue"] is None
    shown = udata("job", "list", "-v").stdout
    assert "Not part of this version." in shown
    assert "Log one line on each log level." in shown or "Log one line on each level." in shown


def test_a_job_runs_here_with_its_log_on_standard_error(udata: Run) -> None:
    done = udata("job", "run", "log-test")
    assert done.exit_code == 0
    assert done.stdout == "✔ log-test succeeded\n"
    assert [line.split()[0] for line in done.stderr.splitlines()] == LEVELS[1:]
    detailed = udata("job", "run", "-v", "log-test")
    assert [line.split()[0] for line in detailed.stderr.splitlines()] == LEVELS
    run = udata("job", "show", udata("job", "history", "--json").json()[0]["id"], "--json").json()
    assert [line.split()[0] for line in run["log"]] == LEVELS
    assert (run["state"], run["trigger"], run["attempt"]) == ("succeeded", "shell", 1)


def test_a_job_that_raises_is_one_line_and_its_traceback_in_the_journal(udata: Run) -> None:
    done = udata("job", "run", "error-test")
    assert done.exit_code == 1
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first == "✘ error-test failed: this is the error that error-test raises"
    shown = udata(*second.removeprefix("More: udata ").split())
    assert shown.exit_code == 0
    assert "Traceback (most recent call last)" in shown.stdout
    assert re.search(r"^  state +failed$", shown.stdout, re.MULTILINE)


def test_an_old_name_is_recorded_as_the_new_one(udata: Run) -> None:
    assert udata("job", "run", "test-log").exit_code == 0
    assert [run["job"] for run in udata("job", "history", "test-log", "--json").json()] == ["log-test"]


def test_what_a_job_returns_is_the_answer(udata: Run, sample_portal: None) -> None:
    counted = udata("job", "run", "count-tags", "--json").json()
    assert counted["state"] == "succeeded"
    assert counted["result"]["tags"] > 0
    again = udata("job", "run", "count-tags", "--json").json()
    assert (again["result"]["written"], again["result"]["removed"]) == (0, 0)


def test_the_counters_are_right_after_bump_metrics(udata: Run, sample_portal: None) -> None:
    assert udata("db", "check-integrity", "--checks", "metrics", "--fail-on", "warning").exit_code == 1
    assert udata("job", "run", "bump-metrics").exit_code == 0
    assert udata("db", "check-integrity", "--checks", "metrics", "--fail-on", "warning").exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sleep-test", "soon"), "seconds of the job sleep-test must be a number, not 'soon'"),
        (("sleep-test", "1", "a", "b"), "'b' is too much"),
        (("sleep-test", "secnds=1"), "did you mean seconds?"),
        (("log-test", "x"), "takes no arguments"),
        (("crawl-resources", "dry-run=true"), "takes dry_run by name, as in dry_run=VALUE"),
        (("sleep-test", "label=a", "label=b"), "label is given twice"),
        (("job-to-come",), "is not part of this version"),
        (("-d", "--force", "log-test"), "--force goes with a run in this process"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(
    words: tuple[str, ...], says: str, unbuilt: str, udata: Run, database: Database[Stored]
) -> None:
    done = udata("job", "run", *words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stdout == ""
    assert database.list_collection_names() == []


def test_values_reach_the_job_as_they_were_typed(udata: Run) -> None:
    for value in ("a=b", "two words", 'quo"ted', "new\nline", "élan ➢", "", "--x"):
        done = udata("job", "run", "--json", "sleep-test", "seconds=0", f"label={value}")
        assert done.exit_code == 0, done
        assert udata("job", "history", "--limit", "1", "--json").json()[0]["kwargs"]["label"] == value
        time.sleep(0.002)


def test_a_negative_number_is_an_argument_and_no_option(udata: Run) -> None:
    assert udata("job", "run", "sleep-test", "-1").exit_code == 0


def test_the_same_run_is_refused_while_it_runs_and_forced_beside(
    udata: Run, udata_popen: Callable[..., "subprocess.Popen[str]"], database: Database[Stored]
) -> None:
    first = udata_popen("job", "run", "sleep-test", "30", "label=long")
    wait_for(lambda: database.job_run.find_one({"state": "running"}))
    done = udata("job", "run", "sleep-test", "label=long", "seconds=30.0")
    assert done.exit_code == 1
    assert "runs already, since" in done.stderr
    assert "--force" in done.stderr
    assert udata("job", "run", "sleep-test", "0", "label=long").exit_code == 0
    second = udata_popen("job", "run", "--force", "sleep-test", "30", "label=long")
    wait_for(lambda: database.job_run.count_documents({"state": "running"}) == 2)
    for process in (first, second):
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    states = {run["state"] for run in udata("job", "history", "--json").json() if run["args"] == ["30"]}
    assert states == {"cancelled"}


def test_a_run_is_cancelled_from_another_shell(
    udata: Run, udata_popen: Callable[..., "subprocess.Popen[str]"], database: Database[Stored]
) -> None:
    process = udata_popen("job", "run", "sleep-test", "60")
    run = wait_for(lambda: database.job_run.find_one({"state": "running"}))
    done = udata("job", "cancel", run["_id"])
    assert done.exit_code == 0
    assert "is told to stop" in done.stdout
    _, shown = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "sleep-test cancelled: cancelled by an operator" in shown
    assert udata("job", "show", run["_id"], "--json").json()["state"] == "cancelled"


def test_a_job_handed_over_waits_once_and_can_be_cancelled_and_repeated(udata: Run, database: Database[Stored]) -> None:
    first = udata("job", "run", "-d", "sleep-test", "2", "--json").json()
    assert (first["new"], first["sent"]) == (True, True)
    again = udata("job", "run", "-d", "sleep-test", "seconds=2")
    assert first["id"] in again.stdout
    assert "waits already" in again.stdout
    assert [run["state"] for run in udata("job", "history", "--json").json()] == ["queued"]
    assert "1 task waiting" in udata("worker", "status", "-q", "default").stdout
    short = first["id"][:10]
    assert udata("job", "cancel", short).exit_code == 0
    assert "0 tasks waiting" in udata("worker", "status", "-q", "default").stdout
    assert udata("job", "cancel", short).exit_code == 1
    assert udata("job", "retry", short).exit_code == 0
    assert udata("job", "retry", short).exit_code == 1
    assert database.job_run.count_documents({"state": "queued"}) == 1


def test_a_job_is_recorded_where_the_broker_is_away(udata_process: Callable[..., Result], udata: Run) -> None:
    away: dict[str, str | None] = {"UDATA_CELERY_BROKER_URL": "redis://127.0.0.1:1"}
    done = udata_process("job", "run", "-d", "log-test", env=away)
    assert done.exit_code == 0
    assert "is recorded" in done.stdout
    assert "The broker does not take it now: it is sent when the broker does" in done.stderr
    assert [run["state"] for run in udata("job", "history", "--json").json()] == ["queued"]


def test_the_history_is_filtered_and_has_the_promised_keys(udata: Run) -> None:
    udata("job", "run", "log-test")
    udata("job", "run", "error-test")
    runs = udata("job", "history", "--json").json()
    assert [run["job"] for run in runs] == ["error-test", "log-test"]
    assert list(runs[0]) == list(Shown._fields)
    assert len(udata("job", "history", "--status", "failed,lost", "--jsonl").jsonl()) == 1
    assert udata("job", "history", "--since", "2020-01-01", "--limit", "1", "--json").json() == runs[:1]
    assert udata("job", "history", "--since", "2999-01-01").stdout == "# No runs\n"
    assert udata("job", "history", "--since", "yesterday").exit_code == 2
    assert udata("job", "history", "count-tags", "--json").json() == []


def test_reading_the_journal_of_an_empty_database_makes_nothing(udata: Run, database: Database[Stored]) -> None:
    assert udata("job", "history").stdout == "# No runs\n"
    assert udata("job", "show", "12345678").exit_code == 2
    assert database.list_collection_names() == []


def test_secrets_are_neither_shown_nor_stored(udata: Run, database: Database[Stored]) -> None:
    address = "https://me:hush@host.example.org/x"
    assert udata("job", "run", "sleep-test", "0", f"label={address}").stdout.count("hush") == 0
    refused = udata("job", "run", "-d", "sleep-test", "0", f"label={address}")
    assert refused.exit_code == 2
    assert "hush" not in refused.stderr
    assert "hush" not in str(list(database.job_run.find()))


def test_the_newest_run_is_called_last(udata: Run) -> None:
    nothing = udata("job", "show", "last")
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert "there is no run yet" in nothing.stderr
    udata("job", "run", "log-test")
    handed = udata("job", "run", "-d", "sleep-test", "5", "--json").json()
    assert handed["id"] in udata("job", "show", "last").stdout
    assert handed["id"] in udata("job", "cancel", "last").stdout
    assert udata("job", "show", "last", "--json").json()["state"] == "cancelled"


def test_a_result_is_said_in_words() -> None:
    nothing: dict[str, int] = {}
    result = {"dry_run": False, "purged": nothing, "files": {"files": 0, "bytes": 1200}, "since": None, "left": 2}
    assert inline(result) == "dry_run no, files (files 0, bytes 1,200), left 2"
    models = [{"model": "dataset", "suffix": None, "indexed": 3}, {"model": "reuse", "indexed": 0}]
    assert inline({"models": models, "seconds": 1.5}) == (
        "models (model dataset, indexed 3), (model reuse, indexed 0), seconds 1.5"
    )


def test_runs_are_cancelled_and_repeated_while_the_broker_is_away(
    udata_process: Callable[..., Result], udata: Run
) -> None:
    away: dict[str, str | None] = {"UDATA_CELERY_BROKER_URL": "redis://127.0.0.1:1"}
    udata("job", "run", "-d", "sleep-test", "5")
    for command, state in (("cancel", "cancelled"), ("retry", "queued")):
        assert udata_process("job", command, "last", env=away).exit_code == 0
        assert udata("job", "show", "last", "--json").json()["state"] == state
