"""How a portal names its storages: which backend each has, and with which options.

The backend of one is `<NAME>_FS_BACKEND`, else `FS_BACKEND`. Its options are `FS_<BACKEND>_<KEY>`, and before them
`<NAME>_FS_<KEY>`. In documents a file's name stands without `<NAME>_FS_PREFIX`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from udata.errors import ConfigurationError, UnknownName
from udata.network.storage.local import Local
from udata.network.storage.storage import Storage
from udata.setting_rows import STORAGES

BACKENDS = ("local", "s3")
# What is read of the settings for each backend.
KEYS = {"local": ("root",), "s3": ("endpoint", "region", "access_key", "secret_key", "bucket_name")}


def storage(settings: Mapping[str, Any], name: str, *, timeout: float = 30.0) -> Storage:
    """The storage called `name`. Nothing is asked of a server, and no folder is looked at.

    A server that does not answer within `timeout` seconds is given up.

    Raises UnknownName, and ConfigurationError if it is not configured, or wrongly.
    """
    backend = backend_of(settings, name)
    options = _options(settings, name, backend)
    prefix = str(settings.get(f"{name.upper()}_FS_PREFIX") or "")
    if backend == "local":
        return _local(settings, name, options, prefix)
    from udata.network.storage.s3 import S3

    return S3(str(options.pop("bucket_name", None) or name), options, prefix, timeout)


def backend_of(settings: Mapping[str, Any], name: str) -> str:
    """The backend of the storage called `name`. Raises UnknownName, and ConfigurationError for one that is none."""
    if name not in STORAGES:
        raise UnknownName("storage", name, STORAGES)
    backend = str(settings.get(f"{name.upper()}_FS_BACKEND") or settings.get("FS_BACKEND") or "local").lower()
    if backend not in BACKENDS:
        raise ConfigurationError(
            f"the files of {name} are kept by {backend!r}, which is not read here",
            f"the backends are {' and '.join(BACKENDS)}",
        )
    return backend


def is_configured(settings: Mapping[str, Any], name: str) -> bool:
    """Whether the settings say where the storage is. Raises ConfigurationError for a backend that is none."""
    backend = backend_of(settings, name)
    if backend == "local":
        return bool(_options(settings, name, backend).get("root") or settings.get("FS_ROOT"))
    return True


def _options(settings: Mapping[str, Any], name: str, backend: str) -> dict[str, Any]:
    found = {}
    for key in KEYS[backend]:
        own, common = settings.get(f"{name.upper()}_FS_{key.upper()}"), settings.get(f"FS_{backend}_{key}".upper())
        if own is not None or common is not None:
            # An empty setting of the storage's own is a setting, too.
            found[key] = common if own is None else own
    return found


def _local(settings: Mapping[str, Any], name: str, options: Mapping[str, Any], prefix: str) -> Local:
    """A local storage: in a folder of its own, or in one below the root of all of them."""
    own = settings.get(f"{name.upper()}_FS_ROOT")
    common = options.get("root") or settings.get("FS_ROOT")
    root = own or common
    if not root:
        raise ConfigurationError(
            f"it is not known where the files of {name} are", f"set FS_ROOT, or {name.upper()}_FS_ROOT"
        )
    if not isinstance(root, str | os.PathLike):
        raise ConfigurationError(f"the folder of {name} is no path but {type(root).__name__}", "mend FS_ROOT")
    # A folder of its own has to be there; one below the common root comes with its first file.
    return Local(Path(root), prefix) if own else Local(Path(root) / name, prefix, within=Path(root))
