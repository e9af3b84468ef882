"""Codes of languages: https://www.rfc-editor.org/info/bcp47"""

import re

from udata.harvest.values.addresses import last_segment
from udata.harvest.values.remembering import remembered

_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8})*")
# Codes of three letters (both kinds of ISO 639-2, and those of the European Union) for those of two.
_SHORT = {
    "bul": "bg", "cat": "ca", "cze": "cs", "ces": "cs", "dan": "da", "deu": "de", "ger": "de", "ell": "el",
    "gre": "el", "eng": "en", "spa": "es", "est": "et", "eus": "eu", "baq": "eu", "fin": "fi", "fra": "fr",
    "fre": "fr", "gle": "ga", "glg": "gl", "hrv": "hr", "hun": "hu", "isl": "is", "ice": "is", "ita": "it",
    "lit": "lt", "ltz": "lb", "lav": "lv", "mlt": "mt", "nld": "nl", "dut": "nl", "nob": "nb", "nno": "nn",
    "nor": "no", "pol": "pl", "por": "pt", "ron": "ro", "rum": "ro", "slk": "sk", "slo": "sk", "slv": "sl",
    "srp": "sr", "swe": "sv", "ukr": "uk", "cym": "cy", "wel": "cy",
}  # fmt: skip


@remembered
def language(published: str | None) -> str | None:
    """The code for a language named by a code of two or three letters or an authority's address; None if it is no code.

    `FRA`, `fre` and `http://…/authority/language/FRA` are `fr`; a word such as `français` is no code.
    """
    code = last_segment((published or "").strip()).lower().replace("_", "-")
    if not _TAG.fullmatch(code):
        return None
    first, hyphen, rest = code.partition("-")
    return _SHORT.get(first, first) + hyphen + rest
