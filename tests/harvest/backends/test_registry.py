"""The backends that there are, and those that other packages add."""

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from udata.errors import ConfigurationError, UnknownName
from udata.harvest.backends.base import Filter, Source
from udata.harvest.backends.registry import backend, known
from udata.plugins import PluginError

PLUGIN = """
from udata.harvest.backends.base import Page
from udata.harvest.records import Dataset, Text

class Lines:
    name = "lines"
    display_name = "Lines"
    filters = features = extras = ()

    def pages(self, source, fetch):
        lines = fetch(source.url).checked().body.decode().splitlines()
        yield Page(source.url, tuple(Dataset(remote_id=line, titles=(Text(line),)) for line in lines))

class Bare:
    def pages(self, source, fetch):
        return iter(())

class Unmakeable(Lines):
    def __init__(self):
        raise RuntimeError("no licence key")

no_backend = 5
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that adds backends: one that works, one that is none, one that is not there."""
    (tmp_path / "lines_backend.py").write_text(PLUGIN)
    folder = tmp_path / "lines_backend-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: lines-backend\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[udata.harvesters]\nlines = lines_backend:Lines\nodd = lines_backend:no_backend\ngone = lines_backend:Gone\n"
        "dcat = lines_backend:Lines\nbare = lines_backend:Bare\nunmakeable = lines_backend:Unmakeable\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "lines_backend", raising=False)


def test_the_backends_of_this_package() -> None:
    assert [one.name for one in known() if one.distribution == "udata"] == [
        "ckan",
        "csw-dcat",
        "csw-iso-19139",
        "dcat",
        "dkan",
    ]
    for one in known():
        if one.distribution == "udata":
            assert backend(one.name).name == one.name
            assert backend(one.name).display_name == one.name.upper()


def test_an_unknown_backend_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean dcat"):
        backend("dcta")


def test_settings_leave_backends_out_by_globs() -> None:
    assert [one.name for one in known(["csw-*"]) if one.enabled] == ["csw-dcat", "csw-iso-19139"]
    with pytest.raises(ConfigurationError, match="not in use"):
        backend("dcat", ["csw-*"])


@pytest.mark.usefixtures("plugin")
def test_another_package_adds_a_backend_and_replaces_none() -> None:
    assert {one.name: one.distribution for one in known()}["lines"] == "lines_backend"
    assert backend("lines").display_name == "Lines"
    assert backend("dcat").display_name == "DCAT"


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("odd", "no method `pages`"),
        ("gone", "Gone"),
        ("bare", "no `display_name` and no `filters`"),
        ("unmakeable", "no licence key"),
    ],
)
def test_a_backend_that_is_none_is_a_clear_error(name: str, reason: str) -> None:
    with pytest.raises(PluginError, match=name) as failure:
        backend(name)
    assert reason in failure.value.message


def test_the_configuration_of_a_source_is_read_whatever_it_holds() -> None:
    config = {
        "filters": [
            {"key": "organization", "value": "a"},
            {"key": "tags", "value": "b", "type": "exclude"},
            5,
            {"key": ""},
        ],
        "features": {"geodcatap": True},
        "extra_configs": [{"key": "remote_url_prefix", "value": "http://e.org/"}, "x"],
    }
    source = Source.configured("http://e.org", config)
    assert source.filters == (Filter("organization", "a"), Filter("tags", "b", exclude=True))
    assert source.features == {"geodcatap": True}
    assert source.extras == {"remote_url_prefix": "http://e.org/"}
    assert Source.configured("http://e.org", {"filters": None, "features": []}) == Source("http://e.org")


@pytest.mark.usefixtures("plugin")
def test_the_list_tells_of_what_is_broken_or_clashes_and_shows_the_others(udata: Run) -> None:
    done = udata("harvest", "backends", "--json")
    assert done.exit_code == 0
    assert {"dcat", "lines", "odd", "gone"} <= {one["name"] for one in json.loads(done.stdout)}
    assert "the harvester dcat of lines_backend is left out: udata has one of that name" in done.stderr
    assert "unmakeable of lines_backend cannot be made: RuntimeError: no licence key" in done.stderr
