"""What an answer means for a resource, and how it is written into its extras.

The portal's programs read `check:*` there; what is unknown is an absent key, for they refuse a null.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from udata.setting_rows import LARGEST

# The words that stand in `check:error`, by the kind of a failed request (`udata.network.failures`).
WORDS = {
    "address": "no valid address",
    "unreachable": "unreachable",
    "timeout": "timeout",
    "redirects": "redirects",
    "answer": "no valid answer",
    "size": "no valid answer",
}
HTML = "HTML instead of a file"
# Not asked, and so neither available nor not.
UNASKED = {
    "refused": "not checked: private address",
    "robots": "not checked: robots.txt",
    "scheme": "not checked: another protocol",
    "fault": "not checked: an error of the crawl",
}

# How long a host is left alone at most, whatever it asks for.
LONGEST_REST = timedelta(days=1)
KEYS = ("available", "status", "date", "error", "timeout", "headers:content-type", "headers:content-length")
_LONGEST_TYPE = 200
# What a page begins with; a byte-order mark, a declaration and comments may stand before it.
_PAGE = re.compile(
    rb"(?is)^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b"
)


class Seen(NamedTuple):
    """What came of asking: an answer, or the `kind` of a failure and its `reason` in one line.

    `headers` have names in small letters. `body` is its beginning, None if it was not asked for; `host` has answered.
    `beforehand` says that not even a connection was made.
    """

    status: int | None = None
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    kind: str | None = None
    reason: str | None = None
    beforehand: bool = False
    host: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the server says that this is what was asked for."""
        return self.status is not None and 200 <= self.status < 300 and self.kind is None

    @property
    def says_html(self) -> bool:
        """Whether the server calls it a page."""
        return media_type(self.headers) in ("text/html", "application/xhtml+xml")

    @property
    def is_html(self) -> bool:
        """Whether it is a page: what it begins with counts for more than how the server calls it."""
        if self.body is None or not self.body.strip():
            return self.says_html
        return _PAGE.match(self.body) is not None

    def rest(self, now: datetime) -> timedelta | None:
        """How long the host asks to be left alone; zero if it does not say how long, None if it does not ask."""
        if self.status not in (429, 503):
            return None
        asked = _retry_after(self.headers.get("retry-after", ""), now)
        if asked is None:
            # An answer of 503 that names no time is that of a server which does not work.
            return timedelta() if self.status == 429 else None
        return min(max(asked, timedelta()), LONGEST_REST)


class Verdict(NamedTuple):
    """What is known of an address for a resource; `available` is None if it was not asked.

    `error` is one of the words above, or `status 404`; `reason` one line with all that is known.
    """

    available: bool | None
    status: int | None = None
    error: str | None = None
    reason: str | None = None
    content_type: str | None = None
    content_length: int | None = None

    @property
    def word(self) -> str:
        """The verdict in one word or two, to count by."""
        return self.error or "available"

    def extras(self, now: datetime) -> dict[str, Any]:
        """What stands in a resource's extras, by `KEYS`; None if the key is to be absent."""
        asked = self.available is not None
        values = (
            self.available,
            self.status,
            now if asked else None,
            self.error,
            self.error == WORDS["timeout"] if asked else None,
            self.content_type,
            self.content_length,
        )
        return {f"check:{name}": value for name, value in zip(KEYS, values, strict=True)}


def judged(seen: Seen, file: bool) -> Verdict:
    """What `seen` means for a resource that names a file, or does not."""
    if seen.kind in UNASKED:
        return Verdict(None, error=UNASKED[seen.kind], reason=seen.reason)
    if seen.kind is not None:
        return Verdict(False, error=WORDS[seen.kind], reason=seen.reason)
    of_head = (_shown_type(seen.headers), content_length(seen))
    if not seen.ok:
        word = f"status {seen.status}"
        return Verdict(False, seen.status, word, f"answers with {word}", *of_head)
    if file and seen.is_html:
        return Verdict(False, seen.status, HTML, "answers with a page of HTML, and the resource names a file", *of_head)
    return Verdict(True, seen.status, None, None, *of_head)


def media_type(headers: Mapping[str, str]) -> str:
    """The type that the server gives it, in small letters; empty if it gives none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def content_length(seen: Seen) -> int | None:
    """How many bytes there are, as far as the server says so."""
    if seen.status == 206:
        # Of a part the length is another: `bytes 0-1023/2048`.
        text = seen.headers.get("content-range", "").rpartition("/")[2].strip()
    else:
        text = seen.headers.get("content-length", "").strip()
    # No number of the database is larger.
    return int(text) if re.fullmatch(r"[0-9]{1,19}", text) and int(text) <= LARGEST else None


def _shown_type(headers: Mapping[str, str]) -> str | None:
    text = "".join(one for one in headers.get("content-type", "") if one.isprintable())
    return text[:_LONGEST_TYPE].strip() or None


def _retry_after(text: str, now: datetime) -> timedelta | None:
    """A number of seconds, or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after"""
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        return timedelta(seconds=min(int(text[:12]), LONGEST_REST.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment - now
