"""Which engine the settings name."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from udata.errors import ConfigurationError
from udata.search.engines.base import Definition, Engine
from udata.settings import home

# An address that begins so is a folder of the embedded engine's.
EMBEDDED = "tantivy:"


def open_engine(settings: Mapping[str, Any]) -> Engine:
    """The engine of the settings: that of ELASTICSEARCH_URL, else, with no server named, the embedded one.

    Nothing is connected to yet. Raises ConfigurationError when there is none.
    """
    engine = _engine(settings)
    engine.patience = settings["SEARCH_PATIENCE_SECONDS"]
    return engine


def is_configured(settings: Mapping[str, Any]) -> bool:
    """Whether there is an engine by the settings; whether it answers is another question."""
    # Looked for and not imported: commands that never search ask this, too.
    return bool(settings["ELASTICSEARCH_URL"] or (_serves_itself(settings) and find_spec("tantivy")))


def definition(settings: Mapping[str, Any], model: str) -> Definition:
    """What an index of `model` is made of by the settings. Raises ConfigurationError for synonyms that are none."""
    from udata.search.analysis import parse_synonyms

    synonyms = tuple(settings["SEARCH_SYNONYMS"] or ())
    # For its errors alone: they come now, and not in the middle of a rebuild.
    parse_synonyms(synonyms)
    return Definition(model, settings["SEARCH_LANGUAGE"] or settings["DEFAULT_LANGUAGE"], synonyms)


def _serves_itself(settings: Mapping[str, Any]) -> bool:
    """Whether no server is named; those of an app say so, too."""
    return bool(getattr(settings, "embedded", False))


def _engine(settings: Mapping[str, Any]) -> Engine:
    address = settings["ELASTICSEARCH_URL"] or ""
    if address.startswith(EMBEDDED):
        return _embedded(Path(address.removeprefix(EMBEDDED)), settings)
    if settings["ELASTICSEARCH_URL"]:
        from udata.search.engines.elasticsearch.engine import ElasticsearchEngine
        from udata.search.engines.elasticsearch.node import addresses

        return ElasticsearchEngine(
            addresses(settings["ELASTICSEARCH_URL"]),
            timeout=settings["ELASTICSEARCH_TIMEOUT"],
            write_timeout=settings["ELASTICSEARCH_INDEX_TIMEOUT"],
            first=settings["SERVER_TIMEOUT"],
            ca_certs=settings["ELASTICSEARCH_CA_CERTS"],
        )
    if not _serves_itself(settings):
        raise ConfigurationError("no search server is configured", "set ELASTICSEARCH_URL (UDATA_ELASTICSEARCH_URL)")
    return _embedded(home() / "search", settings)


def _embedded(folder: Path, settings: Mapping[str, Any]) -> Engine:
    if find_spec("tantivy") is None:
        raise ConfigurationError(
            "no search server is configured and the embedded engine is not installed",
            'pip install "udata[embedded]", or set UDATA_ELASTICSEARCH_URL to a server of yours',
        )
    from udata.search.engines.embedded.engine import EmbeddedEngine

    return EmbeddedEngine(folder, lock_seconds=settings["SEARCH_LOCK_SECONDS"])
