"""What Elasticsearch and OpenSearch answer when something is wrong, as errors of ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from elastic_transport import ApiError as TransportApiError
from elastic_transport import ConnectionError as Unreachable
from elastic_transport import ConnectionTimeout, SerializationError, TlsError, TransportError
from elasticsearch import ApiError, UnsupportedProductError

from udata.errors import ServerError, UdataError
from udata.search.engines.base import (
    Failure,
    IndexExists,
    NoSuchIndex,
    Outcome,
    Prepared,
    ReadOnly,
    TooLarge,
    Unavailable,
)

# The server is too busy, or a part of it starts: the same action is taken later.
RETRYABLE = (429, 502, 503, 504)
FREE_THE_DISK = (
    "free disk space on the search server, then lift the block: PUT /_all/_settings"
    ' {"index.blocks.read_only_allow_delete": null}'
)


@contextmanager
def translated(address: str, name: str = "") -> Iterator[None]:
    """Errors of the client become ours: ServerError, ReadOnly, NoSuchIndex, IndexExists. `name`: what was asked for."""
    try:
        yield
    except ConnectionTimeout as error:
        raise Unavailable(
            f"the search server at {address} does not answer in time", "see its log, or raise ELASTICSEARCH_TIMEOUT"
        ) from error
    # Before `Unreachable`, of which it is a kind: trying again would not help.
    except TlsError as error:
        raise ServerError(
            f"the certificate of the search server at {address} is not accepted: {_innermost(error)}",
            "set ELASTICSEARCH_CA_CERTS to the file of the authority that signed it",
        ) from error
    except Unreachable as error:
        raise Unavailable(
            f"the search server at {address} does not answer: {_innermost(error)}",
            "start it, or check ELASTICSEARCH_URL",
        ) from error
    except (SerializationError, UnsupportedProductError) as error:
        raise ServerError(f"what answers at {address} is no search server", "check ELASTICSEARCH_URL") from error
    except ApiError as error:
        raise _refusal(error, address, name) from error
    except (TransportError, TransportApiError) as error:
        raise ServerError(f"the search server at {address} fails: {error}") from error


def outcome(batch: list[Prepared], answer: Mapping[str, Any]) -> Outcome:
    """What became of each action of `batch`, by the items' own errors, whatever the status line said.

    Raises ReadOnly and NoSuchIndex, which concern all of them.
    """
    # Nearly always nothing went wrong, and no item is looked at.
    if not answer.get("errors"):
        return Outcome(len(batch), 0, [])
    done = stale = 0
    failures = []
    # The items stand in the order of the request, and bear no ids.
    for prepared, item in zip(batch, answer["items"], strict=True):
        result = next(iter(item.values()))
        error, status = result.get("error"), result["status"]
        if error is None:
            done += 1
        # A conflict of versions: the index holds a newer document.
        elif status == 409:
            stale += 1
        else:
            kind, reason = _told(error)
            raise_for_all(kind, status, reason, result.get("_index", ""))
            failures.append(Failure(prepared.id, status, reason, status in RETRYABLE))
    return Outcome(done, stale, failures)


def raise_for_all(kind: str, status: int, reason: str, name: str) -> None:
    """Raise what an error of this kind means for every action and not for one: no index, or no writes at all."""
    if kind == "index_not_found_exception":
        raise NoSuchIndex(name, "alias" if "require_alias" in reason else "index")
    # With 503 it is the block of a server that starts; with 429 the one of a full disk.
    if kind == "cluster_block_exception" and status != 503:
        full = "disk usage exceeded" in reason or "read-only / allow delete" in reason
        raise ReadOnly(
            f"the search server takes no writes: {'its disk is nearly full' if full else reason}",
            FREE_THE_DISK if full else "lift the block in the index's settings (index.blocks)",
        )


def _refusal(error: ApiError, address: str, name: str) -> UdataError:
    status = error.meta.status
    body = error.body
    # A proxy before the server may answer with a page instead of JSON.
    told = body.get("error") if isinstance(body, Mapping) else None
    kind, reason = _told(told or str(body or error.message))
    try:
        raise_for_all(kind, status, reason, name)
    except UdataError as known:
        return known
    if kind in ("resource_already_exists_exception", "invalid_index_name_exception") and "already exists" in reason:
        return IndexExists(name)
    if status == 404 and not kind.endswith("action_request_validation_exception") and name:
        return NoSuchIndex(name)
    if status == 413:
        return TooLarge(
            f"the search server at {address} refuses a request of that size", "raise http.max_content_length"
        )
    if status in RETRYABLE:
        return Unavailable(f"the search server at {address} is overloaded or starting: {reason}", "see its log")
    if status in (401, 403):
        return ServerError(
            f"the search server at {address} does not let us in: {reason}", "check the user in ELASTICSEARCH_URL"
        )
    return ServerError(f"the search server at {address} refuses: {reason}")


def _told(error: Any) -> tuple[str, str]:
    """The kind of an error and its reason, with the reason's own reason, which is the telling one."""
    if not isinstance(error, Mapping):
        return "", str(error)
    reasons = [str(error.get("reason") or error.get("type") or "")]
    cause = error.get("caused_by")
    while isinstance(cause, Mapping):
        if reason := cause.get("reason"):
            reasons.append(str(reason))
        cause = cause.get("caused_by")
    return str(error.get("type", "")), ": ".join(dict.fromkeys(reasons))


def _innermost(error: BaseException) -> str:
    """The words of the first cause, which names no Python objects."""
    first = error
    while nested := getattr(first, "errors", ()) or ():
        first = nested[0]
    cause = getattr(first, "reason", None) or getattr(first, "args", [first])[-1]
    text = str(cause)
    return text.rpartition(": ")[2] if "Errno" not in text else text[text.index("Errno") :].partition("] ")[2]
