"""Jobs are marked functions, found by their names of today and of yesterday, with those of other packages."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from udata.errors import UNBUILT, UnknownName, UsageError
from udata.runner import registry
from udata.runner.registry import JobError, job

SEED = {
    "log-test", "purge-organizations", "purge-datasets", "bump-metrics", "purge-reuses", "error-test", "harvest",
    "send-frequency-reminder", "crawl-resources", "count-tags",
}  # fmt: skip


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A registry that is filled anew, with a folder on the path for packages of the test's own."""
    # A module of jobs declares them when it is imported, which happens once.
    registry.load_jobs()
    before = dict(registry._jobs)
    monkeypatch.setattr(registry, "_loaded", None)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    registry._jobs.clear()
    registry._jobs.update(before)


def install(folder: Path, name: str, code: str) -> None:
    (folder / f"{name}-1.0.dist-info").mkdir()
    (folder / f"{name}-1.0.dist-info/entry_points.txt").write_text(f"[udata.jobs]\n{name} = {name}_jobs\n", "utf-8")
    (folder / f"{name}_jobs.py").write_text(code, encoding="utf-8")
    sys.modules.pop(f"{name}_jobs", None)


def test_the_names_that_portals_use_are_listed_and_sorted() -> None:
    assert set(registry.names()) >= SEED
    assert registry.names() == sorted(registry.names())


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("test-log", "log-test"),
        ("test-error", "error-test"),
    ],
)
def test_an_old_name_means_the_job_of_today(old: str, name: str) -> None:
    assert registry.find(old).name == name
    assert registry.canonical(old) == name
    assert registry.knows(old)


def test_a_name_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean count-tags"):
        registry.find("count-tag")
    with pytest.raises(UnknownName, match="did you mean purge-chunks or purge-dataservices or purge-datasets"):
        registry.find("purge")
    assert not registry.knows("count-tag")
    assert registry.canonical("count-tag") == "count-tag"


def test_a_job_that_is_not_built_says_so() -> None:
    for name in UNBUILT["job"]:
        with pytest.raises(UsageError, match="is not part of this version"):
            registry.find(name)
        assert not registry.knows(name)


def test_another_package_adds_a_job_and_a_broken_one_only_a_warning(fresh: Path) -> None:
    install(
        fresh,
        "good",
        "from udata.runner.registry import job\n\n@job('theirs')\ndef theirs(n: int) -> None:\n    '''Count.'''\n",
    )
    install(
        fresh,
        "bad",
        "from udata.runner.registry import job\n\n@job('half')\ndef half() -> None: ...\n\nraise ValueError('no')\n",
    )
    problems = registry.load_jobs()
    assert [str(problem) for problem in problems] == [
        "the plugin bad of bad cannot be loaded: ValueError: no (mend or uninstall bad)"
    ]
    assert registry.find("theirs").help == "Count."
    assert not registry.knows("half")
    assert registry.knows("log-test")


def test_a_name_is_taken_once(fresh: Path) -> None:
    registry.load_jobs()
    with pytest.raises(JobError, match="log-test is declared twice"):

        @job("log-test")
        def other() -> None: ...


@pytest.mark.parametrize(("name", "alias"), [("new", "log-test"), ("new", "test-log"), ("test-log", "newer")])
def test_another_name_of_a_job_is_taken_once_too(name: str, alias: str, fresh: Path) -> None:
    install(
        fresh,
        "theirs",
        f"""from udata.runner.registry import job

@job({name!r}, aliases=[{alias!r}])
def theirs() -> None: ...
""",
    )
    [problem] = registry.load_jobs()
    assert f"the plugin theirs of theirs cannot be loaded: JobError: the job {name} has the name" in str(problem)
    assert "which is one of the job log-test" in str(problem)
    assert registry.find("test-log").name == "log-test"
    assert not registry.knows("new")


@pytest.mark.parametrize(("name", "queue"), [("with space", "low"), ("-x", "low"), ("fine", "lowest")])
def test_a_job_that_nobody_could_run_is_refused(name: str, queue: str, fresh: Path) -> None:
    with pytest.raises(JobError):

        @job(name, queue=queue)
        def other() -> None: ...


def test_the_function_stays_what_it_is() -> None:
    from udata.jobs.diagnostics import DeliberateError, error_test

    with pytest.raises(DeliberateError):
        error_test()
