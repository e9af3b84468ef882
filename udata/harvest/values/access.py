"""Who may have data: the European Union's access rights, INSPIRE's limits, the levels of Project Open Data."""

import re
from collections.abc import Iterable

from udata.harvest.records import Access
from udata.harvest.values.addresses import last_segment
from udata.harvest.values.remembering import remembered
from udata.models.common import ACCESS_REASONS

# Article 13 (1) of directive 2007/2/EC, letters a to h.
_ARTICLE_13 = dict(zip("abcdefgh", ACCESS_REASONS, strict=True))
_RIGHTS = {
    "public": "open",
    "nolimitations": "open",
    "restricted": "restricted",
    "restrictedpublic": "restricted",
    "nonpublic": "restricted",
    "sensitive": "restricted",
    "confidential": "restricted",
}
_ARTICLE = re.compile(r"Article\s*13\s*[._(]*\s*1\s*[._()]*\s*([a-h])\b", re.IGNORECASE)
_NO_LIMITS = re.compile(r"pas de restriction d.acc[èe]s public|no limitations? (?:to|on) public access", re.IGNORECASE)
_AUTHORITIES = ("/access-right/", "/limitationsonpublicaccess/", "/limitationsonpublicaccess#")


@remembered
def access(published: str) -> Access | None:
    """The access that an authority's address, a level such as `non-public` or INSPIRE's wording stands for, or None."""
    text = published.strip()
    word = last_segment(text)
    if article := _ARTICLE.search(text):
        return Access("restricted", _ARTICLE_13[article[1].lower()])
    if _NO_LIMITS.search(text):
        return Access("open")
    # Another address may end in `public` by chance.
    if "/" in text and not any(authority in text.lower() for authority in _AUTHORITIES):
        return None
    kind = _RIGHTS.get(re.sub(r"[\s_\-]", "", word).lower())
    return Access(kind) if kind else None


def strictest(published: Iterable[str]) -> Access | None:
    """The strictest access that any of the statements stands for; None if none of them is understood.

    Data that are called open and restricted must not be opened by the first of the two words.
    """
    found = [one for text in published if (one := access(text))]
    return min(found, key=lambda one: (one.type == "open", one.reason_category is None), default=None)
