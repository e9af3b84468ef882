"""Which of a portal's licences a source means: by id, title and address, authorities' addresses included."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from udata.harvest.records import Dataset, LicenseHint, Record
from udata.harvest.values.addresses import addresses_in
from udata.store.slugs import slugify

UNKNOWN = "notspecified"
# So many hints are kept with what they mean.
MOST_FOUND = 4096
# The same licence under the addresses of authorities: http://publications.europa.eu/resource/authority/licence,
# http://dcat-ap.de/def/licenses, http://opendefinition.org/licenses. The value is its address at its author's.
_CREATIVE_COMMONS = "creativecommons.org/licenses"
_ZERO = "creativecommons.org/publicdomain/zero/1.0"
_SAME = {
    "publications.europa.eu/resource/authority/licence/cc0": _ZERO,
    "opendefinition.org/licenses/cc-zero": _ZERO,
    "dcat-ap.de/def/licenses/cc-zero": _ZERO,
    "dcat-ap.de/def/licenses/dl-by-de/2.0": "govdata.de/dl-de/by-2-0",
    "dcat-ap.de/def/licenses/dl-zero-de/2.0": "govdata.de/dl-de/zero-2-0",
    "publications.europa.eu/resource/authority/licence/odc_bl": "opendatacommons.org/licenses/odbl/1.0",
    "publications.europa.eu/resource/authority/licence/odc_by": "opendatacommons.org/licenses/by/1.0",
    "publications.europa.eu/resource/authority/licence/odc_pddl": "opendatacommons.org/licenses/pddl/1.0",
}
_AUTHORITY = re.compile(
    r"(?:publications\.europa\.eu/resource/authority/licence|dcat-ap\.de/def/licenses|opendefinition\.org/licenses)"
    r"/cc[_\-](by(?:[_\-](?:sa|nd|nc))*)(?:[_\-/](\d)[_.](\d))?"
)
# "Version 2.0" and "v2.0" in a title are the same as the bare number.
_VERSION_IN_TITLE = re.compile(r"-(?:version-|v)(?=\d)")
# Portals often know a licence without its version, or its translation.
_VERSION = re.compile(r"/\d(?:\.\d)?(?:/[a-z]{2})?$")


class Licenses:
    """The licences of a portal, read once a run."""

    def __init__(self, stored: Iterable[Mapping[str, Any]]) -> None:
        self._by_id: dict[str, str] = {}
        self._by_address: dict[str, str] = {}
        self._by_title: dict[str, str] = {}
        # The same few dozen hints come back in every record.
        self._found: dict[LicenseHint, str | None] = {}
        # `setdefault` below: of two licences with the same address or title the first in the database counts.
        for one in stored:
            identifier = str(one["_id"])
            self._by_id[identifier.casefold()] = identifier
            for address in (one.get("url"), *(one.get("alternate_urls") or ())):
                if address:
                    self._by_address.setdefault(bare(str(address)), identifier)
            for title in (one.get("title"), *(one.get("alternate_titles") or ())):
                if name := _name(str(title or "")):
                    self._by_title.setdefault(name, identifier)

    @property
    def unknown(self) -> str | None:
        """The licence of what names none; None if the portal has no such licence, and could not show the reference."""
        return UNKNOWN if UNKNOWN in self._by_id else None

    def of(self, record: Record) -> str | None:
        """The id of the licence that a record names; `notspecified` if none of them is known, None if it names none.

        What the dataset says counts before what its distributions say.
        """
        hints = [*record.licenses, *map(_hint, record.rights)]
        for distribution in record.distributions if isinstance(record, Dataset) else ():
            hints += [*distribution.licenses, *map(_hint, distribution.rights)]
        for hint in dict.fromkeys(hints):
            if hint not in self._found:
                # Bounded: in some catalogues each record has a text of its own.
                if len(self._found) >= MOST_FOUND:
                    self._found.clear()
                self._found[hint] = self._match(hint)
            if found := self._found[hint]:
                return found
        return self.unknown if hints else None

    def _match(self, hint: LicenseHint) -> str | None:
        published = hint.published or ""
        # The id is exact; a title may be part of a longer sentence.
        if found := self._by_id.get(published.casefold()):
            return found
        for address in (published, *hint.addresses):
            key = bare(address)
            # With the version first, since the portal may have several.
            for one in (key, _VERSION.sub("", key)):
                if found := self._by_address.get(one):
                    return found
        texts = [published, *(label.value for label in hint.labels)]
        return next((found for text in texts if (found := self._titled(text))), None)

    def _titled(self, text: str) -> str | None:
        """A licence whose title the text is, or of which it names nothing but the title and an address."""
        for address in addresses_in(text):
            text = text.replace(address, " ")
        # No title is longer: whole paragraphs of terms are not worth the work.
        return self._by_title.get(_name(text)) if len(text) <= 200 else None


def _name(title: str) -> str:
    """A title as titles are compared by."""
    return _VERSION_IN_TITLE.sub("-", slugify(title))


def bare(address: str) -> str:
    """An address as licences are compared by: no scheme, `www.`, final slash, legal code; authorities' as authors'."""
    key = re.sub(r"^https?://(?:www\.)?", "", address.strip().lower()).partition("#")[0]
    key = re.sub(r"/(?:legalcode|deed)(?:\.\w+)*$", "", key.rstrip("/")).rstrip("/")
    if match := _AUTHORITY.fullmatch(key):
        # An address without a version is taken for the newest.
        version = f"{match[2]}.{match[3]}" if match[2] else "4.0"
        return f"{_CREATIVE_COMMONS}/{match[1].replace('_', '-')}/{version}"
    return _SAME.get(key, key)


def _hint(text: str) -> LicenseHint:
    return LicenseHint(text, (), addresses_in(text))
