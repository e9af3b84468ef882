"""Asking for one address: the head, and where that tells nothing to rely on, the first bytes."""

from collections.abc import Mapping

import aiohttp

from udata.network.addresses import host_of
from udata.network.failures import AddressRefused, HttpError
from udata.network.http import Client
from udata.services.crawl.verdicts import Seen

# Enough to see that something comes, and whether it is a page.
FIRST_BYTES = 1024
# What of an answer's head is looked at.
_HEADERS = ("content-type", "content-length", "content-range", "retry-after")
# A server that does not answer a HEAD is not waited for as long as one that is to give something.
HEAD_SHARE = 1 / 3


async def visit(client: Client, url: str, *, file: bool, seconds: float, head: bool = True) -> tuple[Seen, bool]:
    """What comes of asking for `url`, each request within `seconds`; and whether the HEAD was of any use.

    `file` says that a page of HTML is not what is wanted. Without `head` the first bytes are asked for at once.
    """
    if head:
        seen = await _ask(client, url, "HEAD", seconds * HEAD_SHARE)
        if _settles(seen, file):
            return seen, True
    asked = await _ask(client, url, "GET", seconds, {"Range": f"bytes=0-{FIRST_BYTES - 1}"})
    if asked.status == 416:
        # There is no first byte of an empty file, and some servers know no ranges.
        asked = await _ask(client, url, "GET", seconds)
    return asked, False


def _settles(seen: Seen, file: bool) -> bool:
    """Whether the answer to a HEAD, which many servers answer wrongly or not at all, can be relied on."""
    if seen.kind is not None:
        return seen.beforehand or seen.kind in ("address", "refused")
    # A page for a file may be a firewall's; and to who asks too much another request is none too few.
    return (seen.ok and not (file and seen.says_html)) or seen.status == 429


async def _ask(client: Client, url: str, method: str, seconds: float, headers: Mapping[str, str] | None = None) -> Seen:
    try:
        # Packed for the way it would have another length, and a part of it could not be unpacked.
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        async with client.open(url, method=method, headers=sent, timeout=seconds) as incoming:
            kept = {name: incoming.headers[name] for name in _HEADERS if name in incoming.headers}
            if method == "HEAD":
                return Seen(incoming.status, kept, host=host_of(incoming.url))
            answer = await incoming.read(FIRST_BYTES, FIRST_BYTES)
            return Seen(answer.status, kept, answer.body, host=host_of(answer.url))
    except HttpError as error:
        # A redirect may lead to a host that is gone.
        own = host_of(error.address) == host_of(url)
        return Seen(kind=error.kind, reason=error.reason, beforehand=own and is_of_connection(error))


def is_of_connection(error: HttpError) -> bool:
    """Whether no connection came about: no such name, nobody who takes it, no certificate to trust."""
    # What may not be asked was not tried: that says nothing of who would be there.
    tried = not isinstance(error, AddressRefused)
    return tried and isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
