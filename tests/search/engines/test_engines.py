"""What every engine does alike: the same tests on the embedded one, on Elasticsearch and on OpenSearch."""

from collections.abc import Callable, Iterator
from statistics import mean
from threading import Event, Thread
from typing import Any

import orjson
import pytest

from tests.search.corpus import dataset, datasets
from tests.search.queries import QUERIES, SYNONYMS
from udata.errors import UdataError, UsageError
from udata.search.engines.base import (
    Action,
    Definition,
    Engine,
    Failure,
    IndexExists,
    NoSuchIndex,
    Swap,
    digest,
)
from udata.search.engines.sender import Sent, send

FRENCH = Definition("dataset", "fr")
# The same word with and without accents, which must lead to the same documents whatever the stemmer does to it.
ACCENTED = (
    "élève", "économie", "dépêche", "forêts", "hôpitaux", "séries", "écoles", "péage", "pêche", "pâturages",
    "événement", "réseaux", "français", "garçons", "maïs", "aiguës", "musée", "lycées", "défibrillateurs", "marchés",
    "identité", "dépenses", "créées", "générale", "théâtres", "bâtiments", "côtes", "naïveté", "électricité",
    "préfecture",
)  # fmt: skip


@pytest.fixture
def index(engine: Engine, prefix: str) -> str:
    """A new and empty index of datasets, in French."""
    name = f"{prefix}dataset-2026-01-02-03-04"
    engine.create_index(name, f"{prefix}dataset", FRENCH)
    return name


def put(engine: Engine, index: str, *titles: str) -> None:
    engine.bulk(index, [Action(f"{n:024x}", 1, dataset(n, title)) for n, title in enumerate(titles)])
    engine.refresh(index)


def found(engine: Engine, target: str, text: str) -> list[str]:
    return [hit.title for hit in engine.search(target, "dataset", text).hits]


def test_the_engine_says_what_it_is_and_how_it_is(engine: Engine, index: str) -> None:
    server = engine.server()
    assert server.name in ("Elasticsearch", "OpenSearch", "tantivy")
    assert server.version[0].isdigit()
    health = engine.health()
    assert health.status in ("green", "yellow")
    assert health.nodes == 1
    assert index not in health.read_only
    disk = engine.disk()
    assert 0 < disk.free < disk.total
    assert 0 <= disk.watermark < disk.total


def test_a_new_index_is_empty_and_no_alias_names_it(engine: Engine, index: str, prefix: str) -> None:
    [listed] = engine.indices(f"{prefix}dataset")
    assert listed.name == index
    assert listed.documents == 0
    assert listed.aliases == ()
    assert engine.aliases([f"{prefix}dataset"]) == {f"{prefix}dataset": []}
    with pytest.raises(IndexExists):
        engine.create_index(index, f"{prefix}dataset", FRENCH)


def test_a_write_never_creates_an_index(engine: Engine, index: str, prefix: str) -> None:
    action = Action("a", 1, dataset(1, "Écoles"))
    with pytest.raises(NoSuchIndex):
        engine.bulk(f"{prefix}dataset", [action], alias=True)
    with pytest.raises(NoSuchIndex):
        engine.bulk(f"{prefix}dataset-2020-01-01-00-00", [action])
    # An index by its name is no alias, and the other way round.
    with pytest.raises(NoSuchIndex):
        engine.bulk(index, [action], alias=True)
    engine.delete_index(index)
    with pytest.raises(NoSuchIndex):
        engine.bulk(index, [action])
    assert engine.indices(f"{prefix}dataset") == []


def test_what_is_written_is_read_back_as_it_was(engine: Engine, index: str) -> None:
    documents = {"b": dataset(1, "Écoles", "“Été” à l’île"), "a": dataset(2, "Ponts"), "c": {"id": "c", "title": None}}
    actions = [Action(one, 5, held) for one, held in documents.items()]
    actions[0] = Action("b", 5, orjson.dumps(documents["b"], option=orjson.OPT_INDENT_2))
    assert engine.bulk(index, actions).done == 3
    engine.refresh(index)
    assert engine.count(index) == 3
    assert engine.get(index, ["a", "b", "nobody", "c"]) == documents


def test_the_newer_version_wins_and_an_equal_one_is_written_again(engine: Engine, index: str) -> None:
    def write(version: int, title: str | None) -> tuple[int, int]:
        document = None if title is None else {"id": "a", "title": title}
        done, stale, failures = engine.bulk(index, [Action("a", version, document)])
        assert failures == []
        return done, stale

    assert write(1_795_000_000_000_000, "first") == (1, 0)
    assert write(1_794_999_999_999_999, "late") == (0, 1)
    assert write(1_795_000_000_000_000, "again") == (1, 0)
    assert engine.get(index, ["a"])["a"]["title"] == "again"
    assert write(1_795_000_000_000_002, None) == (1, 0)
    assert write(1_795_000_000_000_001, "late") == (0, 1)
    assert engine.get(index, ["a"]) == {}
    engine.refresh(index)
    assert engine.count(index) == 0
    assert list(engine.stored(index)) == []
    assert write(1_795_000_000_000_003, "back") == (1, 0)
    engine.refresh(index)
    assert [one.version for one in engine.stored(index)] == [1_795_000_000_000_003]


