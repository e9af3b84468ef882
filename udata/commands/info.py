"""`udata info`: what is configured, from where, and whether it works."""

import json
from typing import TYPE_CHECKING, Any

import click

from udata.commands import output, watching
from udata.commands.base import Command, Group
from udata.errors import EXIT_FOUND, UsageError
from udata.setting_rows import BY_NAME
from udata.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from udata.services.diagnosis.check import Check, Note
    from udata.services.diagnosis.configuration import Shown
    from udata.services.diagnosis.run import Report

# What is shown of a long value if not all of it is asked for.
WIDTH = 80
# The place of a part's name.
LABEL = 11


class InfoGroup(Group):
    """A group that is a command as well: its `--json` is its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for option in self.params:
            if "--json" in option.opts and isinstance(option, click.Option):
                option.hidden = False


@click.group("info", cls=InfoGroup, invoke_without_command=True)
@click.option("--strict", is_flag=True, help="End with exit code 1 for warnings, too.")
@click.option("--watch", type=click.FloatRange(min=0.5, max=86_400), metavar="SECONDS",
              help="Look again every so many seconds, until Ctrl-C.")  # fmt: skip
@click.pass_context
def group(ctx: click.Context, strict: bool, watch: float | None) -> None:
    """Find out what works and what does not.

    Versions, settings, database, queue, cache, plugins, workers, scheduler, files and mails are looked at, side by
    side, whatever of them is broken; nothing is started and nothing is changed. Exit code 1 if something that is
    configured does not work.

    \b
    Example:
      $ udata info --strict
    """
    if ctx.invoked_subcommand is not None:
        # They would be lost in silence, since the command below knows nothing of them.
        if strict or watch:
            raise UsageError("--strict and --watch belong to udata info itself", "leave them out")
        return
    if output.options.format == "jsonl":
        raise UsageError("udata info does not print JSONL", "leave the option out")
    from udata.services.diagnosis.run import diagnose
    from udata.store.connection import end_at_once

    watching.check(watch)
    refused = getattr(ctx.find_root().command, "refused", ())
    if watch:
        # Goes on until it is interrupted: what stands below is for one look.
        watching.repeatedly(watch, lambda: _answer_report(diagnose(refused=refused)))
    report = diagnose(refused=refused)
    end_at_once()
    output.answer(report, _answer_report, lambda report: {**report._asdict(), "warnings": report.warnings})
    if not report.ok or (strict and report.warnings):
        output.leave(EXIT_FOUND)


@group.command("config", cls=Command, json=True)
def config() -> None:
    """Show every setting and where it comes from.

    Secrets are hidden. Exit code 1 if the settings cannot be used as they are.

    \b
    Example:
      $ udata info config
    """
    from udata.services.diagnosis.configuration import shown
    from udata.settings import load

    # What is wrong is what one looks for here, and must not hide the rest.
    settings = load(lenient=True)
    output.answer(shown(settings), _answer_settings)
    for text in settings.warnings:
        output.warning(text)
    for error in settings.errors:
        output.error(error)
    if settings.errors:
        output.leave(EXIT_FOUND)


def _answer_settings(settings: "Sequence[Shown]") -> None:
    output.table(["setting", "value", "from"], [(one.name, _text(one), one.source) for one in settings])


def _answer_report(report: "Report") -> None:
    here = report.versions
    _answer_folded(f"udata {here.udata} on Python {here.python}, {here.system} ({here.executable})", "")
    _answer_folded(", ".join(f"{name} {version}" for name, version in here.libraries.items() if version), "  ")
    _answer_given(report.settings)
    for check in report.checks:
        _answer_check(check)
    _answer_verdict(report)


def _answer_folded(text: str, indent: str) -> None:
    for place, piece in enumerate(output.folded(text, 4)):
        output.line(f"{indent if place == 0 else '    '}{piece}")


def _answer_given(settings: "Sequence[Shown]") -> None:
    # A portal's file has hundreds of names that only concern its pages: these are counted.
    given = [one for one in settings if one.source != "default"]
    others = sum(one.name not in BY_NAME for one in given)
    if not output.options.verbosity:
        given = [one for one in given if one.name in BY_NAME]
    name_width = max((len(one.name) for one in given), default=0)
    for one in given:
        first, *rest = output.folded(f"{_shortened(_text(one))}  ({one.source})", name_width + 4)
        output.line(f"  {one.name:<{name_width}}  {first}")
        for piece in rest:
            output.line(f"  {'':<{name_width}}  {piece}")
    if others and not output.options.verbosity:
        output.line(f"  {others} more are the portal's own; -v shows them")


def _answer_check(check: "Check") -> None:
    if check.ok is None:
        _answer_labelled(output.remark, check, check.value)
    elif check.ok:
        _answer_labelled(output.fine, check, check.value)
    for note in check.problems:
        _answer_note(output.bad, check, note)
    for note in check.warnings:
        _answer_note(output.caution, check, note)


def _answer_note(show: "Callable[[str], None]", check: "Check", note: "Note") -> None:
    _answer_labelled(show, check, note.text)
    for piece in output.folded(note.remedy or "", 4):
        if piece:
            output.line(f"    {piece}")


def _answer_labelled(show: "Callable[[str], None]", check: "Check", text: str) -> None:
    """A line that begins with the part's name; what does not fit stands below it, indented."""
    first, *rest = output.folded(text, LABEL + 3)
    show(f"{check.name:<{LABEL}} {first}")
    for piece in rest:
        output.line(f"{'':<{LABEL + 3}}{piece}")


def _answer_verdict(report: "Report") -> None:
    broken = [check.name for check in report.checks if check.ok is False]
    more = f"; {counted(report.warnings, 'warning')}" if report.warnings else ""
    if broken:
        output.bad(f"Does not work: {', '.join(broken)}{more}")
    elif any(check.name == "embedded" and check.ok is None for check in report.checks):
        output.fine(f"Nothing is wrong, and little could be looked at: the embedded servers do not run{more}")
    else:
        output.fine(f"Everything that is configured works{more}")


def _text(one: "Shown") -> str:
    if one.value is None:
        return "" if one.source != "embedded" else "(of the embedded servers)"
    return one.value if isinstance(one.value, str) else json.dumps(one.value, ensure_ascii=False, default=str)


def _shortened(text: str) -> str:
    return text if len(text) <= WIDTH or output.options.verbosity else f"{text[:WIDTH]} …"
