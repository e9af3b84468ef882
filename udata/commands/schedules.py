"""The screen of schedules."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from udata.clock import now
from udata.commands import names, output
from udata.commands.base import Command, Portal, needs_app
from udata.errors import EXIT_FOUND, UsageError

if TYPE_CHECKING:
    from udata.runner.schedule.schedules import LastRun
    from udata.runner.schedule.stored import Damaged, Schedule

# How many times are shown at which a schedule is due.
NEXT = 3

# A job's arguments may begin with a hyphen, as numbers below 0 do: Click must not take them for options.
LEAVE_ALONE = {"ignore_unknown_options": True}


@click.command("schedule", cls=Command, json=True, context_settings=LEAVE_ALONE)
@click.argument(
    "words", nargs=-1, required=True, shell_complete=names.jobs, metavar="CRON NAME [ARG ...] [KEY=VALUE ...]"
)
@click.option("--enable/--disable", "enabled", default=None, help="Turn it on, or off without removing it.")
@click.option("--missed", type=click.Choice(["once", "skip"]),
              help="What becomes of times missed in an outage: once (the default) or skip.")  # fmt: skip
@needs_app
def schedule(portal: Portal, words: tuple[str, ...], enabled: bool | None, missed: str | None) -> None:
    """Let a job be run at certain times; the same job with the same arguments is rescheduled.

    CRON is one word: five fields of numbers, names, *, commas, - and / in quotes, or @hourly, @daily, @weekly,
    @monthly, @yearly. It may stand behind NAME. Without it, --enable, --disable and --missed change what is scheduled.

    \b
    Example:
      $ udata job schedule "0 3 * * mon-fri" count-tags
    """
    from udata.runner.arguments import split_arguments
    from udata.runner.schedule import schedules

    typed, name, rest = _take_crontab(words)
    args, kwargs = split_arguments(rest)
    if typed is not None:
        found = schedules.schedule(name, typed, args, kwargs, enabled=enabled, missed=missed)
        _answer([found], "Scheduled")
        _note_next([found])
        _note_what_is_missing(found)
    elif enabled is None and missed is None:
        raise UsageError("no crontab is given", 'one word with quotes around it, as in "0 * * * *", or @daily')
    else:
        changed = schedules.change(name, args, kwargs, enabled=enabled, missed=missed)
        _answer(changed, {True: "Enabled", False: "Disabled", None: "Changed"}[enabled])
        _note_none(name, args, kwargs, changed)


@click.command("unschedule", cls=Command, json=True, context_settings=LEAVE_ALONE)
@click.argument("name", shell_complete=names.schedules)
@click.argument("arguments", nargs=-1, metavar="[ARG ...] [KEY=VALUE ...]")
@click.option("--all", "every", is_flag=True, help="If several schedules match, remove all of them.")
@needs_app
def unschedule(portal: Portal, name: str, arguments: tuple[str, ...], every: bool) -> None:
    """Remove what is scheduled of a job with these arguments; the job need not exist.

    If several schedules match, NAME may be the name of one of them.

    Exit code 1 if nothing matches.

    \b
    Example:
      $ udata job unschedule count-tags
    """
    from udata.runner.arguments import split_arguments
    from udata.runner.schedule import schedules

    args, kwargs = split_arguments(arguments)
    removed = schedules.unschedule(name, args, kwargs, every=every)
    _answer(removed, "Unscheduled")
    _note_none(name, args, kwargs, removed)


@click.command("scheduled", cls=Command, json=True)
@needs_app
def scheduled(portal: Portal) -> None:
    """List what is scheduled, and note what is next; with -v the next runs, the last one and how it ended.

    \b
    Example:
      $ udata job scheduled -v
    """
    from udata.runner.schedule import schedules
    from udata.runner.schedule.stored import Damaged, Schedule

    found = list(schedules.listed())
    readable = [one for one in found if isinstance(one, Schedule)]
    damaged = [one for one in found if isinstance(one, Damaged)]
    detailed = output.options.verbosity > 0 or output.options.format == "json"
    runs = schedules.last_runs(readable) if detailed else {}
    output.answer(
        [_plain(one, runs) for one in readable], lambda _: _answer_scheduled(readable, runs if detailed else None)
    )
    if not found and output.options.format == "text":
        output.remark("No scheduled jobs")
    _note_next(readable)
    for broken in damaged:
        output.failed(f"The schedule {broken.name} ({broken.id}) cannot be read: {broken.reason}")
    if damaged:
        output.leave(EXIT_FOUND)


def _answer_scheduled(found: "list[Schedule]", runs: "dict[str, LastRun] | None") -> None:
    """The schedules; with `runs` the times of each, too."""
    for one in found:
        output.line(f"{one.title}: {one.label} ↦ {one.when}{_marks(one)}")
        if runs is not None:
            _answer_times(one, runs)


def _take_crontab(words: tuple[str, ...]) -> tuple[str | None, str, tuple[str, ...]]:
    """The crontab, the name of the job and the rest of what was typed; the crontab may stand first or second."""
    from udata.runner.schedule.crontab import is_crontab

    for place, word in enumerate(words[:2]):
        if is_crontab(word):
            rest = words[:place] + words[place + 1 :]
            if not rest:
                raise UsageError("no job is named", "udata job list shows which there are")
            return word, rest[0], rest[1:]
    return None, words[0], words[1:]


def _answer(found: "list[Schedule] | list[Schedule | Damaged]", done: str) -> None:
    from udata.runner.schedule.stored import Schedule

    plain = [_plain(one, {}) if isinstance(one, Schedule) else one for one in found]
    output.answer(plain[0] if done == "Scheduled" else plain, lambda _: _answer_changed(found, done))


def _answer_changed(found: "Sequence[Schedule | Damaged]", done: str) -> None:
    from udata.runner.schedule.stored import Schedule

    for one in found:
        if isinstance(one, Schedule):
            kind = "interval" if hasattr(one.when, "every") else "crontab"
            output.did(f"{done} Job {one.label} with the following {kind}: {one.when}")
        else:
            output.did(f"{done} {one.name}, which could not be read")


def _note_what_is_missing(one: "Schedule") -> None:
    """What is still to be done until the job is run."""
    from udata.runner.schedule import health

    if not one.enabled:
        output.notice("It is disabled, and not run until it is enabled: --enable")
    elif not health.runs():
        output.notice("No scheduler runs: udata worker beat, or udata worker start --beat")


def _note_none(name: str, args: list[str], kwargs: dict[str, str], found: "list[Any]") -> None:
    """Say so, and end with 1, if nothing was found."""
    from udata.runner import registry
    from udata.runner.schedule import schedules

    if found:
        return
    output.failed(f"No scheduled job match Job {registry.label(name, args, kwargs)}")
    others = schedules.labels(name)
    if others:
        output.notice(f"With other arguments: {', '.join(others)}")
    output.leave(EXIT_FOUND)


def _plain(one: "Schedule", runs: "dict[str, LastRun]") -> dict[str, Any]:
    every = hasattr(one.when, "every")
    return {
        "id": str(one.id),
        "name": one.name,
        "task": one.task,
        "args": one.arguments[0],
        "kwargs": one.arguments[1],
        "crontab": None if every else str(one.when),
        "interval": str(one.when) if every else None,
        "enabled": one.enabled,
        "missed": one.missed,
        "never_sent": one.obstacle,
        "next": _next(one, NEXT),
        "last_run_at": one.last_run_at,
        "total_run_count": one.run_count,
        "last_run": runs.get(one.last_run_id or ""),
    }


def _marks(one: "Schedule") -> str:
    marks = [] if one.enabled else ["disabled"]
    if one.obstacle:
        marks.append(f"never sent: {one.obstacle}")
    elif over := one.over(now()):
        marks.append(over)
    return f" ({'; '.join(marks)})" if marks else ""


def _answer_times(one: "Schedule", runs: "dict[str, LastRun]") -> None:
    for number, moment in enumerate(_next(one, NEXT)):
        output.line(f"  {'' if number else 'next':<5} {_local(moment)}")
    last = runs.get(one.last_run_id or "")
    if last:
        text = f"{last.state}{f': {last.error}' if last.error else ''}, {last.id}"
    else:
        # The journal forgets a run after JOB_HISTORY_DAYS; the schedule keeps its id and time.
        text = "its record is gone" if one.last_run_id else "nothing is recorded of it"
    if one.last_run_at:
        output.line(f"  last  {_local(one.last_run_at)}: {text}")
    else:
        output.line("  last  never")


def _local(moment: datetime) -> str:
    """A moment in the time zone of the crontabs."""
    from udata.runner.schedule.stored import time_zone

    return moment.replace(tzinfo=UTC).astimezone(time_zone()).strftime("%Y-%m-%d %H:%M:%S %Z")


def _next(one: "Schedule", number: int) -> list[datetime]:
    """The next times at which a schedule is sent; none if it is not."""
    return [] if one.obstacle or not one.enabled else one.upcoming(now(), number)


def _note_next(found: "Sequence[Schedule]") -> None:
    """Note which of the schedules is sent next, and when."""
    from udata.wording import span

    times = [(at, one.label) for one in found for at in _next(one, 1)]
    if times and output.options.format == "text":
        at, label = min(times)
        output.notice(f"Next: {label} in {span(max(0, int((at - now()).total_seconds())))}, at {_local(at)}")
