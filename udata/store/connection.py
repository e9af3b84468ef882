"""The connection to the database, and its errors in an operator's words."""

import atexit
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mongoengine
from dns.exception import Timeout as DNSTimeout
from mongoengine.connection import ConnectionFailure as NotConnected
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError as PyMongoConfigurationError,
)
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    InvalidName,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WTimeoutError,
)
from pymongo.saslprep import saslprep
from pymongo.synchronous import monitor
from pymongo.uri_parser import parse_uri

from udata.errors import ConfigurationError, ServerError
from udata.masking import clean
from udata.settings import Settings, starting
from udata.store.codec import LENIENT

# How long a server that was there may be silent, in milliseconds. The driver breaks off what runs when the server does
# not answer beside it, and the embedded one answers nobody while it collects a large answer for somebody.
PATIENCE = 30_000
# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml: 13 Unauthorized, 18 AuthenticationFailed
AUTHENTICATION_CODES = (13, 18)


_settings: Settings | None = None


def connect(settings: Settings) -> None:
    """Make the database of `settings` the one of all models. Nothing is sent before the first query.

    Raises ConfigurationError if the address cannot be one.
    """
    global _settings
    # MongoEngine refuses another address under a name that is connected.
    disconnect()
    _settings = settings
    uri = address(settings)
    milliseconds = int(settings["SERVER_TIMEOUT"] * 1000)
    try:
        name = _parsed(uri, settings["SERVER_TIMEOUT"])["database"] or settings["MONGODB_DB"]
        mongoengine.connect(
            name,
            host=uri,
            uuidRepresentation="standard",
            # Moments are naive and in UTC throughout, as `udata.clock` makes them.
            tz_aware=False,
            # What a document holds must not stop who reads it: see `udata.store.codec`.
            unicode_decode_error_handler="replace",
            datetime_conversion="DATETIME_AUTO",
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=max(milliseconds, PATIENCE),
        )
    except (InvalidURI, InvalidName, PyMongoConfigurationError, NotConnected, ValueError, TypeError, OSError) as error:
        # A file of keys or certificates that cannot be read raises OSError; MongoEngine wraps what the driver says.
        raise ConfigurationError(
            f"MONGODB_HOST ({settings.sources['MONGODB_HOST']}) is no address of a database: {clean(str(error))}",
            "as in mongodb://user:password@host:27017/udata",
        ) from error


def address(settings: Mapping[str, Any]) -> str:
    """The database's address, made of three settings if `MONGODB_HOST` is a bare host name."""
    host: str = settings["MONGODB_HOST"]
    return host if "://" in host else f"mongodb://{host}:{settings['MONGODB_PORT']}/{settings['MONGODB_DB']}"


def _parsed(uri: str, seconds: float) -> dict[str, Any]:
    """The parts of the address. Raises ValueError or the driver's errors for what is none, ServerError if the name
    server that `mongodb+srv://` asks does not answer within `seconds`.
    """
    # A password may have a space in it, a host or a database's name may not.
    if re.search(r"\s", uri.partition("@")[0] if "@" not in uri else uri.rpartition("@")[2]):
        raise ValueError("it has a space in it")
    try:
        parsed: dict[str, Any] = parse_uri(uri, connect_timeout=seconds)
    except PyMongoConfigurationError as error:
        if isinstance(error.__cause__ or error.__context__, DNSTimeout):
            raise ServerError(
                f"no name server says where the database is: {clean(str(error))}", "see whether the name server runs"
            ) from error
        raise
    # The driver prepares a password when it signs in, and raises then for letters that a password cannot have.
    if parsed["password"]:
        saslprep(parsed["password"])
    return parsed


def disconnect() -> None:
    """Close the connection, if there is one."""
    mongoengine.disconnect_all()


def reconnect() -> None:
    """Connect anew, in a process that was forked: a connection is no two processes' own."""
    if _settings is not None:
        connect(_settings)


def end_at_once() -> None:
    """Let this process end as soon as it has done its work.

    The driver's monitors sleep half a second between two looks at their server, and at the end of a process the driver
    waits for them. They are daemon threads that hold nothing: the interpreter may end without them.
    """
    # A private name of the driver: if it goes, processes only end later.
    wait = getattr(monitor, "_shutdown_resources", None)
    if wait is not None:
        atexit.unregister(wait)


def database() -> Database[dict[str, Any]]:
    """The connected database; what anybody may have written is read as well as it can be.

    Raises ConfigurationError if there is none.
    """
    try:
        connected: Database[dict[str, Any]] = mongoengine.get_db()
    except NotConnected as error:
        raise ConfigurationError("no database is connected", "call udata.app.create_app() first") from error
    return connected.with_options(codec_options=LENIENT)


def pinned(collection: str) -> Collection[dict[str, Any]]:
    """The collection as it stands where it is written, whatever the address says of reads; what is written stays.

    It is for what several processes agree on: a claim that another member has not heard of, or that the next failover
    takes back, is none.
    """
    majority = WriteConcern("majority", wtimeout=PATIENCE)
    return database()[collection].with_options(read_preference=ReadPreference.PRIMARY, write_concern=majority)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the driver raises because of the server into a ServerError that names it.

    Errors of a single document or write (a duplicate key, say) pass through.
    """
    try:
        yield
    except (ServerSelectionTimeoutError, NetworkTimeout, ExecutionTimeout) as error:
        # The driver's timeouts are failures of a connection or an operation, too: hence first.
        raise ServerError(f"the database at {_server()} does not answer: {_reason(error)}", _remedy()) from error
    except ConnectionFailure as error:
        raise ServerError(
            f"the connection to the database at {_server()} broke: {_reason(error)}", _remedy()
        ) from error
    except PyMongoConfigurationError as error:
        # What only turns out when the driver signs in: a mechanism that needs another package, say.
        raise ConfigurationError(
            f"MONGODB_HOST cannot be used: {_reason(error)}", "as in mongodb://user:password@host:27017/udata"
        ) from error
    except WTimeoutError as error:
        raise ServerError(
            f"the database at {_server()} has no majority of its members that answers", "see rs.status() on it"
        ) from error
    except WriteConcernError:
        # An OperationFailure as well, but of a single write, which the caller knows how to name.
        raise
    except OperationFailure as error:
        if error.code not in AUTHENTICATION_CODES:
            raise
        raise ServerError(
            f"the database at {_server()} refuses the user: {_reason(error)}",
            "check the user and password in MONGODB_HOST",
        ) from error


def _remedy() -> str:
    return starting(_settings, "MONGODB_HOST")


def _server() -> str:
    try:
        client: MongoClient[dict[str, Any]] = mongoengine.get_connection()
    except NotConnected:
        return "an unknown address"
    seeds = sorted(client.topology_description.server_descriptions())
    return ", ".join(f"{host}:{port}" if port else host for host, port in seeds)


def _reason(error: Exception) -> str:
    """The first sentence of the driver's message: the rest repeats the topology."""
    return clean(str(error)).split(" (configured timeouts")[0].split(", Timeout:")[0].split(", full error")[0]
