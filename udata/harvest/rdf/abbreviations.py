"""What a page abbreviates its names by: prefixes, namespaces, bases. A long one makes gigabytes of a small page."""

import re
from typing import Any

from udata.harvest.errors import UnsafeContent

# No vocabulary has an address of that length.
MAX_LENGTH = 500
_ADDRESS = re.compile(rf"<[^<>\s]{{{MAX_LENGTH}}}")
_DECLARATION = re.compile(r"(?:\bprefix\s{1,20}[^\s<>\"]{0,100}:|\bbase)\s{0,20}$", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    rf"""xml(?:ns(?::[^\s=]{{1,100}})?|:base)=(?:"[^"]{{{MAX_LENGTH}}}|'[^']{{{MAX_LENGTH}}})""".encode()
)


def judge_turtle(text: str) -> None:
    """Raise UnsafeContent if a page of Turtle declares a prefix or a base without measure."""
    for found in _ADDRESS.finditer(text):
        # An address that is written out, such as a picture's, stands for itself alone.
        if _DECLARATION.search(text, max(0, found.start() - 300), found.start()):
            _refuse()


def judge_xml(written: bytes) -> None:
    """Raise UnsafeContent if RDF/XML, as it was written by a serializer, has a namespace or a base without measure."""
    if _ATTRIBUTE.search(written):
        _refuse()


def judge_context(context: Any) -> None:
    """Raise UnsafeContent if a context of JSON-LD, whose depth was judged, has an address without measure."""
    if isinstance(context, str):
        if len(context) > MAX_LENGTH:
            _refuse()
    elif isinstance(context, dict | list):
        for member in context.values() if isinstance(context, dict) else context:
            judge_context(member)


def _refuse() -> None:
    raise UnsafeContent(f"the page abbreviates addresses of more than {MAX_LENGTH} characters")
