"""Texts without their Markdown.

The parser is pulldown-cmark by pyromark: CommonMark, with tables, strikethrough and task lists, linear in what it
reads, and many times as fast as the parsers in Python, of which each would be the slowest part of a document.
"""

import re
from html import unescape

from pyromark import Options
from pyromark import html as rendered

OPTIONS = Options.ENABLE_TABLES | Options.ENABLE_STRIKETHROUGH | Options.ENABLE_TASKLISTS

# What is in these is no text; if the end of one is missing, it reaches to the end of all, as in a browser.
_UNSEEN = re.compile(r"<(?:(script|style)\b|!--)", re.IGNORECASE)
_ENDS = {
    "script": re.compile("</script", re.IGNORECASE),
    "style": re.compile("</style", re.IGNORECASE),
    None: re.compile("-->"),
}
_IMAGE = re.compile(r'<img [^<>]*?alt="([^"<>]*)"[^<>]*>')
# A tag ends before the next one begins, so that a thousand of them left open are not each looked for to the end.
_TAG = re.compile(r"<[^<>]*>")
# The cells of a row stand side by side.
_CELL_END = re.compile("</t[dh]>")


def plain(markdown: str | None) -> str | None:
    """The words of a text in Markdown, a line a paragraph, row or item; None for no text."""
    if not markdown:
        return markdown
    # A lone surrogate is no text to a parser that reads UTF-8.
    readable = markdown.encode("utf-8", "replace").decode()
    html = _CELL_END.sub("\n", _seen(rendered(readable, options=OPTIONS)))
    found = unescape(_TAG.sub("", _IMAGE.sub(r"\1", html)))
    return "\n".join(line for part in found.split("\n") if (line := part.strip()))


def _seen(html: str) -> str:
    """`html` without scripts, styles and comments; each of its characters is looked at once."""
    opening = _UNSEEN.search(html)
    if opening is None:
        return html
    kept, position = [], 0
    while opening is not None:
        kept.append(html[position : opening.start()])
        name = opening[1].lower() if opening[1] else None
        end = _ENDS[name].search(html, opening.end())
        if end is None:
            return "".join(kept)
        # What is left of a closing tag is taken out as a tag.
        position = end.start() if name else end.end()
        opening = _UNSEEN.search(html, position)
    return "".join(kept) + html[position:]
