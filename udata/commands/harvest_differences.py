"""How the outcome of a harvest is shown: what differs, and why something failed."""

from typing import TYPE_CHECKING, Any

from udata.commands import output
from udata.wording import ago, counted

if TYPE_CHECKING:
    from udata.harvest.run.causes import Causes
    from udata.harvest.run.source import Report

# So many of each are shown; -v shows all.
SHOWN = 20


def answer_differences(report: "Report") -> None:
    """Answer what a harvest creates, changes field by field, and archives."""
    most = None if output.options.verbosity else SHOWN
    for outcome, mark in (("created", "+"), ("changed", "~")):
        some = [one for one in report.written if one.outcome == outcome]
        for one in some[:most]:
            output.line(f"{mark} {one.item.remote_id}")
            for change in one.changes[:most]:
                output.line(f"    {change.path}: {_told(change.before)} → {_told(change.after)}")
        _more(len(some), most, outcome)
    for item in report.archived[:most]:
        output.line(f"- {item.remote_id}")
    _more(len(report.archived), most, "archived")


def _told(value: Any) -> str:
    if value is None:
        return "nothing"
    # A resource that comes or goes is told by its name.
    named = value.get("title") or value.get("url") if isinstance(value, dict) else None
    return output.shortened(str(named or value))


def _more(number: int, most: int | None, word: str) -> None:
    if most is not None and number > most:
        output.remark(f"{number - most:,} more {word}: -v shows all")


def answer_causes(causes: "Causes") -> None:
    """Answer what went wrong or is worth a remark, by cause, with examples."""
    for cause in causes.listed():
        say = output.caution if cause.kind == "remark" else output.bad
        say(f"{cause.cause}: {counted(cause.number, 'record')}")
        for one in cause.examples:
            output.line(f"    {one.record}{'' if one.value is None else f': {output.shortened(one.value)}'}")


def told_since(moment: Any) -> str:
    """When something was, in a word or two, as in `3 hours ago`; with -v to the second. Empty for no moment."""
    from udata.clock import now

    # Another program's documents may hold anything there.
    if not hasattr(moment, "tzinfo"):
        return ""
    return output.moment(moment) if output.options.verbosity else f"{ago(now() - moment)} ago"
