"""The backends that there are: those of this package, and those that other packages add."""

from fnmatch import fnmatch
from importlib import import_module
from typing import Any, NamedTuple, cast

from udata.errors import ConfigurationError, UnknownName
from udata.harvest.backends.base import Backend
from udata.plugins import Plugin, PluginError, load, unclashing

GROUP = "udata.harvesters"
# By name and not by class: a backend's libraries are loaded only if it is used.
_OWN = {
    "dcat": ("udata.harvest.backends.dcat", "DCATBackend"),
    "ckan": ("udata.harvest.backends.ckan", "CKANBackend"),
    "dkan": ("udata.harvest.backends.ckan", "DKANBackend"),
    "csw-dcat": ("udata.harvest.backends.csw", "CSWDCATBackend"),
    "csw-iso-19139": ("udata.harvest.backends.csw", "CSWISOBackend"),
}
_ATTRIBUTES = ("display_name", "filters", "features", "extras")


class Known(NamedTuple):
    """A backend by name: the package that brings it, and whether the portal's settings let it be used."""

    name: str
    distribution: str
    enabled: bool


def known(enabled: list[str] | None = None) -> list[Known]:
    """All backends, sorted by name. `enabled` holds the names or globs of those in use (`HARVESTER_BACKENDS`)."""
    # Another package cannot take the place of a backend of ours.
    free, _ = unclashing(GROUP, _OWN)
    found = dict.fromkeys(_OWN, "udata") | {plugin.name: plugin.distribution for plugin in free}
    patterns = ["*"] if enabled is None else enabled
    return [Known(name, found[name], any(fnmatch(name, one) for one in patterns)) for name in sorted(found)]


def backend(name: str, enabled: list[str] | None = None) -> Backend:
    """The backend of that name.

    Raises UnknownName if there is none, ConfigurationError if the settings leave it out, and PluginError if another
    package's cannot be loaded or is no backend.
    """
    named = {one.name: one for one in known(enabled)}
    if name not in named:
        raise UnknownName("harvest backend", name, named)
    if not named[name].enabled:
        raise ConfigurationError(f"the harvest backend {name} is not in use", "add it to HARVESTER_BACKENDS")
    if name in _OWN:
        module, attribute = _OWN[name]
        return cast(Backend, getattr(import_module(module), attribute)())
    return _loaded(next(plugin for plugin in unclashing(GROUP, _OWN)[0] if plugin.name == name))


def clashing() -> list[PluginError]:
    """What is said of the backends of other packages that are left out, since their names are taken."""
    return unclashing(GROUP, _OWN)[1]


def _loaded(plugin: Plugin) -> Backend:
    found: Any = load(plugin)
    named = f"the harvest backend {plugin.name} of {plugin.distribution}"
    try:
        # An entry point may name the class, or an object that is made already.
        made = found() if isinstance(found, type) else found
    except Exception as error:  # the code of strangers may raise anything
        raise PluginError(f"{named} cannot be made: {type(error).__name__}: {error}") from error
    # Said now, with the package's name, and not as an AttributeError in the middle of a run.
    if not callable(getattr(made, "pages", None)):
        raise PluginError(f"{named} has no method `pages`")
    if missing := [name for name in _ATTRIBUTES if not hasattr(made, name)]:
        raise PluginError(f"{named} has no {' and no '.join(f'`{name}`' for name in missing)}")
    return cast(Backend, made)
