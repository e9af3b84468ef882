"""What concerns Elasticsearch and OpenSearch alone: their templates, their analysis, what else is on them."""

import pytest

from tests.search.corpus import dataset
from tests.search.queries import SYNONYMS
from udata.errors import ConfigurationError, ServerError
from udata.search.engines.base import Action, Definition, NoSuchIndex, Swap
from udata.search.engines.elasticsearch.engine import ElasticsearchEngine, _watermark
from udata.search.engines.elasticsearch.mapping import properties
from udata.search.engines.elasticsearch.node import addresses
from udata.search.fields import FIELDS

FRENCH = Definition("dataset", "fr", SYNONYMS["fr"])


@pytest.fixture
def index(server: ElasticsearchEngine, prefix: str) -> str:
    name = f"{prefix}dataset-2026-01-02-03-04"
    server.create_index(name, f"{prefix}dataset", FRENCH)
    return name


def terms(server: ElasticsearchEngine, index: str, analyser: str, text: str) -> list[str]:
    answer = server._client.indices.analyze(index=index, analyzer=analyser, text=text)
    return [token["token"] for token in answer["tokens"]]


@pytest.mark.slow
@pytest.mark.parametrize(("text", "expected"), [
    ("L’école d'été, à Noël", ["ecol", "ete", "noel"]),
    ("l'eau", ["eau"]), ("L’EAU", ["eau"]), ("aujourd’hui", ["aujourd'hui"]),
    ("les élections municipales", ["election", "municipal"]),
    ("L'ÉLECTION MUNICIPALE", ["election", "municipal"]),
    ("journaux officiels", ["journal", "oficiel"]),
])  # fmt: skip
def test_french_becomes_the_same_words_on_every_server(
    server: ElasticsearchEngine, index: str, text: str, expected: list[str]
) -> None:
    assert terms(server, index, "udata", text) == expected


@pytest.mark.slow
def test_english_becomes_the_same_words_on_every_server(server: ElasticsearchEngine, prefix: str) -> None:
    index = f"{prefix}dataset-en"
    server.create_index(index, f"{prefix}dataset", Definition("dataset", "en"))
    assert terms(server, index, "udata", "The people’s cities and boundaries") == ["peopl", "citi", "boundari"]
    assert terms(server, index, "udata", "a city's boundary") == ["citi", "boundari"]


@pytest.mark.slow
def test_another_language_is_searched_by_its_words_as_they_stand(server: ElasticsearchEngine, prefix: str) -> None:
    index = f"{prefix}dataset-pt"
    server.create_index(index, f"{prefix}dataset", Definition("dataset", "pt"))
    assert terms(server, index, "udata", "As Eleições dos municípios") == ["as", "eleicoes", "dos", "municipios"]


@pytest.mark.slow
def test_synonyms_are_for_questions_alone(server: ElasticsearchEngine, index: str) -> None:
    assert terms(server, index, "udata", "bicyclette") == ["bicyclet"]
    asked = terms(server, index, "udata_question", "bicyclette")
    assert {"bicyclet", "velo"} <= set(asked)
    # The left side of an arrow finds the right, and not the other way round.
    assert "medecin" in terms(server, index, "udata_question", "toubib")
    assert terms(server, index, "udata_question", "médecin") == ["medecin"]


@pytest.mark.slow
def test_synonyms_of_stop_words_or_of_nothing_do_not_keep_an_index_from_opening(
    server: ElasticsearchEngine, prefix: str
) -> None:
    odd = Definition("dataset", "fr", ("le, la", "l', d'", "…, !", "a => !"))
    server.create_index(f"{prefix}dataset-odd", f"{prefix}dataset", odd)
    assert server.search(f"{prefix}dataset-odd", "dataset", "le pont !").total == 0