def test_removing_what_is_not_there_is_done(engine: Engine, index: str) -> None:
    assert engine.bulk(index, [Action("nobody", 1), Action("a", 1, {"id": "a"})]).done == 2


@pytest.mark.parametrize("wrong", [
    {"views": "many"}, {"featured": "no"}, {"featured": {"a": 1}}, {"created_at": "yesterday"}, {"views": True},
])  # fmt: skip
def test_a_document_with_a_wrong_value_fails_alone(engine: Engine, index: str, wrong: dict[str, Any]) -> None:
    actions = [Action(str(n), 1, dataset(n, f"Écoles {n}")) for n in range(5)]
    actions[2] = actions[2]._replace(document={**dataset(2, "Écoles"), **wrong})
    done, stale, failures = engine.bulk(index, actions)
    assert (done, stale) == (4, 0)
    [failure] = failures
    assert (failure.id, failure.status, failure.retryable) == ("2", 400, False)
    assert next(iter(wrong)) in failure.reason
    # What the same engine writes afterwards is not lost.
    engine.bulk(index, [Action("later", 1, dataset(9, "Ponts"))])
    engine.refresh(index)
    assert engine.count(index) == 5


@pytest.mark.parametrize("content", [{"title": "\ud800"}, {"title": object()}, {"views": 2**80}])
def test_what_is_no_json_fails_alone(engine: Engine, index: str, content: dict[str, Any]) -> None:
    done, _, failures = engine.bulk(index, [Action("a", 1, content), Action("b", 1, {"id": "b"})])
    assert done == 1
    assert [(failure.id, failure.status) for failure in failures] == [("a", 400)]


def test_odd_dates_long_words_and_unknown_fields_are_taken(engine: Engine, index: str) -> None:
    odd = {"id": "a", "title": "x" * 40_000, "tags": ["y" * 40_000, None], "unknown": "z",
           "temporal_coverage_end": "9999-12-31", "created_at": "2024-02-29T23:59:59.123456+02:00"}  # fmt: skip
    assert engine.bulk(index, [Action("a", 1, odd)]).failures == []
    assert engine.get(index, ["a"]) == {"a": odd}


def test_everything_is_streamed_by_id_with_versions_and_hashes(engine: Engine, index: str) -> None:
    ids = [f"{n * 7919 % 2500:024x}" for n in range(2500)] + [
        "Z",
        "a",
        "ff",
        "g",
        "É",
        "_x",
        "6b04ec107d38ab8dd91dbe1a",
    ]
    sent = send(engine, index, (Action(one, n + 1, {"id": one, "title": f"t{n}"}) for n, one in enumerate(ids)))
    assert sent.done == len(ids)
    engine.refresh(index)
    listed = list(engine.stored(index))
    assert [one.id for one in listed] == sorted(ids)
    assert {one.id: one.version for one in listed} == {one: n + 1 for n, one in enumerate(ids)}
    assert listed[0].digest == digest({"title": f"t{ids.index(listed[0].id)}", "id": listed[0].id})


def test_aliases_move_together_or_not_at_all(engine: Engine, prefix: str) -> None:
    aliases = [f"{prefix}{model}" for model in ("dataset", "reuse")]
    for suffix in ("one", "two"):
        for alias in aliases:
            engine.create_index(f"{alias}-{suffix}", alias, Definition(alias.removeprefix(prefix), "en"))
    engine.swap_aliases([Swap(alias, f"{alias}-one") for alias in aliases])
    assert engine.aliases(aliases) == {alias: [f"{alias}-one"] for alias in aliases}
    with pytest.raises(NoSuchIndex):
        engine.swap_aliases([Swap(aliases[0], f"{aliases[0]}-two"), Swap(aliases[1], f"{aliases[1]}-three")])
    assert engine.aliases(aliases) == {alias: [f"{alias}-one"] for alias in aliases}
    for _ in range(2):
        engine.swap_aliases([Swap(alias, f"{alias}-two") for alias in aliases])
        assert engine.aliases(aliases) == {alias: [f"{alias}-two"] for alias in aliases}
    assert [one.aliases for one in engine.indices(aliases[0])] == [(), (aliases[0],)]


def test_an_index_that_an_alias_names_is_never_removed(engine: Engine, index: str, prefix: str) -> None:
    engine.swap_aliases([Swap(f"{prefix}dataset", index)])
    with pytest.raises(UdataError, match="in use"):
        engine.delete_index(index)
    other = f"{prefix}dataset-2027-01-01-00-00"
    engine.create_index(other, f"{prefix}dataset", FRENCH)
    engine.swap_aliases([Swap(f"{prefix}dataset", other)])
    engine.delete_index(index)
    with pytest.raises(NoSuchIndex):
        engine.delete_index(index)
    assert [one.name for one in engine.indices(f"{prefix}dataset")] == [other]


