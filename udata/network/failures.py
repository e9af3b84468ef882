"""Why a request brought no answer.

HttpError (a ServerError)
├── BadAddress          what is no address of the web
├── AddressRefused      an address inside the own network, which no setting allows
├── Unreachable         no such host, no connection, no TLS that can be trusted
├── TimedOut            a server that is too slow; another thing than one that fails
├── TooManyRedirects    redirects in a circle, or without end
├── TooLarge            more bytes than the limit, decompressed
├── BadAnswer           what is no HTTP, is cut short, or cannot be decompressed
└── BadStatus           an answer that says that it is none: 404, 500 and their like
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import aiohttp

from udata.errors import ServerError
from udata.masking import mask_credentials

# How much of an address is shown.
_SHOWN = 200


class HttpError(ServerError):
    """A request failed. `address` is what was asked for, without credentials, and `reason` one line that says why."""

    kind: ClassVar[str] = "error"

    def __init__(self, address: str, reason: str, hint: str | None = None) -> None:
        self.address = _shown(address)
        self.reason = _one_line(reason)
        super().__init__(f"{self.address}: {self.reason}", hint)


class BadAddress(HttpError):
    """What was asked for is no address of the web."""

    kind = "address"


class AddressRefused(HttpError):
    """The address lies inside the own network."""

    kind = "refused"


class Unreachable(HttpError):
    """There is no such host, it takes no connection, or its TLS cannot be trusted."""

    kind = "unreachable"


class TimedOut(HttpError):
    """The server is too slow."""

    kind = "timeout"


class TooManyRedirects(HttpError):
    """The redirects go in a circle, or are more than the limit."""

    kind = "redirects"


class TooLarge(HttpError):
    """The answer is larger than the limit."""

    kind = "size"


class BadAnswer(HttpError):
    """The answer is no HTTP, is cut short, or is not what it says."""

    kind = "answer"


class BadStatus(HttpError):
    """The server answered that it has no answer: `status`."""

    kind = "status"

    def __init__(self, address: str, status: int) -> None:
        self.status = status
        super().__init__(address, f"answers with status {status}")


class Attempt:
    """What became of the addresses of one request."""

    def __init__(self) -> None:
        self.refused: str | None = None


@contextmanager
def translated(address: str, attempt: Attempt | None = None) -> Iterator[None]:
    """What aiohttp and the system raise, as an HttpError that says what an operator can do with it."""
    try:
        yield
    # Translated already, in a context within this one.
    except HttpError:
        raise
    except aiohttp.InvalidURL as error:
        raise BadAddress(address, "is no address of the web") from error
    # Before TimeoutError, of which it is a kind.
    except aiohttp.ConnectionTimeoutError as error:
        raise TimedOut(address, "does not take the connection in time") from error
    except TimeoutError as error:
        raise TimedOut(address, "has fallen silent") from error
    # This one and the next are kinds of ClientConnectorError, which comes behind them.
    except aiohttp.ClientConnectorDNSError as error:
        raise Unreachable(address, f"the name is not known: {_system_reason(error)}") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise Unreachable(address, f"its certificate is not to be trusted: {_certificate(error)}") from error
    # A kind of ClientResponseError, and nothing that the server itself has said.
    except aiohttp.ClientHttpProxyError as error:
        raise Unreachable(address, f"the proxy answers with status {error.status}", "see HTTP_PROXY_URL") from error
    except aiohttp.ClientConnectorError as error:
        if attempt and attempt.refused:
            hint = "HTTP_ALLOW_PRIVATE names networks that may be asked all the same"
            raise AddressRefused(address, attempt.refused, hint) from error
        raise Unreachable(address, f"takes no connection: {_system_reason(error)}") from error
    except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
        raise BadAnswer(address, f"answers with what cannot be read: {_answer_reason(error)}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(address, f"broke the connection: {str(error) or type(error).__name__}") from error
    except ValueError as error:  # a head that holds what cannot be one
        raise BadAnswer(address, f"answers with what cannot be read: {error}") from error


def _system_reason(error: aiohttp.ClientConnectorError) -> str:
    return error.os_error.strerror or str(error.os_error) or type(error.os_error).__name__


def _certificate(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    return getattr(cause, "verify_message", None) or str(cause)


def _answer_reason(error: aiohttp.ClientError) -> str:
    """The first line of it: the others show the answer's bytes."""
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error.__cause__ or error)
    return (text.strip().splitlines() or [type(error).__name__])[0].rstrip(":")


def _shown(address: str) -> str:
    text = _one_line(mask_credentials(address))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _one_line(text: str) -> str:
    """Text of others, without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
