"""What an operator may write into the settings, and what becomes of a slip."""

from pathlib import Path

import pytest

from udata.errors import ConfigurationError
from udata.masking import mask_credentials, masked
from udata.settings import SETTINGS, home, load


def write(folder: Path, text: str) -> dict[str, str]:
    """An environment whose settings file holds `text`."""
    file = folder / "udata.cfg"
    file.write_text(text, encoding="utf-8")
    return {"UDATA_SETTINGS": str(file)}


def test_nothing_given_means_the_embedded_default() -> None:
    settings = load({})
    assert settings.embedded
    assert settings["SITE_ID"] == "default"
    assert set(settings.sources.values()) == {"default"}


@pytest.mark.parametrize("name", ["MONGODB_HOST", "CELERY_BROKER_URL", "ELASTICSEARCH_URL"])
def test_a_server_that_is_named_ends_the_embedded_default_and_the_others_take_the_usual_addresses(name: str) -> None:
    settings = load({f"UDATA_{name}": "scheme://example"})
    assert not settings.embedded
    assert settings[name] == "scheme://example"
    others = {"MONGODB_HOST": "mongodb://localhost:27017/udata", "CELERY_BROKER_URL": "redis://localhost:6379"}
    others.pop(name, None)
    assert {other: settings[other] for other in others} == others


def test_a_settings_file_ends_the_embedded_default(tmp_path: Path) -> None:
    assert not load(write(tmp_path, "")).embedded


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environ = write(tmp_path, "SITE_ID = 'file'\nSERVER_TIMEOUT = 2\n")
    settings = load({**environ, "UDATA_SITE_ID": "environment"})
    assert settings["SITE_ID"] == "environment"
    assert settings.sources["SITE_ID"] == "environment"
    assert settings["SERVER_TIMEOUT"] == 2
    assert settings.sources["SERVER_TIMEOUT"] == environ["UDATA_SETTINGS"]


def test_a_portal_s_own_settings_file_is_taken_as_it_is(tmp_path: Path) -> None:
    environ = write(
        tmp_path,
        "from datetime import timedelta\n"
        "DEBUG = False\n"
        "PLUGINS = ['front', 'gouvfr']\n"
        "MONGODB_HOST = 'mongodb://db/portal'\n"
        "SESSION_LIFETIME = timedelta(days=1)\n"
        "lower_case = 1\n",
    )
    settings = load(environ)
    assert settings.errors == []
    assert settings["PLUGINS"] == ["front", "gouvfr"]
    assert "lower_case" not in settings


def test_texts_in_the_environment_stand_as_they_are_and_the_rest_is_json() -> None:
    settings = load({"UDATA_SITE_ID": "007", "UDATA_SERVER_TIMEOUT": "1.5", "UDATA_MONGODB_PORT": "27018"})
    assert (settings["SITE_ID"], settings["SERVER_TIMEOUT"], settings["MONGODB_PORT"]) == ("007", 1.5, 27018)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("UDATA_MONGODB_PORT", "many"),
        ("UDATA_MONGODB_PORT", "1.5"),
        ("UDATA_MONGODB_PORT", "true"),
        ("UDATA_MONGODB_PORT", "null"),
        ("UDATA_SECURITY_PASSWORD_REQUIREMENTS_DIGITS", "1"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error_that_names_the_setting(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=variable.removeprefix("UDATA_")) as caught:
        load({variable: text})
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("MONGODB_HOST = ", "line 1"),
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("SITE_ID = 12", "SITE_ID"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_settings_file_that_is_wrong_is_one_error_that_names_the_file(
    tmp_path: Path, content: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, content))
    assert said in str(caught.value)
    assert "udata.cfg" in str(caught.value)


def test_a_settings_file_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"/no/such/file\.cfg"):
        load({"UDATA_SETTINGS": "/no/such/file.cfg"})


def test_a_diagnosis_goes_on_after_every_error(tmp_path: Path) -> None:
    environ = write(tmp_path, "SITE_ID = 12\nMONGODB_PORT = 'x'\n")
    settings = load({**environ, "UDATA_SERVER_TIMEOUT": "soon"}, lenient=True)
    assert len(settings.errors) == 3
    assert settings["SITE_ID"] == "default"


