"""How things are worded for an operator: numbers, sizes, spans, plurals, and letters that must not reach a screen."""

import re
from datetime import timedelta

# What steers a terminal, forges lines or turns the direction of what stands behind it: the C0 and C1 controls, DEL,
# line separators, bidirectional controls, tags and halves of surrogate pairs. Zero-width joiners and non-joiners are
# letters to those who write Persian or Hindi, and stay. https://www.unicode.org/reports/tr9/#Directional_Formatting_Codes
_UNPRINTABLE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u206f\\ufff9-\\ufffb\\ud800-\\udfff"
    "\\U000e0000-\\U000e007f]"
)

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
_LONG_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def printable(text: str) -> str:
    """`text` with every letter escaped that could steer a terminal, as in `\\x1b`; line breaks are such letters."""
    return _UNPRINTABLE.sub(_escaped, text)


def printable_json(document: str) -> str:
    """A JSON document whose texts hold no such letter either: they stand there as `\\u001b` does."""
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] == "\n" else _json_escaped(found[0]), document)


def counted(number: int, word: str, words: str | None = None) -> str:
    """`number` things that are called `word`, and `words` if they are several: `1 queue`, `2 queues`, `3 entries`."""
    return f"{number:,} {plural(number, word, words)}"


def plural(number: int, word: str, words: str | None = None) -> str:
    """`word`, or `words` (by default with an s) unless `number` is 1."""
    return word if number == 1 else words or f"{word}s"


def listed(names: list[str], most: int = 3) -> str:
    """The first of the names, and how many there are more."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def size(count: float) -> str:
    """A number of bytes."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def span(seconds: float) -> str:
    """A time span in its two largest units, as in `2 d 3 h` or `41 s`; below a minute to a tenth if it is no whole."""
    whole = int(seconds)
    for place, (unit, length) in enumerate(_UNITS):
        if whole >= length:
            smaller = _UNITS[place + 1] if place + 1 < len(_UNITS) else ("s", 1)
            rest = whole % length // smaller[1]
            return f"{whole // length:,} {unit}" + (f" {rest} {smaller[0]}" if rest else "")
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == whole else f"{seconds:.1f} s"


def ago(passed: timedelta) -> str:
    """How long something is past, in one unit and in words, as in `3 hours`."""
    seconds = max(0, int(passed.total_seconds()))
    for unit, length in _LONG_UNITS:
        if seconds >= 2 * length:
            return counted(seconds // length, unit)
    return counted(seconds, "second")


def milliseconds(seconds: float) -> str:
    """A latency."""
    count = seconds * 1000
    return f"{count:.2f} ms" if count < 1 else f"{count:.1f} ms" if count < 10 else f"{count:,.0f} ms"


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(found[0])
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def _json_escaped(letter: str) -> str:
    # JSON writes what lies beyond the first plane as two halves.
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