def test_readers_of_an_alias_see_one_whole_index_while_it_moves(engine: Engine, prefix: str) -> None:
    alias = f"{prefix}dataset"
    for number in range(2):
        engine.create_index(f"{alias}-{number}", alias, FRENCH)
        put(engine, f"{alias}-{number}", *["Écoles"] * 50)
    engine.swap_aliases([Swap(alias, f"{alias}-0")])
    ended = Event()
    seen: list[int] = []

    def read() -> None:
        while not ended.is_set():
            seen.append(engine.search(alias, "dataset", "ecole").total)

    reader = Thread(target=read)
    reader.start()
    for number in range(20):
        engine.swap_aliases([Swap(alias, f"{alias}-{number % 2}")])
    ended.set()
    reader.join()
    assert len(seen) > 1
    assert set(seen) == {50}


def test_very_many_are_sent_in_batches_and_what_fails_is_named(engine: Engine, index: str) -> None:
    failures: list[Failure] = []
    told: list[int] = []

    def actions() -> Iterator[Action]:
        for n in range(12_000):
            document = {"id": str(n), "title": f"Écoles {n}", "views": "x" if n in (17, 11_000) else 1.5}
            yield Action(str(n), 1, document)

    sent = send(engine, index, actions(), on_failure=failures.append, on_progress=told.append)
    assert sent == Sent(done=11_998, stale=0, failed=2, retried=0)
    assert sorted(failure.id for failure in failures) == ["11000", "17"]
    assert sum(told) == 12_000
    engine.refresh(index)
    assert engine.count(index) == 11_998


def test_what_the_reader_raises_ends_the_sending(engine: Engine, index: str) -> None:
    def actions() -> Iterator[Action]:
        yield Action("a", 1, {"id": "a"})
        raise UsageError("the reader fails")

    with pytest.raises(UsageError, match="the reader fails"):
        send(engine, index, actions())


def test_words_with_and_without_accents_lead_to_the_same(engine: Engine, index: str) -> None:
    put(engine, index, *ACCENTED)
    plain = str.maketrans("àâäçéèêëîïôöùûü", "aaaceeeeiioouuu")
    for word in ACCENTED:
        for asked in (word, word.translate(plain), word.upper(), word.translate(plain).upper()):
            assert found(engine, index, asked)[0] == word, asked


def test_apostrophes_and_articles_make_no_difference(engine: Engine, index: str) -> None:
    put(engine, index, "Analyse d’impact", "Usages de l'eau", "L’Île", "Ponts")
    for asked in ("eau", "l'eau", "l’eau", "de l’eau", "EAU"):
        assert found(engine, index, asked) == ["Usages de l'eau"], asked
    for asked in ("ile", "l'île", "L’Ile"):
        assert found(engine, index, asked) == ["L’Île"], asked
    assert found(engine, index, "d'impact") == found(engine, index, "impacts") == ["Analyse d’impact"]


@pytest.mark.parametrize(
    "text", ["", " ", "***", "le la les", "a AND (b OR", "\"'", "a:b^2~", "\\", "x" * 5000, "é" * 999]
)
def test_whatever_is_typed_is_a_question(engine: Engine, index: str, text: str) -> None:
    put(engine, index, "Écoles", "Ponts")
    assert engine.search(index, "dataset", text).total in (0, 1, 2)


def test_a_limit_bounds_the_hits_and_not_the_total(engine: Engine, index: str) -> None:
    put(engine, index, *[f"Écoles {n}" for n in range(30)])
    answer = engine.search(index, "dataset", "ecoles", limit=3)
    assert answer.total == 30
    assert len(answer.hits) == 3
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)


@pytest.mark.parametrize("language", list(QUERIES))
def test_people_find_what_they_expect(
    engine: Engine, prefix: str, language: str, record_property: Callable[[str, object], None]
) -> None:
    index = f"{prefix}dataset-{language}"
    engine.create_index(index, f"{prefix}dataset", Definition("dataset", language, SYNONYMS[language]))
    send(engine, index, (Action(one.id, 1, one.document) for one in datasets(language)))
    engine.refresh(index)
    ranks = {}
    for asked in QUERIES[language]:
        titles = found(engine, index, asked.text)
        ranks[asked.text] = 1 / (titles.index(asked.title) + 1) if asked.title in titles else 0.0
    reciprocal = mean(ranks.values())
    server = engine.server()
    record_property("rank", f"{server.name} {server.version}, {language}: {len(ranks)} questions, {reciprocal:.3f}")
    assert reciprocal >= 0.8, {text: rank for text, rank in ranks.items() if rank < 1}
