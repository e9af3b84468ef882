"""What is said of the settings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.diagnosis.looking import SetEnv, found, look, said
from udata.services.diagnosis import configuration
from udata.services.diagnosis.run import diagnose
from udata.settings import load


def test_a_settings_file_that_is_no_python_hides_what_stands_in_it_and_nothing_else(
    settings_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings_file("SITE_ID = 'x'\nMONGODB_HOST = \n")
    monkeypatch.delenv("UDATA_MONGODB_HOST")
    report = diagnose()
    assert not report.ok
    check = found(report, "settings")
    assert (check.ok, check.remedy) == (False, "mend it")
    assert f"{file} is not valid Python: line 2" in check.value
    # The database of the default may be anybody's: it is not looked at.
    assert found(report, "database").ok is None
    assert "cannot be read" in found(report, "database").value
    assert found(report, "broker").ok is True


def test_settings_of_a_wrong_type_are_all_named_and_only_what_needs_them_is_left_out(
    settings_file: Callable[[str], Path], give: SetEnv
) -> None:
    settings_file("SITE_ID = 12\nCACHE_REDIS_DB = 'zero'\n")
    give("MAIL_PORT", "many")
    report = diagnose()
    assert [note.text.split()[0] for note in found(report, "settings").problems] == [
        "SITE_ID", "CACHE_REDIS_DB", "UDATA_MAIL_PORT",
    ]  # fmt: skip
    assert "CACHE_REDIS_DB is wrong" in found(report, "cache").value
    assert "MAIL_PORT is wrong" in found(report, "mail").value
    assert found(report, "database").ok is True


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SERVER_TIMEOUT", "0", "must be a number from 0.01 to 3600, not 0"),
        ("CELERY_TIMEZONE", "Mars/Base", "Mars/Base"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(give: SetEnv, name: str, value: str, words: str) -> None:
    give(name, value)
    assert words in look("settings").value


def test_unknown_and_ignored_settings_and_default_secrets_are_warnings(
    settings_file: Callable[[str], Path], give: SetEnv
) -> None:
    settings_file("CELERY_TASK_SERIALIZER = 'pickle'\n")
    give("SITE_IDD", "x")
    report = diagnose()
    assert report.ok
    assert report.warnings >= 4
    words = said(found(report, "settings"))
    for part in ("CELERY_TASK_SERIALIZER", "SITE_IDD", "did you mean UDATA_SITE_ID?", "SECRET_KEY", "PASSWORD_SALT"):
        assert part in words


def test_secrets_of_one_s_own_are_nothing_to_warn_of(give: SetEnv) -> None:
    give("SECRET_KEY", "a")
    give("SECURITY_PASSWORD_SALT", "b")
    assert look("settings").warnings == []


def test_each_setting_is_shown_with_its_source_and_secrets_are_not(
    settings_file: Callable[[str], Path], give: SetEnv
) -> None:
    file = settings_file("SITE_ID = 'town'\nTHEME = 'blue'\nPORTAL_TOKEN = 'hidden'\n")
    give("SECRET_KEY", "hidden")
    shown = {one.name: one for one in configuration.shown(load())}
    assert shown["SITE_ID"][1:] == ("town", str(file))
    assert shown["SECRET_KEY"][1:] == ("********", "environment")
    assert shown["DEFAULT_LANGUAGE"][1:] == ("en", "default")
    assert shown["THEME"][1:] == ("blue", str(file))
    assert shown["PORTAL_TOKEN"].value == "********"


def test_events_of_resources_that_nobody_is_told_of_are_a_warning(give: SetEnv) -> None:
    give("PUBLISH_ON_RESOURCE_EVENTS", "true")
    assert any("RESOURCES_ANALYSER_URI is not told" in note.text for note in look("settings").warnings)
