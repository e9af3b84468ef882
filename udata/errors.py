"""What can go wrong, and the exit code of each.

    UdataError                   1   the work was done, and something failed
    ├── UsageError               2   what was typed cannot be meant
    │   ├── UnknownName          2   a name that matches nothing; carries the nearest names
    │   ├── NotBuilt             2   a name of which this version knows that it is not part of it
    │   ├── BusyError            1   the same run goes on already (runner.journal.runs)
    │   ├── SeveralMatchError    2   the same words mean several schedules (runner.schedule.schedules)
    │   └── CrontabError         2   a crontab that is none (runner.schedule.crontab)
    ├── ServerError              3   a server could not be reached or refused
    │   ├── HttpError            3   a request failed (network.failures)
    │   │   ├── BadAddress       3   what was asked for is no address of the web
    │   │   ├── AddressRefused   3   the address lies inside the own network
    │   │   ├── Unreachable      3   no such host, no connection, or no TLS to trust
    │   │   ├── TimedOut         3   the server is too slow
    │   │   ├── TooManyRedirects 3   the redirects go in a circle, or are too many
    │   │   ├── TooLarge         3   the answer is larger than the limit
    │   │   ├── BadAnswer        3   the answer is no HTTP, cut short, or not what it says
    │   │   └── BadStatus        3   the server says that it has no answer
    │   ├── ContestedError       3   a run finds no place in the journal (runner.journal.runs)
    │   ├── MailServerError      3   the mail server cannot be used (network.mail)
    │   ├── StorageError         3   a storage of files cannot be used (network.storage)
    │   ├── Unavailable          3   the search engine takes nothing for now (search.engines)
    │   ├── TooLarge             3   the search server takes no request of this size (search.engines)
    │   ├── ReadOnly             3   the search engine takes no writes (search.engines)
    │   └── WriterBusy           3   another process writes to the embedded index (search.engines)
    ├── ConfigurationError       4   a setting is wrong, or one is missing
    ├── OutputError              5   the answer could not be written: the disk is full, the stream is closed
    ├── ReaderGone             141   who read the answer has gone
    ├── PluginError              1   a plugin could not be loaded, or takes a name that is another's (plugins)
    ├── JobError                 1   a job is declared wrongly (runner.registry)
    ├── ParameterError           1   a function cannot be a job, because of a parameter (runner.arguments)
    ├── DeliberateError          1   what `error-test` raises (jobs.diagnostics)
    ├── DocumentError            1   a document that its model cannot read (store.documents)
    ├── DamagedFileError         1   a file of BSON that is none, or is cut (store.bson_files)
    ├── DamagedRunError          1   a record that is none of a run (runner.journal.records)
    ├── StoppedError             1   a run in this process was stopped before its end (runner.execution.in_process)
    ├── ForeignSchedulerError    1   another program runs the schedules, too (runner.schedule.scheduler)
    ├── FileRefused              1   a file that is not touched: no name of one, or outside (network.storage)
    ├── FileMissing              1   a file that is not there (network.storage)
    ├── PartlyDone               1   the work was done, parts of it failed, and the result says what was done
    ├── RebuildRunsError         1   the index of a model is being rebuilt already (search.records)
    ├── TakenOverError           1   another run has taken over the rebuild of this one (search.records)
    ├── NoSuchIndex              1   no index and no alias has the name (search.engines)
    ├── IndexExists              1   an index has the name already (search.engines)
    └── HarvestError             1   a catalogue could not be harvested (harvest.errors)
        ├── UnreadableCatalogue  1   the content is no catalogue in any format that is read
        │   └── UnsafeContent    1   reading it would exhaust the machine, or open what it must not
        ├── NoArea               1   a text that is no area
        ├── NoRecord             1   an entry of a catalogue that describes nothing
        ├── RemoteFault          1   the other portal answered with an error of its own
        ├── EndlessPaging        1   the pages of a catalogue lead in a circle, or on without end
        └── FarFromBefore        1   it has far more or fewer entries than the portal has documents of it

    InnerError                   -   caught in the room that raises it
    ├── TwinRunsError            -   the same run is recorded already (runner.journal.runs)
    ├── RefusedError             -   a message that no worker can take (runner.celery.calls)
    ├── LeftToOthersError        -   a wake-up that another version of this is for (runner.celery.calls)
    ├── NotRecordedError         -   what a message asks for came to nothing (runner.celery.calls)
    ├── TooLargeError            -   a message's body is larger than is allowed (runner.broker.envelopes)
    ├── PutOffError              -   a host has its rest, or too many wait for it (services.crawl.turns)
    ├── _HungUpError             -   the connection to a mail server ended in the middle (network.mail)
    └── FieldError               -   a field of a crontab that is none (runner.schedule.crontab)

    Interrupted                  -   a run is told to stop: a BaseException, as KeyboardInterrupt is
                                     (runner.execution.interrupt)

An error carries one line for the operator and, if there is one, what to do about it. Findings of a check are no
errors: they are results.
"""

