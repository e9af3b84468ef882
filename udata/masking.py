"""What is secret: names that say so, credentials inside addresses, and the values that this process has been given.

Whatever leaves the process (screen, logs, journal, mails, reports) goes through `clean`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

HIDDEN = "********"

# A fragment of a secret this long tells something; a shorter one is a part of other words.
TELLING = 4
# These stand in every address and every text: as a password they hide nothing, and hidden they make all unreadable.
_WORDS = frozenset({"default", "localhost", "mongodb", "redis", "udata"})

_SECRET_NAME = re.compile(
    r"(?i:passw|passphrase|(?<![a-z])pass(?![a-z])|pwd(?![a-z])|secret|token|salt|(?<![a-z])dsn|cred(?:s|ential)|oauth"
    r"|authori[sz]ation|uniquifier|(?:api|access|private)[_-]?key)|KEY|PASS|PRIVATE"
)
# Up to the last @ if there is a colon before it, for a password may hold anything; else up to the end of the host.
_CREDENTIALS = re.compile(r"(?<=://)(?:[^/?#\s@:]*:(?:(?!://)\S)*|[^/?#\s]*)@")
# An address and nothing else, of which the password may hold spaces, too; the scheme may be missing.
_WHOLE_ADDRESS = re.compile(r"^([\w+.-]+://|)[^/?#@:\s]*:(?!//)(?:(?!://).)*@", re.DOTALL)
_WHOLE = r"(?<![^\W_]){}(?![^\W_])"
_USERINFO = re.compile(r"^(?:[\w+.-]+://)?([^@]*:.*)@", re.DOTALL)
_QUERY_NAME = r"(?i:(?:^|[?&;\s])[\w.-]*(?:password|passwd|pwd|secret|token|api_?key)=)"
_QUERY_SECRET = re.compile(rf"({_QUERY_NAME})[^&;\s'\"]*")
_QUERY_VALUE = re.compile(rf"{_QUERY_NAME}([^&;\s'\"]+)")


def sounds_secret(name: str) -> bool:
    """Whether what is called `name` (a setting, an argument, a field) is something that nobody else may see."""
    return _SECRET_NAME.search(name) is not None


def masked(name: str, value: Any, *, secret: bool | None = None) -> Any:
    """`value` as it may be shown: hidden if it is `secret` (by default if its name says so), at any depth; credentials
    inside addresses are hidden in any case. Sets come back as lists, bytes as text.
    """
    if value is not None and (sounds_secret(name) if secret is None else secret):
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(key): masked(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked("", item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((masked("", item) for item in value), key=str)
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if isinstance(value, str):
        return clean(_WHOLE_ADDRESS.sub(rf"\1{HIDDEN}@", value))
    return value


def mask_credentials(text: str) -> str:
    """`text` with the user and password of every address in it hidden, and with what its query says of secrets.

    If a password holds what should be escaped in an address, rather too much is hidden than too little.
    """
    return _QUERY_SECRET.sub(rf"\1{HIDDEN}", _CREDENTIALS.sub(f"{HIDDEN}@", text))


def remember(*values: Any) -> None:
    """Know these secrets from now on, and their fragments, as they are and as they are quoted in an address."""
    new = {text for value in values for text in _spellings(value)} - _known
    if new:
        _known.update(new)
        _build()


def remember_within(name: str, value: Any, *, secret: bool | None = None) -> None:
    """Know from now on what is secret in a setting, at any depth: itself if it is `secret` (by default if its name
    says so), what stands under such a name, and the passwords inside addresses.
    """
    if sounds_secret(name) if secret is None else secret:
        remember(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            remember_within(str(key), item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            remember_within("", item)
    else:
        for text in _texts(value):
            if found := _USERINFO.match(text):
                remember(found[1].partition(":")[2])
            remember(*_QUERY_VALUE.findall(text))


def clean(text: str) -> str:
    """`text` without any secret that this process knows, and without credentials inside addresses."""
    return mask_credentials(_pattern.sub(HIDDEN, text))


def forget() -> None:
    """Know no secret any more."""
    _known.clear()
    _build()


_known: set[str] = set()
_pattern = re.compile(r"(?!)")


def _build() -> None:
    global _pattern
    # So that a secret which begins with another one is hidden as a whole.
    longest_first = sorted(_known, key=lambda text: (-len(text), text))
    # What could be a word or a number of its own is hidden as a whole word only.
    patterns = [_WHOLE.format(re.escape(text)) if text.isalnum() else re.escape(text) for text in longest_first]
    _pattern = re.compile("|".join(patterns) or r"(?!)")


def _spellings(value: Any) -> Iterator[str]:
    """A secret, its pieces between what ends a password in an address, and the ways in which each may be quoted."""
    from urllib.parse import quote, quote_plus, unquote

    for text in _texts(value):
        for piece in {text, unquote(text), *re.split(r"[/?#@:\s]", text)}:
            quoted = (quote(piece, safe="", errors="replace"), quote_plus(piece, errors="replace"), repr(piece)[1:-1])
            for spelled in {piece, *quoted}:
                if len(spelled) >= TELLING and spelled.lower() not in _WORDS:
                    yield spelled


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, bytes):
        yield value.decode(errors="backslashreplace")
    elif isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(value.values())
    elif isinstance(value, Iterable):
        for item in value:
            yield from _texts(item)
