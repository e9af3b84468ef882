"""What other installed packages add by entry point, read without importing them.

`importlib.metadata` costs more than the rest of the start together, so the few files that matter are read here:
https://packaging.python.org/en/latest/specifications/entry-points/
"""

import os
import re
import sys
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from udata.errors import UdataError


class Plugin(NamedTuple):
    """An entry point of ours: `value` is `module:attribute`, `distribution` the package that declares it."""

    group: str
    name: str
    value: str
    distribution: str


class PluginError(UdataError):
    """A plugin could not be loaded, or takes a name that is another's."""


def plugins(group: str) -> list[Plugin]:
    """The plugins that installed packages declare for `group`, such as `udata.jobs`, sorted by name."""
    found = (plugin for plugin in _installed(tuple(sys.path)) if plugin.group == group)
    return sorted(found, key=lambda plugin: (plugin.name, plugin.distribution, plugin.value))


def unclashing(group: str, taken: Collection[str]) -> tuple[list[Plugin], list[PluginError]]:
    """The plugins of `group` whose names are free, and what is said of the others.

    A name in `taken` is ours and stays so; of two plugins of one name the first by the name of its distribution wins.
    """
    word = group.removeprefix("udata.").removesuffix("s")
    free: dict[str, Plugin] = {}
    refused = []
    for plugin in plugins(group):
        holder = "udata" if plugin.name in taken else free[plugin.name].distribution if plugin.name in free else None
        if holder is None:
            free[plugin.name] = plugin
        else:
            refused.append(
                PluginError(
                    f"the {word} {plugin.name} of {plugin.distribution} is left out: {holder} has one of that name",
                    f"rename it in {plugin.distribution}",
                )
            )
    return list(free.values()), refused


def load(plugin: Plugin) -> Any:
    """Import what `plugin` names. Raises PluginError, which says what went wrong, whatever it was."""
    from importlib import import_module

    module, _, attribute = plugin.value.partition(":")
    try:
        found: Any = import_module(module)
        for part in filter(None, attribute.split(".")):
            found = getattr(found, part)
    except Exception as error:  # another package's code may raise anything
        raise PluginError(
            f"the plugin {plugin.name} of {plugin.distribution} cannot be loaded: {type(error).__name__}: {error}",
            f"mend or uninstall {plugin.distribution}",
        ) from error
    return found


@cache
def _installed(path: tuple[str, ...]) -> list[Plugin]:
    found: dict[str, list[Plugin]] = {}
    for folder in path:
        try:
            entries = [entry.name for entry in os.scandir(folder or ".")]
        except OSError:
            # A path may name folders that do not exist, and archives.
            continue
        for entry in entries:
            if entry.endswith((".dist-info", ".egg-info")):
                distribution = entry.rpartition(".")[0].split("-")[0]
                declared = _declared(Path(folder, entry, "entry_points.txt"), distribution)
                # The first on the path wins, as it does for imports.
                found.setdefault(distribution.lower(), declared)
    return [plugin for declared in found.values() for plugin in declared]


def _declared(file: Path, distribution: str) -> list[Plugin]:
    try:
        content = file.read_bytes()
    except OSError:
        return []
    # Nearly all packages declare nothing of ours, and need not be parsed.
    if b"[udata." not in content:
        return []
    declared, group = [], ""
    for line in content.decode(errors="replace").splitlines():
        line = line.strip()
        if section := re.fullmatch(r"\[(.+)\]", line):
            group = section[1].strip()
        elif group.startswith("udata.") and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            # An extra may stand in brackets behind the value; it is obsolete, and means nothing here.
            declared.append(Plugin(group, name.strip(), value.split("[")[0].strip(), distribution))
    return declared
