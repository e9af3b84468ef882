"""The Python file with a portal's settings: run once, for the names that it defines.

It is its owner's own code, and may do anything; whatever it does wrong becomes one line.
"""

import linecache
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from udata.errors import ConfigurationError

# No settings file is longer, in bytes: a device would be read without end.
LONGEST = 1_000_000


def executed(path: Path) -> dict[str, Any]:
    """What the file defines, by name. What it prints goes to standard error. Raises ConfigurationError."""
    source = _source(path)
    namespace: dict[str, Any] = {"__file__": str(path), "__name__": path.stem}
    with _without_lines(path):
        try:
            code = compile(source, str(path), "exec")
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            raise ConfigurationError(
                f"the settings file {path} is not valid Python:{_reason(error)}", "mend it"
            ) from error
        try:
            with redirect_stdout(sys.stderr):
                exec(code, namespace)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the operator's own code may raise anything, and what is no Exception, too
            raise ConfigurationError(f"the settings file {path} failed: {_said(error)}", "mend it") from error
    return namespace


def slip(name: str, known: Iterable[str]) -> str | None:
    """The one of the `known` names that `name` misses by one letter, by two that changed places, or by its case.

    A portal's file holds hundreds of names that are none of ours: only what is this near can be meant.
    """
    wanted = name.upper()
    return next((one for one in known if one != name and _is_near(wanted, one)), None)


def _source(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            source = file.read(LONGEST + 1)
    except OSError as error:
        raise ConfigurationError(
            f"UDATA_SETTINGS names {path}, which cannot be read: {error.strerror}", "give the path of a readable file"
        ) from error
    except ValueError as error:  # a null character in its name
        raise ConfigurationError("UDATA_SETTINGS names no file", "give the path of a readable file") from error
    if len(source) > LONGEST:
        raise ConfigurationError(f"UDATA_SETTINGS names {path}, which is too long for a settings file")
    return source


@contextmanager
def _without_lines(path: Path) -> Iterator[None]:
    """Keep the lines of the file out of tracebacks: the line that fails may hold a secret."""
    try:
        yield
    except ConfigurationError as error:
        # An entry without a time of change is never read anew.
        linecache.cache[str(path)] = (0, None, [], str(path))
        if isinstance(error.__cause__, SyntaxError):
            error.__cause__.text = None
        raise


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f" line {error.lineno}: {error.msg}"
    return f" {error}" if str(error) else " it is nested too deeply"


def _said(error: BaseException) -> str:
    """What the error says, if that can be found out."""
    try:
        text = str(error)
    except Exception:  # another's code, which may raise here, too
        text = "it does not say why"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_near(wanted: str, known: str) -> bool:
    if wanted == known:
        return True
    if abs(len(wanted) - len(known)) > 1 or len(known) < 5:
        return False
    start = next((place for place, pair in enumerate(zip(wanted, known, strict=False)) if pair[0] != pair[1]), None)
    if start is None:
        return True
    left, right = wanted[start:], known[start:]
    swapped = len(left) == len(right) and left[:2] == right[1::-1] and left[2:] == right[2:]
    return swapped or left[1:] == right[1:] or left[1:] == right or left == right[1:]
