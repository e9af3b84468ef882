"""Which engine the settings name."""

from udata.search.engines.base import Engine
from udata.settings import Settings


def open_engine(settings: Settings) -> Engine:
    """The engine of the settings: that of ELASTICSEARCH_URL, else, with no server named, the embedded one.

    Nothing is connected to yet. Raises ConfigurationError when there is none.
    """
    raise NotImplementedError
