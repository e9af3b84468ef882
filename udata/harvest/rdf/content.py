"""What a page is written in: its encoding and its format, by its content and not by what its sender calls it."""

import codecs
import re
from typing import NamedTuple

from udata.harvest.errors import UnreadableCatalogue

# UTF-32 before UTF-16, whose mark is the beginning of the other's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TRIPLE = re.compile(
    r"""(?:<[^<>"{}|^`\\\s]*>|_:\S+)\s*<[^<>"\s]*>\s*(?:<[^<>"\s]*>|_:\S+|"(?:[^"\\]|\\.)*"\S*)\s*\.\s*(?:#.*)?"""
)
_HTML = re.compile(r"(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_MARKUP = re.compile(
    r"<(?:\?xml|!DOCTYPE|!--|[A-Za-z_][\w.\-]*(?::[A-Za-z_][\w.\-]*)?(?:\s+[A-Za-z_][\w.:\-]*\s*=|\s*/?>))"
)


class Content(NamedTuple):
    """A page: `format` is `xml`, `json`, `turtle` or `n-triples`; `text` is None for XML, whose reader decodes."""

    format: str
    text: str | None
    doubt: str | None = None


def content(data: bytes, charset: str | None = None) -> Content:
    """Decode `data` and say in which format it is. Raises UnreadableCatalogue for what is empty, HTML or no text.

    `charset` is what the answer's header says; a byte-order mark and valid UTF-8 count more. What neither of them
    explains is read as Windows-1252, which `doubt` says.
    """
    text, doubt = decoded(data, charset)
    # The beginning decides: a page may be large.
    start = text[:4096].lstrip("\ufeff \t\r\n")
    if not start:
        raise UnreadableCatalogue("the page is empty")
    if "\x00" in start:
        raise UnreadableCatalogue("the page is no text")
    # Many portals answer a lost address with a page and the status 200.
    if _HTML.match(re.sub(r"<!--.*?-->", "", start, flags=re.DOTALL).lstrip()):
        raise UnreadableCatalogue(
            "the page is HTML, not a catalogue", "does the address lead to a web page or a login?"
        )
    # Turtle and N-Triples begin with `<`, too.
    if start.startswith("<") and _MARKUP.match(start):
        return Content("xml", None)
    # Turtle may begin with a blank node in brackets.
    if start[0] in "{[" and not re.match(r"\[\s*(?:a\b|\]|<|\w*:)", start):
        return Content("json", text.lstrip("\ufeff"), doubt)
    lines = [line for line in map(str.strip, start.splitlines()[:20]) if line and not line.startswith("#")]
    # The last line may be cut.
    is_triples = bool(lines) and all(_TRIPLE.fullmatch(line) for line in lines[:-1] or lines)
    return Content("n-triples" if is_triples else "turtle", text.lstrip("\ufeff"), doubt)


def decoded(data: bytes, charset: str | None = None) -> tuple[str, str | None]:
    """`data` as text, and what was doubtful about it."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace"), None
    # A sign that catalogues begin with and a null: UTF-16 without its mark.
    if data[:1] in b"{[<@#" and data[1:2] == b"\x00":
        return data.decode("utf-16-le", errors="replace"), "UTF-16 without a byte-order mark"
    if data[:1] == b"\x00" and data[1:2] in b"{[<@#":
        return data.decode("utf-16-be", errors="replace"), "UTF-16 without a byte-order mark"
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError:
        pass
    try:
        # These two were tried just now.
        if charset and codecs.lookup(charset).name not in ("utf-8", "ascii"):
            return data.decode(charset), None
    except (LookupError, UnicodeDecodeError):
        pass
    # Any byte can be read so: one odd letter must not cost the catalogue.
    return data.decode("cp1252", errors="replace"), "it is no valid UTF-8; read as Windows-1252"
