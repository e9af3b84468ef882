"""JSON that others wrote, read so that what it says can be kept: numbers that are numbers, texts that are texts."""

import json
import math
import re
from typing import Any

from udata.harvest.errors import UnreadableCatalogue, UnsafeContent

# Half a letter or a null, or a number that may be beyond all bounds: seldom, so that what is well costs nothing.
_ODD = re.compile(r"\\u(?:[dD]|0000)|[0-9][eE]\+?[0-9]{3}|[0-9]{300}")


def read_json(text: str) -> Any:
    """What a text of JSON says. Raises UnsafeContent for nesting without measure, UnreadableCatalogue for no JSON.

    What neither a database nor another reader takes is mended: halves of letters and nulls within texts and names are
    left out, and numbers beyond all bounds become null.
    """
    try:
        # NaN and infinity are no JSON, though some write them.
        given = json.loads(text, parse_constant=lambda name: None)
        return _mended(given) if _ODD.search(text) else given
    except RecursionError as error:
        raise UnsafeContent("the JSON is nested without measure") from error
    except ValueError as error:
        raise UnreadableCatalogue(f"the JSON cannot be read: {error}") from error


def _mended(given: Any) -> Any:
    if isinstance(given, str):
        return _text(given)
    if isinstance(given, float):
        return given if math.isfinite(given) else None
    if isinstance(given, list):
        return [_mended(member) for member in given]
    if isinstance(given, dict):
        return {_text(name): _mended(member) for name, member in given.items()}
    return given


def _text(text: str) -> str:
    # Two halves of one letter, each written by itself, are put together on the way.
    whole = text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    return whole.replace("\x00", "")
