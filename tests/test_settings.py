"""What an operator may write into the settings, and what becomes of a slip."""

import traceback
from pathlib import Path

import pytest

from udata.errors import ConfigurationError
from udata.masking import mask_credentials, masked
from udata.setting_rows import LARGEST, SETTINGS
from udata.settings import Settings, home, load, starting


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


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SERVER_TIMEOUT", "NaN", "must be a number from 0.01 to 3600, not NaN"),
        ("SERVER_TIMEOUT", "-1", "not -1"),
        ("SERVER_TIMEOUT", "1e300", "not as large a number"),
        ("SERVER_TIMEOUT", "9" * 400, "not as large a number"),
        ("JOB_HISTORY_DAYS", "999999", "from 0 to 36500, not 999999"),
        ("JOB_LEASE_SECONDS", "1e20", "from 0.1 to 86400"),
        ("REAPER_SECONDS", "Infinity", "from 0.05 to 3600"),
        ("WORKER_GRACE_SECONDS", "-0.5", "from 0 to 86400"),
        ("MONGODB_PORT", "65536", "from 1 to 65535"),
        ("CACHE_REDIS_DB", "-1", "from 0"),
        ("HTTP_MAX_BYTES", "0", "at least 1"),
        ("SECURITY_PASSWORD_LENGTH_MIN", "[" * 100_000, "in JSON"),
        ("CACHE_KEY_PREFIX", "\udcff", "not what is no UTF-8"),
    ],
)
def test_each_setting_has_a_range(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load({f"UDATA_{variable}": value})
    assert variable in raised.value.message
    assert said in raised.value.message


def test_what_is_kept_for_ever_is_0_days() -> None:
    assert load({"UDATA_JOB_HISTORY_DAYS": "0"})["JOB_HISTORY_DAYS"] == 0


def test_every_number_has_a_range_and_its_default_lies_within() -> None:
    for setting in SETTINGS:
        if setting.type in (int, float):
            assert setting.least is not None, setting.name
            if setting.default is not None:
                assert setting.least <= setting.default <= (setting.most or LARGEST), setting.name


def test_secrets_may_be_bytes_as_in_flask(tmp_path: Path) -> None:
    settings = load(write(tmp_path, "SECRET_KEY = b'_5#y2L\\xec'\nSECURITY_PASSWORD_SALT = b'abc'\n"))
    assert settings["SECRET_KEY"] == b"_5#y2L\xec"
    assert settings["SECURITY_PASSWORD_SALT"] == "abc"
    assert settings.shown("SECRET_KEY") == "********"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Odd(BaseException):\n    pass\nraise Odd", "Odd"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("def again():\n    again()\nagain()", "RecursionError"),
        (
            "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\nraise Mute",
            "Mute: it does not say",
        ),
        ("A = " + "(" * 5_000, "is not valid Python"),
        ("A = " + "-" * 100_000 + "1", "is not valid Python"),
        ("A = 1\0", "is not valid Python"),
    ],
)
def test_whatever_a_settings_file_does_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(write(tmp_path, text))
    assert said in raised.value.message


@pytest.mark.parametrize("path", ["/dev/zero", "/", "/nowhere/udata.cfg", "a\0b"])
def test_what_is_no_file_of_settings_is_one_line(path: str) -> None:
    with pytest.raises(ConfigurationError, match="UDATA_SETTINGS names"):
        load({"UDATA_SETTINGS": path})


def test_what_a_settings_file_prints_is_no_part_of_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(write(tmp_path, "print('loading')\n"))
    assert capsys.readouterr() == ("", "loading\n")


def test_the_line_that_fails_is_not_shown_in_a_traceback(tmp_path: Path) -> None:
    for text in ("KEY = 'horse' + 1\n", "KEY = 'horse' 'battery' 1\n"):
        try:
            load(write(tmp_path, text))
        except ConfigurationError:
            assert "horse" not in traceback.format_exc()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MONGODB_HSOT", "MONGODB_HOST"), ("MONGODB_HOSTS", "MONGODB_HOST"), ("MONGODBHOST", "MONGODB_HOST"),
        ("SECRET_KEX", "SECRET_KEY"), ("mongodb_host", "MONGODB_HOST"),
    ],
)  # fmt: skip
def test_a_slip_in_a_settings_file_is_warned_of(name: str, meant: str, tmp_path: Path) -> None:
    settings = load(write(tmp_path, f"{name} = 'x'\n"))
    assert settings.warnings == [f"{name} ({tmp_path / 'udata.cfg'}) is no setting: did you mean {meant}?"]


def test_a_portals_own_settings_are_no_slips(tmp_path: Path) -> None:
    names = ("PLUGINS", "SECURITY_PASSWORD_LENGTH_MAX", "MAIL_DEBUG", "THEME", "SITE_TITLE", "LANGUAGES", "CACHE_DIR")
    assert load(write(tmp_path, "".join(f"{name} = 'x'\n" for name in names))).warnings == []


def test_a_server_that_is_away_is_started_again_by_the_command_for_the_embedded_ones() -> None:
    settings = Settings()
    assert "udata embedded start" in starting(settings, "MONGODB_HOST")
    settings.take("MONGODB_HOST", "mongodb://127.0.0.1/udata", "environment")
    assert starting(settings, "MONGODB_HOST") == "start it, or set MONGODB_HOST to one that runs"
