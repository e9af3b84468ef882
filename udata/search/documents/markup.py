"""Texts without their Markdown.

The parser is GitHub's own, in C (cmarkgfm, kept by those who render the project pages of PyPI): CommonMark to the
letter, linear in what it reads, and some eight times as fast as the parsers in Python, of which each would be the
slowest part of a document.
"""

import re
from html import unescape

from cmarkgfm.cmark import Options, markdown_to_html_with_extensions

EXTENSIONS = ("table", "strikethrough", "tasklist")

# What is in these is no text; where the end of one is missing it reaches to the end of all, as in a browser.
_UNSEEN = re.compile(r"<(?:(script|style)\b|!--)", re.IGNORECASE)
_ENDS = {
    "script": re.compile("</script", re.IGNORECASE),
    "style": re.compile("</style", re.IGNORECASE),
    None: re.compile("-->"),
}
_IMAGE = re.compile(r'<img [^<>]*?alt="([^"<>]*)"[^<>]*>')
# A tag ends before the next one begins, so that a thousand of them left open are not each looked for to the end.
_TAG = re.compile(r"<[^<>]*>")


def plain(markdown: str | None) -> str | None:
    """The words of a text in Markdown, a line a paragraph, row or item; None for no text."""
    if not markdown:
        return markdown
    # A lone surrogate is no text to a parser that reads UTF-8.
    readable = markdown.encode("utf-8", "replace").decode()
    html = markdown_to_html_with_extensions(readable, Options.CMARK_OPT_UNSAFE, EXTENSIONS)
    found = unescape(_TAG.sub("", _IMAGE.sub(r"\1", _seen(html))))
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
