"""Tags of a document, made of keywords and themes."""

from collections.abc import Sequence

from udata.harvest.records import Record, in_language, values
from udata.harvest.values.remembering import remembered
from udata.harvest.values.themes import is_of_inspire
from udata.store.slugs import slugify

# The shortest and the longest tag that a portal takes.
MIN_LENGTH = 3
MAX_LENGTH = 96


# The same few thousand words come back in every record.
@remembered
def _tag(word: str) -> str:
    return slugify(word, MAX_LENGTH)


def tags(record: Record, languages: Sequence[str]) -> list[str]:
    """The tags of a record, sorted: keywords in all languages, the names of themes in the first of `languages`.

    Data of high value are tagged `hvd`, those of a theme of INSPIRE `inspire`. What is too short for a tag is left out.
    """
    found = {_tag(word) for word in values(record.keywords)}
    for theme in record.themes:
        if is_of_inspire(theme.scheme) or is_of_inspire(theme.uri):
            found.add("inspire")
        elif name := in_language(theme.labels, languages):
            found.add(_tag(name))
    if record.high_value:
        found.add("hvd")
    return sorted(tag for tag in found if len(tag) >= MIN_LENGTH)
