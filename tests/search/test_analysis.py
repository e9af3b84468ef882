"""Languages and synonyms, before any engine reads them."""

from typing import Any

import pytest

from udata.errors import ConfigurationError
from udata.search.analysis import LANGUAGES, OTHER, Synonyms, language, parse_synonyms
from udata.search.engines.opening import definition, open_engine
from udata.settings import Settings, load


def test_a_language_is_found_by_its_code_whatever_the_country() -> None:
    assert language("fr") is language("fr-CA") is language("FR_ca") is LANGUAGES["fr"]
    assert language("pt") is language("") is OTHER


@pytest.mark.parametrize("name", LANGUAGES)
def test_stop_words_are_written_as_they_are_compared(name: str) -> None:
    words = [*language(name).articles.split(), *language(name).stop_words.split()]
    assert [word for word in words if word != word.lower() or not word.isascii()] == []
    assert len(set(words)) == len(words)


def test_a_line_of_synonyms_goes_both_ways_or_one() -> None:
    assert parse_synonyms(["car,  automobile ,", " sncf => train à  grande vitesse, tgv "]) == [
        Synonyms(("car", "automobile"), ("car", "automobile")),
        Synonyms(("sncf",), ("train à grande vitesse", "tgv")),
    ]


@pytest.mark.parametrize("line", ["", "car", "a =>", "=> a", "a => b => c", ",", 7, None])
def test_what_is_no_line_of_synonyms_is_refused(line: Any) -> None:
    with pytest.raises(ConfigurationError, match="SEARCH_SYNONYMS"):
        parse_synonyms([line])


def test_the_settings_decide_what_an_index_is_made_of(settings: Settings) -> None:
    settings["DEFAULT_LANGUAGE"] = "fr"
    assert definition(settings, "reuse") == ("reuse", "fr", ())
    settings["SEARCH_LANGUAGE"], settings["SEARCH_SYNONYMS"] = "en", ["car, automobile"]
    assert definition(settings, "reuse") == ("reuse", "en", ("car, automobile",))


def test_no_engine_where_servers_are_named_and_no_search_server_is(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no search server is configured"):
        open_engine(load())