from collections.abc import Iterable
from typing import Any

EXIT_DONE = 0
EXIT_FOUND = 1
EXIT_USAGE = 2
EXIT_SERVER = 3
EXIT_CONFIGURATION = 4
EXIT_OUTPUT = 5
EXIT_INTERRUPTED = 130
# 128 and the number of SIGPIPE, as a shell says it of other programs.
EXIT_READER_GONE = 141

# What portals use, and this version does not have, by the word for its kind.
UNBUILT: dict[str, tuple[str, ...]] = {
    "command": (),
    "job": (),
}


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
    """A name that matches nothing. `kind` is the word for it, as in `job` or `account`.

    If nothing of `known` is near, `hint` says where to look; without one those that are known are listed if few.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str] = (), hint: str | None = None) -> None:
        self.kind = kind
        self.name = name
        known = list(known)
        self.nearest = nearest(name, known)
        super().__init__(f"no {kind} is named {name!r}", did_you_mean(self.nearest) or hint or there_are(known))


class NotBuilt(UsageError):
    """A name that portals use, and that this version does not have. `kind` is the word for it, as in `job`."""

    def __init__(self, kind: str, name: str, hint: str | None = None) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"the {kind} {name} is not part of this version", hint)


def require_built(kind: str, name: str, hint: str | None = None) -> None:
    """Raise NotBuilt if `name` is one of those in the table."""
    if name in UNBUILT[kind]:
        raise NotBuilt(kind, name, hint)


class ServerError(UdataError):
    """A server could not be reached, or refused."""

    exit_code = EXIT_SERVER


class ConfigurationError(UdataError):
    """A setting is wrong, or one is missing."""

    exit_code = EXIT_CONFIGURATION


class OutputError(UdataError):
    """The answer could not be written."""

    exit_code = EXIT_OUTPUT


class ReaderGone(UdataError):
    """Who read the answer has gone."""

    exit_code = EXIT_READER_GONE


class InnerError(Exception):
    """Caught in the room that raises it."""


# How much two names must be alike for one to be meant by the other, how many letters say something as a part of a name,
# and how many names are listed if none is meant.
NEAR = 0.6
PART = 3
FEW = 8


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The names in `known` that look like `name`, best first, or else have it as a part, case ignored."""
    from difflib import get_close_matches

    by_folded = {candidate.casefold(): candidate for candidate in known}
    folded = name.casefold()
    matches = get_close_matches(folded, by_folded, n=limit, cutoff=NEAR)
    if not matches and len(folded) >= PART:
        matches = sorted(one for one in by_folded if folded in one)[:limit]
    return [by_folded[match] for match in matches]


def there_are(names: list[str]) -> str | None:
    """The hint that lists `names`, if they are few."""
    return f"there are {', '.join(sorted(names))}" if 0 < len(names) <= FEW else None


def did_you_mean(names: list[str]) -> str | None:
    """The hint that offers `names`, or nothing if there are none."""
    return f"did you mean {' or '.join(names)}?" if names else None
