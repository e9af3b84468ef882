"""Descriptions as Markdown: what publishers write as HTML is written again in the notation that portals show."""

import re
from collections.abc import Iterator

from lxml import etree, html

_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|&(?:[a-z]+|#\d+);")
_BLOCKS = ("p", "div", "section", "article", "table", "tr", "blockquote", "ul", "ol", "dl", "pre", "body", "html")
_EMPHASIS = {"b": "**", "strong": "**", "i": "*", "em": "*"}
# What would run, or show a page of strangers, never reaches a portal's page.
_DROPPED = ("script", "style", "head", "iframe", "object")
# Python's own limit of recursion is not far behind.
MAX_DEPTH = 200


def markdown(text: str) -> str:
    """`text` in Markdown. Without markup it stays as it is, but for blanks around it and at the ends of lines."""
    if _MARKUP.search(text):
        try:
            root = html.fromstring(f"<div>{text}</div>")
        except (etree.ParserError, ValueError):
            root = None  # nothing but comments, or characters that no XML may have
        if root is not None:
            text = "".join(_written(root, 0))
    # From the first blank of a row only: begun at each of them, a long row would take for ever.
    text = re.sub(r"(?<![ \t\r])[ \t\r]+\n", "\n", text.replace("\r\n", "\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _written(element: html.HtmlElement, depth: int) -> Iterator[str]:
    tag = element.tag if isinstance(element.tag, str) else ""
    if tag in _DROPPED or not tag or depth > MAX_DEPTH:
        return
    inner = "".join(_inner(element, depth))
    if tag == "br":
        yield "\n"
    elif re.fullmatch(r"h[1-6]", tag):
        yield f"\n\n{'#' * int(tag[1])} {inner.strip()}\n\n"
    elif tag == "li":
        yield f"\n- {inner.strip()}"
    elif tag in _EMPHASIS and inner.strip():
        yield f"{_EMPHASIS[tag]}{inner.strip()}{_EMPHASIS[tag]}"
    # Relative links lead nowhere from here, and `javascript:` must not be followed.
    elif tag == "a" and (href := (element.get("href") or "").strip()).startswith(("http:", "https:", "mailto:")):
        yield f"[{inner.strip()}]({href})" if inner.strip() and inner.strip() != href else href
    elif tag in _BLOCKS:
        yield f"\n\n{inner.strip()}\n\n"
    else:
        yield inner


def _inner(element: html.HtmlElement, depth: int) -> Iterator[str]:
    yield _folded(element.text)
    for child in element:
        yield from _written(child, depth + 1)
        yield _folded(child.tail)


def _folded(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")
