"""XML that others wrote, read so that it cannot harm: no external entity, no DTD from elsewhere, no bomb.

Entities that the document itself declares are expanded, since catalogues abbreviate their namespaces so; libxml2
refuses those that grow out of proportion, in microseconds:
https://gitlab.gnome.org/GNOME/libxml2/-/wikis/Entity-handling
"""

import re

from lxml import etree

from udata.harvest.errors import UnreadableCatalogue, UnsafeContent
from udata.harvest.records import Damage

# What the parser says of entities that refer to each other or grow, and of trees that are too deep or too large.
_UNSAFE = re.compile(
    r"amplification|entity reference loop|entity loop|depth|huge|too (?:long|large|big)|Resource limit", re.I
)
# Bounded: a row of blanks without an end would be tried from each of them.
_DECLARED_ENCODING = re.compile(rb"""^(<\?xml[^>]{0,100}?)\s{1,20}encoding\s{0,20}=\s{0,20}["']([^"']{0,40})["']""")
# One slip may break every line that follows; a hundred tell what is the matter.
MAX_DAMAGES = 100


def read_xml(content: bytes, charset: str | None = None) -> tuple[etree._Element, list[Damage]]:
    """The root of a document and the places at which it was not well-formed, if it could be read nonetheless.

    `charset` is what the answer's header says; it counts when the document itself declares none. Comments,
    processing instructions and CDATA sections are folded into the text around them. Raises UnsafeContent for
    entity bombs and trees without measure, and UnreadableCatalogue if nothing can be made of it.
    """
    try:
        return etree.fromstring(content, _parser(_undeclared(content, charset))), []
    except (etree.XMLSyntaxError, LookupError) as error:
        _refuse_unsafe(str(error))
    # A null near the start means UTF-16 or UTF-32, whose damages no other reading mends.
    if b"\x00" not in content[:4] and (text := _latin(content)) is not None:
        # What is not valid in the encoding that it declares was written on Windows, as a rule.
        recoded = _DECLARED_ENCODING.sub(rb"\1", text.encode())
        root, damages = _recovered(recoded, "utf-8")
        return root, [Damage(None, "its encoding is not the one it declares"), *damages]
    return _recovered(content, _undeclared(content, charset))


def _undeclared(content: bytes, charset: str | None) -> str | None:
    # What the document says of itself was written with it; the head often comes from a server's default.
    declared = content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or _DECLARED_ENCODING.match(content)
    return None if declared else charset


def _latin(content: bytes) -> str | None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        declared = _DECLARED_ENCODING.match(content)
        if declared is None or declared[2].lower() in (b"utf-8", b"utf8", b"ascii", b"us-ascii"):
            return content.decode("cp1252", errors="replace")
    return None


def _parser(charset: str | None, recover: bool = False) -> "etree.XMLParser[etree._Element]":
    return etree.XMLParser(
        encoding=charset,
        # Those from files or the network would read what the machine can see.
        resolve_entities="internal",
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
        recover=recover,
    )


def _recovered(content: bytes, charset: str | None) -> tuple[etree._Element, list[Damage]]:
    parser = _parser(charset, recover=True)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, LookupError) as error:
        _refuse_unsafe(str(error))
        raise UnreadableCatalogue(f"the XML cannot be read: {error}") from error
    damages: list[Damage] = []
    # A parser that recovers raises nothing, not even for a bomb: the log has to be looked through.
    for entry in parser.error_log:
        _refuse_unsafe(entry.message)
        if entry.domain == etree.ErrorDomains.NAMESPACE:
            continue  # an odd name of a namespace loses nothing
        if entry.level > etree.ErrorLevels.WARNING and len(damages) < MAX_DAMAGES:
            damages.append(Damage(entry.line, entry.message.strip()))
    # The parser recovers even from a text without any element, and then gives nothing.
    if root is None:
        reason = damages[0].reason if damages else "it is empty"
        raise UnreadableCatalogue(f"the XML cannot be read: {reason}")
    _refuse_entities_from_elsewhere(root)
    return root, damages


def _refuse_entities_from_elsewhere(root: etree._Element) -> None:
    """Refuse a document that is broken, and declares an entity outside of itself: its use is what broke it."""
    declared = root.getroottree().docinfo.internalDTD
    for entity in declared.iterentities() if declared is not None else ():
        if entity.system_url:
            raise UnsafeContent(
                f"the XML is refused: its entity {entity.name!r} lies elsewhere, at {entity.system_url}",
                "the catalogue may be under somebody else's control",
            )


def local_name(element: etree._Element) -> str:
    """The name of an element without its namespace; what broken documents leave of a prefix is cut off, too."""
    return re.split(r"[}:]", str(element.tag))[-1]


def _refuse_unsafe(message: str) -> None:
    if _UNSAFE.search(message):
        raise UnsafeContent(
            f"the XML is refused: {message.strip()}", "the catalogue may be under somebody else's control"
        )
