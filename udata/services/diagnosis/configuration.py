"""The settings: those that hold, where each comes from, and what is wrong with them."""

import re
from collections import Counter
from typing import Any, NamedTuple

from udata.embedded.supervisor import SECRETS
from udata.errors import ConfigurationError
from udata.masking import HIDDEN
from udata.runner.schedule import due
from udata.services.diagnosis.check import Check, Note, judged
from udata.setting_rows import BY_NAME, SETTINGS
from udata.settings import Settings
from udata.wording import counted

# What the embedded servers give, if nothing else does.
EMBEDDED = ("MONGODB_HOST", "CELERY_BROKER_URL", "CACHE_REDIS_URL", *SECRETS)

GUESSABLE = {
    "SECRET_KEY": "set it to the portal's own, or make one: what is signed with this one can be forged",
    "SECURITY_PASSWORD_SALT": "set it to the portal's own; once users have passwords, another one locks them out",
}


class Shown(NamedTuple):
    """A setting as it may be shown; `source` is `default`, `environment`, `embedded` or the file's path."""

    name: str
    value: Any
    source: str


def shown(settings: Settings) -> list[Shown]:
    """Every setting of ours in the order of their table, then what else the settings file defines; secrets hidden."""
    others = sorted(settings.keys() - BY_NAME.keys())
    return [_shown(settings, name) for name in [*(setting.name for setting in SETTINGS), *others]]


def look(settings: Settings) -> list[Check]:
    """Whether the settings can be used."""
    problems = [Note(error.message, error.hint) for error in settings.errors]
    try:
        due.time_zone(settings["CELERY_TIMEZONE"])
    except ConfigurationError as error:
        problems.append(Note(error.message, error.hint))
    warnings = [_warning(text) for text in settings.warnings] + _guessable(settings) + _untold(settings)
    return [judged("settings", _summary(settings), problems, warnings, sources=_sources(settings))]


def _shown(settings: Settings, name: str) -> Shown:
    source = settings.sources[name]
    if settings.embedded and source == "default" and name in EMBEDDED:
        # Not looked up: they may not even run.
        return Shown(name, HIDDEN if name in SECRETS else None, "embedded")
    return Shown(name, settings.shown(name), source)


def _summary(settings: Settings) -> str:
    given = [f"{counted(number, 'setting')} from {_place(source)}" for source, number in _sources(settings).items()]
    return ", ".join(given) or "none given, the defaults hold"


def _sources(settings: Settings) -> dict[str, int]:
    return dict(Counter(source for source in settings.sources.values() if source not in ("default", "embedded")))


def _place(source: str) -> str:
    return "the environment" if source == "environment" else source


def _warning(text: str) -> Note:
    message, _, remedy = text.partition(": ")
    # Of the warnings only this kind ends in a remedy, though others may have a colon.
    return Note(message, remedy) if re.match("did you mean", remedy) else Note(text)


def _guessable(settings: Settings) -> list[Note]:
    """The secrets that everybody knows. The embedded servers make their own; of an unread file nothing is known."""
    if settings.embedded or settings.unread:
        return []
    return [
        Note(f"{name} is the default, which everybody knows", remedy)
        for name, remedy in GUESSABLE.items()
        if settings[name] == BY_NAME[name].default
    ]


def _untold(settings: Settings) -> list[Note]:
    """What a portal asks for, and nothing here does."""
    if not settings["PUBLISH_ON_RESOURCE_EVENTS"]:
        return []
    text = "RESOURCES_ANALYSER_URI is not told of resources that a harvest changes"
    return [Note(text, "let the analyser read the portal's catalogue again after the harvests")]
