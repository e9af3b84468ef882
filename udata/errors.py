"""What can go wrong, and the exit code of each.

    UdataError                 1   the work was done, and something failed
    ├── PartlyDone             1   the same, and its result says what was done
    ├── UsageError             2   what was typed cannot be meant
    │   └── UnknownName        2   a name that matches nothing; carries the nearest names
    ├── ServerError            3   a server could not be reached or refused
    └── ConfigurationError     4   a setting is wrong, or one is missing

An error carries one line for the operator and, where there is one, what to do about it. Findings of a
check are no errors: they are results.
"""

from collections.abc import Iterable
from typing import Any

EXIT_DONE = 0
EXIT_FOUND = 1
EXIT_USAGE = 2
EXIT_SERVER = 3
EXIT_CONFIGURATION = 4
EXIT_INTERRUPTED = 130


class UdataError(Exception):
    """Something that an operator can cause or mend: `message` says what, `hint` what to do."""

    exit_code = EXIT_FOUND

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class PartlyDone(UdataError):
    """The work went on to its end, and parts of it failed: `result` is what it would have returned."""

    def __init__(self, message: str, result: Any, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.result = result


class UsageError(UdataError):
    """What was typed cannot be meant."""

    exit_code = EXIT_USAGE


class UnknownName(UsageError):
    """A name that matches nothing. `kind` is the word for it, as in `job` or `e-mail`."""

    def __init__(self, kind: str, name: str, known: Iterable[str] = ()) -> None:
        self.kind = kind
        self.name = name
        self.nearest = nearest(name, known)
        super().__init__(f"no {kind} is named {name!r}", did_you_mean(self.nearest))


class ServerError(UdataError):
    """A server could not be reached, or refused."""

    exit_code = EXIT_SERVER


class ConfigurationError(UdataError):
    """A setting is wrong, or one is missing."""

    exit_code = EXIT_CONFIGURATION


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The names in `known` that look most like `name`, best first, case ignored."""
    from difflib import get_close_matches

    by_folded = {candidate.casefold(): candidate for candidate in known}
    matches = get_close_matches(name.casefold(), by_folded, n=limit, cutoff=0.5)
    return [by_folded[match] for match in matches]


def did_you_mean(names: list[str]) -> str | None:
    """The hint that offers `names`, or nothing where there is none."""
    return f"did you mean {' or '.join(names)}?" if names else None
