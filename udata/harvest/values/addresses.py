"""Addresses: which texts are one, and which only look like it."""

import re
from urllib.parse import urljoin, urlsplit

# What RFC 3987 leaves out of an address, and control characters with it.
_FORBIDDEN = re.compile(r'[\x00-\x20<>"{}|\\^`\x7f]')
# What is an address at first sight, as nearly all are.
_PLAIN = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.\-]*(?:/[A-Za-z0-9/._~%!$&'()*+,;=:@?#\-]*)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_IN_TEXT = re.compile(r"https?://[^\s<>\"'()\[\]]+", re.IGNORECASE)


def is_uri(text: str) -> bool:
    """Whether `text` is one absolute address of any scheme, and no two of them and no words."""
    return bool(_SCHEME.match(text)) and not _FORBIDDEN.search(text) and not text.startswith("file:")


def web_address(text: str | None, base: str | None = None) -> str | None:
    """`text` as an `http` or `https` address with a host, resolved against `base`; None if it is no such address.

    Blanks in an address are escaped, since files are often named so; two addresses in one text are no address.
    """
    text = (text or "").strip()
    # Judged by one expression, since `urlsplit` is slow for a million addresses.
    if not text or _PLAIN.fullmatch(text):
        return text or None
    if base and not _SCHEME.match(text):
        text = urljoin(base, text)
    try:
        parts = urlsplit(text)
        # Reading the port raises if it is no number.
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or " " in parts.netloc or port == 0:
        return None
    if re.search(r"\s", text):
        if re.search(r"\s[a-z]+://", text, re.IGNORECASE):
            return None
        text = re.sub(r"\s", "%20", text)
    return None if re.search(r'[\x00-\x1f<>"]', text) else text


def addresses_in(text: str) -> tuple[str, ...]:
    """The web addresses in a text, which may be HTML, in order, without the punctuation behind them."""
    return tuple(dict.fromkeys(found.rstrip(".,;:!?") for found in _IN_TEXT.findall(text)))


def last_segment(address: str) -> str:
    """What stands behind the last slash, hash or colon of an address: `CSV` of `http://…/file-type/CSV`."""
    return re.split(r"[/#:]", address.rstrip("/#"))[-1]


def is_same_origin(one: str, other: str) -> bool:
    """Whether two addresses have scheme, host and port in common."""
    return _origin(one) == _origin(other)


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    # The standard port may be written out.
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
