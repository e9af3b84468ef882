"""Themes of INSPIRE, by which catalogues of geographic data are sorted: https://inspire.ec.europa.eu/theme"""

import re

INSPIRE_THEMES = "http://inspire.ec.europa.eu/theme"
_NAMED = re.compile(r"inspire themes|/inspire_themes|inspire\.ec\.europa\.eu/theme", re.IGNORECASE)


def is_of_inspire(named: str | None) -> bool:
    """Whether a theme's address, or the name or address of its vocabulary, speaks of INSPIRE's themes."""
    return bool(named and _NAMED.search(named))
