"""The texts of ISO 19139: character strings, anchors, codes, and the same text in several languages.

Elements are found by their local names, for the namespaces of 2005 and those of ISO 19115-3 differ in nothing else.
"""

from collections.abc import Mapping

from lxml import etree

from udata.harvest.records import Text, Texts, in_order
from udata.harvest.safe_xml import local_name

_HREF = "{http://www.w3.org/1999/xlink}href"


def first(element: etree._Element | None, path: str) -> etree._Element | None:
    """The first element under `path`, whose steps are local names or `*`."""
    if element is None:
        return None
    return element.find("/".join(step if step == "*" else f"{{*}}{step}" for step in path.split("/")))


def word(element: etree._Element | None) -> str | None:
    """The text of an element, whatever wraps it, without the blanks around it; not that of other languages."""
    if element is None:
        return None
    # Some write the text into the element itself, without CharacterString.
    if (element.text or "").strip():
        return (element.text or "").strip()
    for child in element:
        if local_name(child) != "PT_FreeText" and (found := word(child)):
            return found
    return None


def code(element: etree._Element | None) -> str | None:
    """The value of an element of a code list: its attribute, else its text."""
    # The attribute is the code; the text is often a translation.
    return (element.get("codeListValue") or "").strip() or word(element) if element is not None else None


def anchors(element: etree._Element | None) -> list[str]:
    """The addresses that the anchors in an element lead to."""
    if element is None:
        return []
    return [address for one in element.iter("{*}Anchor") if (address := (one.get(_HREF) or "").strip())]


def texts(element: etree._Element | None, tongue: str | None, locales: Mapping[str, str]) -> Texts:
    """The text of an element in all its languages, sorted. `tongue` is the record's own, `locales` those by id."""
    if element is None:
        return ()
    found = {Text(main, tongue)} if (main := word(element)) else set()
    for one in element.iterfind("{*}PT_FreeText/{*}textGroup/{*}LocalisedCharacterString"):
        if value := (one.text or "").strip():
            # A reference within the document, written with and without its hash.
            locale = (one.get("locale") or "").lstrip("#")
            found.add(Text(value, locales.get(locale)))
    return in_order(found)
