"""What an index is made of on the embedded engine: its fields, its analysis, and a document in its form.

tantivy cuts a text at apostrophes, so that the articles before them are words: they count as stop words. Accents are
folded before a word is reduced to its stem: the other way round, some words with and without accents part.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from tantivy import (
    MAX_DATETIME,
    MIN_DATETIME,
    Document,
    Filter,
    Index,
    Schema,
    SchemaBuilder,
    TextAnalyzer,
    TextAnalyzerBuilder,
    Tokenizer,
)

from udata.search.analysis import language
from udata.search.fields import FIELDS, Kind, title_field

# Fields of ours beside the document's.
VERSION = "_version"
SOURCE = "_source"
PLAIN = "_plain"  # the title's words as they stand, for typing errors
HIGH, LOW = "_high", "_low"  # the id as two numbers in the same order, to read on after it
LIVE = "_live"  # false: what is left of a removed document, so that a late write of an older version is known
REMOVED = "_removed"  # when, in microseconds

# Longer ones are no words but encoded data, which would swell the index.
LONGEST_WORD = 255
_NUMBERS = (Kind.INTEGER, Kind.FLOAT)


@lru_cache(maxsize=32)
def schema(model: str) -> Schema:
    """The schema of the model's index."""
    made = SchemaBuilder()
    for name, field in FIELDS[model].items():
        match field.kind:
            case Kind.ANALYSED:
                made.add_text_field(name, tokenizer_name="udata")
            case Kind.TEXT:
                made.add_text_field(name, tokenizer_name="udata_plain")
            case Kind.KEYWORD:
                # The id is sorted by and read back; other keywords are only looked for.
                made.add_text_field(
                    name, tokenizer_name="raw", index_option="basic", fast=name == "id", stored=name == "id"
                )
            case Kind.DATE:
                made.add_date_field(name, indexed=True, fast=True)
            case Kind.INTEGER:
                made.add_integer_field(name, indexed=True, fast=True)
            case Kind.FLOAT:
                made.add_float_field(name, indexed=True, fast=True)
            case Kind.BOOLEAN:
                made.add_boolean_field(name, indexed=True, fast=True)
    # Without positions: nobody looks for phrases in it.
    made.add_text_field(PLAIN, tokenizer_name="udata_plain", index_option="freq")
    for name in (VERSION, HIGH, LOW, REMOVED):
        made.add_unsigned_field(name, indexed=True, fast=True)
    made.add_boolean_field(LIVE, indexed=True, fast=True)
    made.add_bytes_field(SOURCE, stored=True)
    return made.build()


@lru_cache(maxsize=8)
def analyser(name: str) -> TextAnalyzer:
    """The chain for texts in the language with the code `name`."""
    chain = language(name)
    made = _folded()
    stop_words = [*chain.articles.split(), *chain.stop_words.split(), *(["s"] if chain.possessive else [])]
    if stop_words:
        made = made.filter(Filter.custom_stopword(stop_words))
    if chain.stemmer:
        made = made.filter(Filter.stemmer(chain.stemmer))
    return made.build()


@lru_cache(maxsize=1)
def plain() -> TextAnalyzer:
    """The chain for words as they stand."""
    return _folded().build()


def register(index: Index, name: str) -> Index:
    """Give the index its analysers, which it does not keep: each time that it is opened."""
    index.register_tokenizer("udata", analyser(name))
    index.register_tokenizer("udata_plain", plain())
    return index


def source(content: Mapping[str, Any] | bytes) -> bytes:
    """The document's JSON. Raises ValueError for what is none."""
    if isinstance(content, bytes):
        return content
    try:
        # A copy takes its own length, and what orjson gives more than four times as much memory.
        return bytes(memoryview(orjson.dumps(content)))
    except TypeError as error:  # what orjson raises, for a value of any kind
        raise ValueError(f"the document is no JSON: {error}") from error


def document(model: str, identity: str, version: int, source: bytes) -> Document:
    """The document with this JSON as it is stored.

    Raises ValueError for a value of the wrong kind, or for what is no JSON: tantivy itself finds a
    wrong kind at the commit only, and the batch with it is lost.
    """
    content = orjson.loads(source)
    if not isinstance(content, Mapping):
        raise ValueError("the document is no JSON object")
    values: dict[str, Any] = {"id": identity, PLAIN: content.get(title_field(model)) or "", LIVE: True, SOURCE: source}
    for name, field in FIELDS[model].items():
        value = content.get(name)
        if value is None or name == "id":
            continue
        if type(value) is list:
            # Servers pass over a null in a list; tantivy does not.
            value = [one for one in value if one is not None]
        if field.kind is Kind.DATE:
            value = [_moment(name, one) for one in value] if type(value) is list else _moment(name, value)
        # To Python `True` is a number; servers refuse it, and so must this engine.
        elif field.kind in _NUMBERS and (type(value) is bool or (type(value) is list and bool in map(type, value))):
            raise ValueError(f"the field {name} takes numbers, and no {value}")
        values[name] = value
    return _made(model, identity, version, values)


def tombstone(model: str, identity: str, version: int) -> Document:
    """What is left of a document that was removed."""
    removed = int(datetime.now(UTC).timestamp() * 1_000_000)
    return _made(model, identity, version, {"id": identity, LIVE: False, REMOVED: removed})


def numbers(identity: str) -> tuple[int, int]:
    """The first 30 characters of an id as two numbers that sort as the id does, exact for hexadecimal ids.

    Ids that differ in other characters alone may share a pair.
    """
    digits = identity[:30].translate(_DIGITS).ljust(30, "0")
    # Fifteen digits to the base of 19 are the most that 64 bits hold.
    return int(digits[:15], 19), int(digits[15:], 19)


class _Digits(dict[int, str]):
    """A digit to the base of 19 for each character, in their order."""

    def __missing__(self, code: int) -> str:
        self[code] = digit = "0" if code < ord("0") else "b" if code < ord("a") else "i"
        return digit


# 0 is the end of a text, and what sorts before the digits; b stands between 9 and a, i after f.
_DIGITS = _Digits(
    {ord(letter): "123456789a"[n] for n, letter in enumerate("0123456789")}
    | {ord(letter): "cdefgh"[n] for n, letter in enumerate("abcdef")}
)


def _made(model: str, identity: str, version: int, values: dict[str, Any]) -> Document:
    high, low = numbers(identity)
    try:
        return Document.from_dict({**values, VERSION: version, HIGH: high, LOW: low}, schema(model))
    # A number that is too large for its field is a wrong value like any other.
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _folded() -> TextAnalyzerBuilder:
    made = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(LONGEST_WORD))
    return made.filter(Filter.lowercase()).filter(Filter.ascii_fold())


def _moment(name: str, value: Any) -> datetime:
    """The instant of a date; one that the index cannot hold becomes the nearest that it can."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"the field {name} takes dates, and no {value!r}") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment, MIN_DATETIME), MAX_DATETIME)
