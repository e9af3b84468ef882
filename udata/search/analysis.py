"""How the texts of a language become words: what every engine does alike, as data.

The chain: words, without the articles that French ties to the next word by an apostrophe, in lower case, without
accents, without stop words, reduced to their stems. Synonyms are looked up when a question is read, so that
changing them does not change the index.
"""

from collections.abc import Iterable
from typing import NamedTuple

from udata.errors import ConfigurationError


class Language(NamedTuple):
    """A language's part of the chain. `articles` and `stop_words`: words in lower case, without accents.

    `light_stemmer` is the name that Elasticsearch has for its stemmer, `stemmer` the one of Snowball.
    """

    articles: str = ""
    stop_words: str = ""
    light_stemmer: str | None = None
    stemmer: str | None = None
    possessive: bool = False


# Not in the lists: what, without its accents, is also a word that people look for (été, est, maïs, son).
LANGUAGES = {
    "fr": Language(
        articles="l m t qu n s j d c jusqu quoiqu lorsqu puisqu",
        stop_words=(
            "a ai ait as au aux avait avec avez avoir avons ce ces cet cette ceux chez comme dans de des du elle elles"
            " en entre es et eu eux fut il ils je la le les leur leurs lui me meme memes mes mon ne nos notre"
            " nous on ont ou par pas pour que qui sa sans se ses si soit sont sous sur ta te tes toi ton tu un"
            " une vers vos votre vous y etaient etait etant etre"
        ),
        light_stemmer="light_french",
        stemmer="french",
    ),
    "en": Language(
        stop_words=(
            "a an and are as at be been but by for from had has have he her his if in into is it its no not of on or"
            " our she so such than that the their them then there these they this to was we were what when which who"
            " will with you your"
        ),
        light_stemmer="english",
        stemmer="english",
        possessive=True,
    ),
}

# A portal in another language: no stop words and no stems rather than those of a foreign one.
OTHER = Language()

# The plain one comes first: engines replace the others by it.
APOSTROPHES = "'’ʼ＇"


class Synonyms(NamedTuple):
    """A line of synonyms: whoever asks for one of `words` also finds `meanings`."""

    words: tuple[str, ...]
    meanings: tuple[str, ...]


def language(name: str) -> Language:
    """The chain of the language with the code `name`, as in `fr` or `fr-CA`."""
    # Both `fr_CA` and `fr-CA` are usual; the country makes no difference here.
    return LANGUAGES.get(name.replace("_", "-").split("-")[0].lower(), OTHER)


def parse_synonyms(lines: Iterable[str]) -> list[Synonyms]:
    """Read lines such as `car, automobile` and `sncf => train`. Raises ConfigurationError for another form.

    With `=>` the words on the left find those on the right, beside themselves, and not the other way round.
    """
    found = []
    for line in lines:
        if not isinstance(line, str):
            raise ConfigurationError(f"SEARCH_SYNONYMS holds {line!r}, which is no text", "write lines of words")
        left, arrow, right = line.partition("=>")
        words = _listed(left)
        meanings = _listed(right) if arrow else words
        # A single word without an arrow would be a synonym of itself.
        if not words or not meanings or "=>" in right or (not arrow and len(words) < 2):
            raise ConfigurationError(
                f"SEARCH_SYNONYMS holds {line!r}, which is no line of synonyms",
                "write `car, automobile` or `sncf => train`",
            )
        found.append(Synonyms(words, meanings))
    return found


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := " ".join(part.split())))
