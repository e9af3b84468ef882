"""The forms of an answer: text, one JSON document, or one JSON object a line, as the options ask."""

import json as jsonlib
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from udata.commands.output.options import options
from udata.commands.output.streams import encodes, write
from udata.masking import clean
from udata.wording import printable_json

R = TypeVar("R")


def answer(result: R, text: Callable[[R], object], document: Callable[[R], Any] | None = None) -> None:
    """Answer with `result` in the form that the options ask for: JSON, or as `text` prints it.

    `document` makes what JSON shows of the result, if that is not the result itself.
    """
    if options.format == "text":
        text(result)
        return
    shown = result if document is None else document(result)
    if options.format == "json":
        json(shown)
    else:
        jsonl(shown)


def listing(items: Iterable[R], text: Callable[[Iterable[R]], object]) -> None:
    """Answer with `items` as the options ask: a JSON list, a JSON object a line, or as `text` prints them.

    Each is printed as it comes, so that a long listing needs no memory.
    """
    if options.format == "jsonl":
        for item in items:
            jsonl(item)
    elif options.format == "json":
        _json_list(items)
    else:
        text(items)


def json(document: Any) -> None:
    """Answer with one JSON document. Dataclasses, dates, ids and paths are written as their plain forms."""
    write(_dumped(document, indent=2), sys.stdout)


def jsonl(item: Any) -> None:
    """Answer with one object, as one line of JSON."""
    write(_dumped(item), sys.stdout)


def _json_list(items: Iterable[Any]) -> None:
    # Each is held back until it is known whether a comma follows.
    held = None
    for item in items:
        write("[" if held is None else f"{held},", sys.stdout)
        held = "\n".join(f"  {text}" for text in _dumped(item, indent=2).split("\n"))
    write("[]" if held is None else f"{held}\n]", sys.stdout)


def _dumped(document: Any, indent: int | None = None) -> str:
    # What the stream lacks is escaped as JSON does: otherwise it would be no JSON any more.
    ascii_only = not encodes(sys.stdout, "é✔")
    return printable_json(jsonlib.dumps(_plain(document), indent=indent, ensure_ascii=ascii_only, allow_nan=False))


def _plain(value: Any) -> Any:
    """What JSON can hold of `value`: secrets taken out, numbers that are none as null, times in UTC with a Z."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    # Before the lists, for a named tuple is one as well.
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, bytes):
        return clean(value.decode(errors="backslashreplace"))
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=str)
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    if hasattr(value, "isoformat"):
        return _moment(value)
    return clean(str(value))


def _moment(value: Any) -> str:
    """A date or time as ISO 8601 writes it: naive times are UTC, and so is what comes out."""
    if not hasattr(value, "hour"):
        return str(value.isoformat())
    if offset := getattr(value, "utcoffset", lambda: None)():
        value = value - offset
    return f"{value.replace(tzinfo=None).isoformat()}Z"