def test_an_unknown_variable_with_our_prefix_is_a_warning_with_the_nearest_name() -> None:
    assert load({"UDATA_MONGODB_HOTS": "x"}).warnings == [
        "UDATA_MONGODB_HOTS is no setting: did you mean UDATA_MONGODB_HOST?"
    ]


def test_the_variables_that_are_no_settings_pass_in_silence() -> None:
    assert load({"UDATA_HOME": "/x", "UDATA_TEST_MONGODB": "x"}).warnings == []


def test_settings_that_would_break_the_queue_are_ignored_with_a_notice(tmp_path: Path) -> None:
    settings = load(write(tmp_path, "CELERY_TASK_SERIALIZER = 'pickle'\n"))
    assert "CELERY_TASK_SERIALIZER" not in settings
    assert "JSON" in settings.warnings[0]


def test_secrets_and_credentials_are_masked() -> None:
    assert masked("SECRET_KEY", "abc") == "********"
    assert masked("SOME_PLUGIN_API_KEY", "abc") == "********"
    assert masked("SITE_ID", "abc") == "abc"
    assert load({}).shown("SECURITY_PASSWORD_LENGTH_MIN") == 8
    assert mask_credentials("redis://:p%40ss@host:1/0") == "redis://********@host:1/0"
    assert mask_credentials("mongodb://u:p@a,b/db?x=1") == "mongodb://********@a,b/db?x=1"
    assert mask_credentials("http://host/a@b") == "http://host/a@b"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("MONGODB_HOST", "user:pass-word@db.example.org", "********@db.example.org"),
        ("CELERY_BROKER_URL", "redis://:pass/word@host:6379/0", "redis://********@host:6379/0"),
        ("CELERY_BROKER_URL", "redis://:pass word#?@host", "redis://********@host"),
        ("CELERY_BROKER_URL", "redis://:pass@h1;redis://:word@h2", "redis://********@h1;redis://********@h2"),
        ("CELERY_BROKER_URL", "redis+socket:///r.sock?password=pass&x=1", "redis+socket:///r.sock?password=********&x=1"),
        ("CDATA_BASE_URL", "https://example.org/@town", "https://example.org/@town"),
        (
            "CELERY_BROKER_TRANSPORT_OPTIONS",
            {"sentinel_kwargs": {"password": "pass", "db": 1}, "urls": ["redis://:word@h"]},
            {"sentinel_kwargs": {"password": "********", "db": 1}, "urls": ["redis://********@h"]},
        ),
        ("PORTALS_OWN", ("redis://:pass@h", 7), ["redis://********@h", 7]),
        ("PORTALS_PASSPHRASE", "word", "********"),
    ],
)  # fmt: skip
def test_secrets_are_masked_wherever_they_stand(name: str, value: object, shown: object) -> None:
    assert masked(name, value) == shown


def test_a_portal_may_give_a_folder_as_a_path_and_a_sender_with_a_name(tmp_path: Path) -> None:
    file = "from pathlib import Path\nFS_ROOT = Path('/srv/fs')\nMAIL_DEFAULT_SENDER = ('Town', 'data@example.org')\n"
    settings = load(write(tmp_path, file))
    assert str(settings["FS_ROOT"]) == "/srv/fs"
    assert settings["MAIL_DEFAULT_SENDER"] == ("Town", "data@example.org")


def test_what_could_not_be_taken_is_known(tmp_path: Path) -> None:
    settings = load({**write(tmp_path, "raise SystemExit"), "UDATA_MONGODB_PORT": "x"}, lenient=True)
    assert settings.unread
    assert settings.wrong == {"MONGODB_PORT"}
    assert not load(write(tmp_path, "SITE_ID = 1"), lenient=True).unread


def test_the_home_is_what_the_environment_says_or_the_platform_s_folder(tmp_path: Path) -> None:
    assert home({"UDATA_HOME": str(tmp_path)}) == tmp_path
    assert home({}).name == "udata"


def test_each_setting_has_a_meaning_and_a_default_of_its_type() -> None:
    for setting in SETTINGS:
        assert setting.meaning.endswith("."), setting.name
        assert setting.default is None or isinstance(setting.default, setting.type), setting.name
