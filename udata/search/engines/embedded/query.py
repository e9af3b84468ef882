"""A search for words, as the embedded engine takes it: the same rules as on the servers."""

from collections.abc import Sequence
from functools import lru_cache

from tantivy import Occur, Query, Schema

from udata.search.analysis import language, parse_synonyms
from udata.search.engines.base import Definition
from udata.search.engines.embedded.schema import PLAIN, analyser, plain
from udata.search.fields import FIELDS, Kind, searched

# What a word's second-best field adds.
TIE = 0.3
# The weight of a word of the title that was meant, with a typing error or two.
NEARLY = 2.0

Words = tuple[str, ...]


def question(schema: Schema, model: str, definition: Definition, text: str) -> Query:
    """The query for the documents of `model` that `text` is about.

    Of two words both must occur, of up to five all but one, of more three quarters.
    """
    words = _words(definition.language, text)
    groups = _grouped(words, _synonyms(definition))
    parts = [_any_of(schema, model, definition.language, group) for group in groups]
    if not parts:
        return Query.empty_query()
    most = len(parts) if len(parts) <= 2 else len(parts) - 1 if len(parts) <= 5 else len(parts) * 3 // 4
    return Query.boolean_query([(Occur.Should, part) for part in parts], minimum_number_should_match=most)


def _words(name: str, text: str) -> list[str]:
    """The words in lower case and without accents; stop words only when there is nothing else."""
    chain = language(name)
    # An `s` is what is left of a possessive that was cut at its apostrophe.
    stop_words = {*chain.articles.split(), *chain.stop_words.split(), *(["s"] if chain.possessive else [])}
    words = plain().analyze(text)
    return [word for word in words if word not in stop_words] or words


def _grouped(words: Sequence[str], synonyms: dict[Words, list[Words]]) -> list[list[Words]]:
    """For each word, or words that have a synonym together, what may stand in their place; the longest first."""
    longest = max(map(len, synonyms), default=1)
    groups = []
    place = 0
    while place < len(words):
        for length in range(min(longest, len(words) - place), 0, -1):
            some = tuple(words[place : place + length])
            if length == 1 or some in synonyms:
                groups.append([some, *synonyms.get(some, ())])
                place += length
                break
    return groups


@lru_cache(maxsize=16)
def _synonyms(definition: Definition) -> dict[Words, list[Words]]:
    found: dict[Words, list[Words]] = {}
    for line in parse_synonyms(definition.synonyms):
        meanings = [tuple(_words(definition.language, meaning)) for meaning in line.meanings]
        for word in line.words:
            asked = tuple(_words(definition.language, word))
            found.setdefault(asked, []).extend(meaning for meaning in meanings if meaning and meaning != asked)
    return found


def _any_of(schema: Schema, model: str, name: str, group: Sequence[Words]) -> Query:
    """What holds one of the words, or all of a synonym's several."""
    found = []
    for words in group:
        parts = [_word(schema, model, name, word) for word in words]
        found.append(parts[0] if len(parts) == 1 else Query.boolean_query([(Occur.Must, part) for part in parts]))
    return found[0] if len(found) == 1 else Query.disjunction_max_query(found)


def _word(schema: Schema, model: str, name: str, word: str) -> Query:
    """The word in any field, by its stem; or nearly so in the title, by its letters."""
    # A stop word leaves no stem: asked for alone, it is looked for as it stands.
    stems = analyser(name).analyze(word) or [word]
    parts = [
        Query.boost_query(
            Query.term_query(schema, field, stems[0] if FIELDS[model][field].kind is Kind.ANALYSED else word), boost
        )
        for field, boost in searched(model).items()
    ]
    if distance := _forgiven(word):
        parts.append(Query.boost_query(Query.fuzzy_term_query(schema, PLAIN, word, distance=distance), NEARLY))
    return Query.disjunction_max_query(parts, TIE)


def _forgiven(word: str) -> int:
    """How many typing errors are forgiven, as the servers count them."""
    # Figures mean what they say: 2018 is not 2019 with a typing error.
    return 0 if len(word) < 3 or word.isdecimal() else 1 if len(word) < 6 else 2
