"""What other packages add, and whether it can be loaded."""

from collections.abc import Iterable

from udata.errors import UdataError
from udata.plugins import Plugin, PluginError, load, plugins, unclashing
from udata.runner import registry
from udata.services.diagnosis.check import Check, Note, judged, passed_over
from udata.services.integrity import check as integrity
from udata.settings import Settings
from udata.wording import counted

GROUPS = ("udata.checks", "udata.commands", "udata.harvesters", "udata.jobs")


def look(settings: Settings, refused: Iterable[PluginError] = ()) -> list[Check]:
    """Whether the plugins can be loaded. One that cannot, or is `refused`, is a warning: nothing else stops for it."""
    found = [plugin for group in GROUPS for plugin in plugins(group)]
    details = {"plugins": [plugin._asdict() for plugin in found]}
    warnings = (
        # Jobs and checks are loaded by what runs them, which says what went wrong.
        _of_jobs()
        + (_of_checks() if plugins("udata.checks") else [])
        + [
            note
            for group in ("udata.commands", "udata.harvesters")
            for plugin in plugins(group)
            if (note := _of(plugin))
        ]
        + [_note(problem) for problem in (*refused, *unclashing("udata.harvesters", ())[1])]
    )
    if not found:
        return [passed_over("plugins", "none installed")]
    return [judged("plugins", ", ".join(_named(found)) or "none of use", (), warnings, **details)]


def _of_jobs() -> list[Note]:
    return [_note(problem) for problem in registry.load_jobs()]


def _of_checks() -> list[Note]:
    _, warnings = integrity.checks()
    return [Note(text) for text in warnings]


def _of(plugin: Plugin) -> Note | None:
    try:
        load(plugin)
    except PluginError as error:
        return _note(error)
    return None


def _note(error: UdataError) -> Note:
    return Note(error.message, error.hint)


def _named(found: list[Plugin]) -> list[str]:
    kinds = {group: [plugin.name for plugin in found if plugin.group == group] for group in GROUPS}
    return [
        f"{counted(len(names), group.removeprefix('udata.').removesuffix('s'))} ({', '.join(names)})"
        for group, names in kinds.items()
        if names
    ]
