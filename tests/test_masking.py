"""What is secret stays in the process."""

from collections.abc import Iterator

import pytest

from udata import masking
from udata.settings import load


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    masking.forget()
    yield
    masking.forget()


@pytest.mark.parametrize(
    "name",
    [
        "SECRET_KEY", "LDAP_BIND_PWD", "CREDS", "OAUTH", "Authorization", "SMTP_PASS", "SENTRY_DSN", "password",
        "api_key", "fs_uniquifier", "tf_totp_secret", "access-key", "API_TOKEN",
    ],
)  # fmt: skip
def test_names_say_what_is_secret(name: str) -> None:
    assert masking.sounds_secret(name)


@pytest.mark.parametrize("name", ["SITE_ID", "label", "key", "passage", "private", "monkey", "compass", "author"])
def test_and_what_is_not(name: str) -> None:
    assert not masking.sounds_secret(name)


def test_a_secret_is_taken_out_wherever_it_stands_and_however_it_is_quoted() -> None:
    masking.remember("pass word/tail#1?x")
    for text in ("pass word/tail#1?x", "bad port: 'tail'", "pass%20word%2Ftail%231%3Fx", "pass+word%2Ftail%231%3Fx"):
        assert "tail" not in masking.clean(text)
        assert masking.HIDDEN in masking.clean(text)


def test_a_fragment_is_taken_out_as_a_word_of_its_own() -> None:
    masking.remember("test")
    assert masking.clean("the latest test, a contest") == "the latest ********, a contest"


def test_too_short_a_fragment_is_a_part_of_other_words() -> None:
    masking.remember("a/bc")
    assert masking.clean("abc a bc a/bc") == "abc a bc ********"


@pytest.mark.parametrize(
    "address",
    ["mongodb://u:tell tale@host/db", "u:tell tale@host", "redis://:tell tale@host", "redis://:tell\ttale@host"],
)
def test_the_password_of_an_address_is_known(address: str) -> None:
    masking.remember_within("", address)
    assert masking.clean("'tell' and 'tale'") == "'********' and '********'"


def test_settings_make_their_secrets_known() -> None:
    load({"UDATA_SECRET_KEY": "correct horse", "UDATA_CELERY_BROKER_URL": "redis://:battery@host"})
    assert masking.clean("correct horse, battery, staple") == "********, ********, staple"


def test_bytes_and_sets_are_looked_into() -> None:
    assert masking.masked("PORTALS_OWN", {b"redis://:pass@h", "x"}) == ["redis://********@h", "x"]
