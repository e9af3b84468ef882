"""What a resource says that stands at its address: whether it names a file."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

# Packed files are in none of the portal's lists of formats.
PACKED = frozenset({"zip", "7z", "gz", "bz2", "xz", "tar", "tar.gz", "tgz", "rar"})
# A page of HTML is what these name, or what may well stand there: services answer browsers with one.
PAGES = frozenset({"html", "htm", "xhtml", "wms", "wfs", "wmts", "wcs", "tms", "ogc:wms", "ogc:wfs"})
_LISTS = ("TABULAR_FORMATS", "MACHINE_READABLE_FORMATS", "GEOGRAPHICAL_FORMATS", "DOCUMENTS_FORMATS")
# Media types name formats in their last word, as in `application/vnd.geo+json`.
_MEDIA = {"plain": "txt", "geo+json": "geojson", "x-zip-compressed": "zip", "vnd.ms-excel": "xls"}


class Expectations:
    """The formats of files, as the portal's settings list them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        listed = {str(one).lower() for name in _LISTS for one in settings[name]}
        self._files = (listed | PACKED) - PAGES

    def names_file(self, resource: Mapping[str, Any]) -> bool:
        """Whether the resource, as it is stored, names a file: by its format, else its media type, else its address."""
        stated = resource.get("format")
        if isinstance(stated, str) and (word := stated.strip().lower().lstrip(".")):
            return word in self._files
        media = resource.get("mime")
        if isinstance(media, str) and (word := media.partition(";")[0].strip().lower().rpartition("/")[2]):
            return _MEDIA.get(word, word) in self._files
        return self._ends_as_file(resource.get("url"))

    def _ends_as_file(self, url: Any) -> bool:
        try:
            path = urlsplit(url).path if isinstance(url, str) else ""
        except ValueError:
            return False
        found = re.search(r"\.(\w{1,8})$", path)
        return found is not None and found[1].lower() in self._files
