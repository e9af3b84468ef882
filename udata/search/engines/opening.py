"""Which engine the settings name."""

from udata.errors import ConfigurationError
from udata.search.engines.base import Definition, Engine
from udata.settings import Settings, home


def open_engine(settings: Settings) -> Engine:
    """The engine of the settings: that of ELASTICSEARCH_URL, else, with no server named, the embedded one.

    Nothing is connected to yet. Raises ConfigurationError when there is none.
    """
    engine = _engine(settings)
    engine.patience = settings["SEARCH_PATIENCE_SECONDS"]
    return engine


def definition(settings: Settings, model: str) -> Definition:
    """What an index of `model` is made of by the settings. Raises ConfigurationError for synonyms that are none."""
    from udata.search.analysis import parse_synonyms

    synonyms = tuple(settings["SEARCH_SYNONYMS"] or ())
    parse_synonyms(synonyms)
    return Definition(model, settings["SEARCH_LANGUAGE"] or settings["DEFAULT_LANGUAGE"], synonyms)


def _engine(settings: Settings) -> Engine:
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
    if not settings.embedded:
        raise ConfigurationError("no search server is configured", "set ELASTICSEARCH_URL (UDATA_ELASTICSEARCH_URL)")
    from importlib.util import find_spec

    if find_spec("tantivy") is None:
        raise ConfigurationError(
            "no search server is configured and the embedded engine is not installed",
            'pip install "udata[embedded]", or set UDATA_ELASTICSEARCH_URL to a server of yours',
        )
    from udata.search.engines.embedded.engine import EmbeddedEngine

    return EmbeddedEngine(home() / "search", lock_seconds=settings["SEARCH_LOCK_SECONDS"])