@pytest.mark.slow
def test_what_another_program_creates_under_the_alias_is_mapped_as_ours(
    server: ElasticsearchEngine, prefix: str
) -> None:
    for model in FIELDS:
        alias = f"{prefix}{model}"
        server.put_template(alias, Definition(model, "fr"))
        name = f"{alias}-2027-01-01-00-00"
        server._client.index(index=name, id="1", document={"id": "1"})
        held = server._client.indices.get_mapping(index=name)[name]["mappings"]["properties"]
        assert {field: one["type"] for field, one in held.items()} == {
            field: one["type"] for field, one in properties(model).items()
        }
    # It is seen, can be written to, and takes the alias.
    alias = f"{prefix}dataset"
    assert [one.name for one in server.indices(alias)] == [f"{alias}-2027-01-01-00-00"]
    assert server.bulk(f"{alias}-2027-01-01-00-00", [Action("2", 1, dataset(2, "Écoles"))]).done == 1
    server.swap_aliases([Swap(alias, f"{alias}-2027-01-01-00-00")])
    assert server.count(alias) == 2


@pytest.mark.slow
def test_a_document_without_the_field_id_is_streamed_too(server: ElasticsearchEngine, index: str) -> None:
    server.bulk(index, [Action(one, 7, {"title": "x"} if one in "bd" else {"id": one}) for one in "edcba"])
    server.refresh(index)
    assert [(one.id, one.version) for one in server.stored(index)] == [(one, 7) for one in "abcde"]


@pytest.mark.slow
def test_an_index_with_the_name_of_the_alias_is_told_and_not_removed(
    server: ElasticsearchEngine, index: str, prefix: str
) -> None:
    server._client.index(index=f"{prefix}dataset", id="1", document={"id": "1"})
    with pytest.raises(ServerError, match=f"{prefix}dataset"):
        server.swap_aliases([Swap(f"{prefix}dataset", index)])
    assert server.count(f"{prefix}dataset") <= 1
    with pytest.raises(NoSuchIndex):
        server.bulk(f"{prefix}dataset", [Action("2", 1, {"id": "2"})], alias=True)


@pytest.mark.slow
def test_an_unversioned_write_of_the_portal_gives_way_to_ours(server: ElasticsearchEngine, index: str) -> None:
    server._client.index(index=index, id="a", document={"id": "a", "title": "theirs"})
    assert server.bulk(index, [Action("a", 1_795_000_000_000_000, {"id": "a", "title": "ours"})]).done == 1
    # And theirs takes the place of ours at once.
    server._client.index(index=index, id="a", document={"id": "a", "title": "theirs again"})
    assert server.get(index, ["a"])["a"]["title"] == "theirs again"
    assert server.bulk(index, [Action("a", 1_795_000_000_000_009, {"id": "a", "title": "ours"})]).done == 1


@pytest.mark.parametrize(("setting", "expected"), [
    ("localhost:9200", ["http://localhost:9200"]),
    ("search.example.org", ["http://search.example.org:9200"]),
    ("https://search.example.org", ["https://search.example.org:443"]),
    ("https://u:p%40@a:1/x, http://b:2", ["https://u:p%40@a:1/x", "http://b:2"]),
    ("http://[::1]:9200", ["http://[::1]:9200"]),
])  # fmt: skip
def test_an_address_may_be_written_short(setting: str, expected: list[str]) -> None:
    assert addresses(setting) == expected


@pytest.mark.parametrize(
    "setting", ["", " , ", "ftp://a:1", "http://", "http://a:port", "http://[::1", "http://u:secret@:1"]
)
def test_what_is_no_address_is_refused_without_its_password(setting: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        addresses(setting)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(("settings", "expected"), [
    ({}, 50), ({"watermark.flood_stage": "97%"}, 30), ({"watermark.flood_stage": "0.9"}, 100),
    ({"watermark.flood_stage": "10b"}, 10), ({"watermark.flood_stage": "1kb"}, 1024),
    ({"watermark.flood_stage.max_headroom": "20b"}, 20), ({"watermark.flood_stage.max_headroom": "-1"}, 50),
    ({"threshold_enabled": "false"}, 0),
])  # fmt: skip
def test_the_watermark_is_a_share_of_the_disk_or_a_size(settings: dict[str, str], expected: int) -> None:
    named = {f"cluster.routing.allocation.disk.{name}": value for name, value in settings.items()}
    assert abs(_watermark(named, 1000) - expected) <= 1
