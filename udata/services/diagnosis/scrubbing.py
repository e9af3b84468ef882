"""Secrets taken out of what drivers say of an address: they may quote a part of it."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from udata.services.diagnosis.check import Check, Note
from udata.settings import BY_NAME, HIDDEN, Settings, mask_credentials

# A shorter one is a part of other words, too: it is hidden only where it stands between quotes.
TELLING = 6

_USERINFO = re.compile(r"^(?:[\w+.-]+://)?([^@]*:.*)@", re.DOTALL)


class Scrubber:
    """Knows the secrets of the settings."""

    def __init__(self, settings: Settings) -> None:
        secrets = {text for name, value in settings.items() for text in _secrets(name, value) if text}
        longest_first = sorted(secrets, key=len, reverse=True)
        words = [re.escape(text) for text in longest_first if len(text) >= TELLING]
        quoted = [rf"(?<=['\"]){re.escape(text)}(?=['\"])" for text in longest_first if len(text) < TELLING]
        self._pattern = re.compile("|".join([*words, *quoted]) or r"(?!)")

    def clean(self, check: Check) -> Check:
        """The check without any secret in its problems, warnings and value."""
        return check._replace(
            value=self._text(check.value) if check.problems else check.value,
            problems=[self._note(note) for note in check.problems],
            warnings=[self._note(note) for note in check.warnings],
        )

    def _note(self, note: Note) -> Note:
        return note._replace(text=self._text(note.text))

    def _text(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, mask_credentials(text))


def _secrets(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        return
    setting = BY_NAME.get(name)
    if setting and setting.secret and value != setting.default:
        yield value
    if found := _USERINFO.match(value):
        password = found[1].partition(":")[2]
        # A driver that takes an unescaped character for the end of the password quotes the piece before or behind it.
        yield from (password, unquote(password), *re.split(r"[/?#@:\s]", password))
