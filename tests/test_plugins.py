"""Packages that add to the command line, and those that cannot."""

import sys
from pathlib import Path

import pytest

from udata.plugins import PluginError, load, plugins, unclashing


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path where packages may be installed."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def install(site: Path, distribution: str, entry_points: str) -> None:
    """What an installer leaves of a package's entry points."""
    folder = site / f"{distribution}-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text(entry_points, encoding="utf-8")


def test_the_entry_points_of_a_group_are_found_without_importing_them(site: Path) -> None:
    install(
        site,
        "portal_extras",
        "[console_scripts]\nx = y:z\n\n[udata.jobs]\n# theirs\nb = extras.jobs\na = extras.jobs [full]\n"
        "[udata.checks]\nc = extras.checks:Check\n",
    )
    found = plugins("udata.jobs")
    assert [(plugin.name, plugin.value, plugin.distribution) for plugin in found] == [
        ("a", "extras.jobs", "portal_extras"),
        ("b", "extras.jobs", "portal_extras"),
    ]
    assert "extras" not in sys.modules


def test_what_a_plugin_names_is_imported(site: Path) -> None:
    install(site, "good", "[udata.checks]\nc = good_plugin:Holder.value\n")
    (site / "good_plugin.py").write_text("class Holder:\n    value = 42\n", encoding="utf-8")
    assert load(plugins("udata.checks")[0]) == 42


@pytest.mark.parametrize("content", [None, "raise RuntimeError('broken inside')", "other = 1"])
def test_a_plugin_that_fails_to_load_is_named_with_its_distribution(site: Path, content: str | None) -> None:
    install(site, "bad", "[udata.checks]\nc = bad_plugin:check\n")
    if content is not None:
        (site / "bad_plugin.py").write_text(content, encoding="utf-8")
    sys.modules.pop("bad_plugin", None)
    with pytest.raises(PluginError, match="the plugin c of bad cannot be loaded"):
        load(plugins("udata.checks")[0])


def test_a_name_that_is_taken_is_refused_and_its_holder_named(site: Path) -> None:
    install(site, "first", "[udata.checks]\nreferences = first:Check\nseo = first:Check\n")
    install(site, "second", "[udata.checks]\nseo = second:Check\n")
    free, refused = unclashing("udata.checks", {"references"})
    assert [(plugin.name, plugin.distribution) for plugin in free] == [("seo", "first")]
    assert [error.message for error in refused] == [
        "the check references of first is left out: udata has one of that name",
        "the check seo of second is left out: first has one of that name",
    ]
