"""Every setting: its name, type, default, meaning and range, and where its value comes from.

The later wins: defaults, the Python file named by `UDATA_SETTINGS`, the environment (`UDATA_<SETTING>`).
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from udata.errors import ConfigurationError, did_you_mean, nearest
from udata.masking import masked, remember_within
from udata.setting_rows import BY_NAME, IGNORED, LARGEST, OF_A_STORAGE, SETTINGS, Setting
from udata.settings_file import executed, slip

PREFIX = "UDATA_"

# Any of these means servers of one's own: then nothing embedded is started.
NAMES_A_SERVER = ("MONGODB_HOST", "CELERY_BROKER_URL", "ELASTICSEARCH_URL")


class Settings(dict[str, Any]):
    """Values by name. `sources` says where each came from: `default`, `environment` or the file's path.

    `warnings` and `errors` are what was wrong on the way; `embedded` is true if no server is named, so that
    the embedded default serves. `unread` is true if there is a file and nothing of it could be taken; `wrong`
    holds the names that were given a value of the wrong type.
    """

    def __init__(self) -> None:
        super().__init__({setting.name: setting.default for setting in SETTINGS})
        self.sources: dict[str, str] = dict.fromkeys(self, "default")
        self.warnings: list[str] = []
        self.errors: list[ConfigurationError] = []
        self.embedded = True
        self.unread = False
        self.wrong: set[str] = set()

    def take(self, name: str, value: Any, source: str) -> None:
        """Give `name` its value from `source`, or note why it cannot have it."""
        if name in IGNORED:
            self.warnings.append(f"{name} ({source}) is ignored: {IGNORED[name]}")
            return
        setting = BY_NAME.get(name)
        value = _decoded(value) if setting and setting.also is bytes else value
        if setting and (unfit := _unfit(setting, value)):
            self.refuse(setting, f"{name} ({source}) must be {setting.words}, not {unfit}")
            return
        if name in NAMES_A_SERVER:
            self.embedded = False
        self[name] = value
        self.sources[name] = source
        if setting is None or not setting.secret or value != setting.default:
            # Taken out of whatever leaves this process. A secret's default is known to everybody.
            remember_within(name, value, secret=setting.secret if setting else None)

    def shown(self, name: str) -> Any:
        """The value of `name` as it may be shown: secrets hidden, and credentials inside addresses."""
        setting = BY_NAME.get(name)
        return masked(name, self[name], secret=setting.secret if setting else None)

    def refuse(self, setting: Setting, message: str) -> None:
        """Note that `setting` was given a value that it cannot have."""
        self.wrong.add(setting.name)
        self.errors.append(ConfigurationError(message, setting.meaning))


def load(environ: Mapping[str, str] | None = None, *, lenient: bool = False) -> Settings:
    """Read the settings from the file that `environ` names and from `environ` itself.

    Raises ConfigurationError for the first thing that is wrong; with `lenient` it is only noted in `errors`,
    so that a diagnosis can go on.
    """
    environ = os.environ if environ is None else environ
    settings = Settings()
    path = environ.get("UDATA_SETTINGS")
    if path:
        # A file means a portal of one's own, even if it names no server: nothing embedded stands in for it.
        settings.embedded = False
        _take_file(settings, Path(path))
    _take_environment(settings, environ)
    if settings.errors and not lenient:
        raise settings.errors[0]
    return settings


def home(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the embedded servers: `UDATA_HOME`, or the platform's folder for a user's data."""
    environ = os.environ if environ is None else environ
    if environ.get("UDATA_HOME"):
        return Path(environ["UDATA_HOME"]).absolute()
    from platformdirs import user_data_path

    return user_data_path("udata", appauthor=False)


def starting(settings: Mapping[str, Any] | None, name: str) -> str:
    """What to do about a server that is away, whose address is the setting `name`."""
    if getattr(settings, "embedded", False):
        return "udata embedded start starts it again, on the same data"
    return f"start it, or set {name} to one that runs"


def _take_file(settings: Settings, path: Path) -> None:
    try:
        namespace = executed(path)
    except ConfigurationError as error:
        settings.errors.append(error)
        settings.unread = True
        return
    for name, value in namespace.items():
        if name.isupper():
            settings.take(name, value, str(path))
        # If the right name is there as well, the odd one is the portal's own.
        if name not in BY_NAME and (meant := slip(name, BY_NAME)) and meant not in namespace:
            settings.warnings.append(f"{name} ({path}) is no setting: {did_you_mean([meant])}")


def _take_environment(settings: Settings, environ: Mapping[str, str]) -> None:
    for variable, text in environ.items():
        name = variable.removeprefix(PREFIX)
        # Two variables say where things are and are no settings; those of the tests are the tests' own.
        if not variable.startswith(PREFIX) or name in ("SETTINGS", "HOME") or name.startswith("TEST_"):
            continue
        setting = BY_NAME.get(name)
        if setting is None and name not in IGNORED and not OF_A_STORAGE.fullmatch(name):
            hint = did_you_mean([PREFIX + near for near in nearest(name, BY_NAME, limit=1)])
            settings.warnings.append(f"{variable} is no setting" + (f": {hint}" if hint else ""))
            continue
        value: Any = text
        if setting and setting.type is not str:
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                settings.refuse(setting, f"{variable} must be {setting.words} in JSON")
                continue
        settings.take(name, value, "environment")


def _decoded(value: Any) -> Any:
    """A secret as text if it is one: what is written as bytes must sign and salt as the same text does."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _unfit(setting: Setting, value: Any) -> str | None:
    """What of `value` the setting cannot have, in words; None if it can."""
    if not _has_type(setting, value):
        return type(value).__name__
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "what is no UTF-8"
    if isinstance(value, int | float) and not isinstance(value, bool):
        least = -LARGEST if setting.least is None else setting.least
        most = LARGEST if setting.most is None else setting.most
        # A comparison with what is no number is false.
        if not (least <= value <= most and math.isfinite(value)):
            return f"{value:.10g}" if abs(value) < 1e300 else "NaN" if value != value else "as large a number"
    return None


def _has_type(setting: Setting, value: Any) -> bool:
    if value is None:
        return setting.default is None
    # To Python a bool is a number as well: `true` must not pass for a port.
    if isinstance(value, bool):
        return setting.type is bool
    accepted = {float: (int, float), list: (list, tuple)}.get(setting.type, setting.type)
    return isinstance(value, accepted) or (setting.also is not None and isinstance(value, setting.also))
