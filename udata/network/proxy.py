"""Requests through a proxy: which go through it, and that none reaches the own network by it."""

import asyncio
import ipaddress
import socket
from typing import Any

import aiohttp
from yarl import URL

from udata.network.addresses import Guard, is_global
from udata.network.failures import AddressRefused, Unreachable

# Names that mean something inside a network alone: RFC 6761, 6762, 8375, and what ICANN keeps for private use.
_INSIDE = ("localhost", "local", "internal", "home.arpa", "lan", "intranet")


class Proxy:
    """The proxy at `url`.

    It resolves names itself, and the guard would see nothing but the proxy's own address. So the name is judged here
    before it is handed over. A name that cannot be resolved here is the proxy's to judge, unless it is one of the
    names that mean something inside a network alone.
    """

    def __init__(self, url: URL, guard: Guard) -> None:
        # Name and password go into a header, and do not stand in the texts of errors.
        self.url = url.with_user(None)
        auth = aiohttp.encode_basic_auth(url.user, url.password or "") if url.user else None
        self._authorization = {"Proxy-Authorization": auth} if auth else {}
        self._guard = guard

    async def serves(self, url: URL, trusted: bool) -> bool:
        """Whether the request goes through it: what lies inside the own network is asked directly.

        Raises AddressRefused for what may not be asked at all.
        """
        host = (url.raw_host or "").rstrip(".")
        found = await _resolved(host, url.port or 0)
        if any(not is_global(ipaddress.ip_address(one.partition("%")[0])) for one in found):
            # What the operator has named may lie inside; any other address needs a setting.
            refusals = [] if trusted else [reason for one in found if (reason := self._guard.refusal(one))]
            if refusals:
                hint = "HTTP_ALLOW_PRIVATE names networks that may be asked all the same"
                raise AddressRefused(str(url), refusals[0], hint)
            return False
        if not found and not trusted and _is_inside(host):
            raise Unreachable(str(url), "the name is not known, and means something inside a network alone")
        return True

    def options(self, url: URL, headers: dict[str, str]) -> dict[str, Any]:
        """How aiohttp is told to ask for `url` through it: the proxy reads its password where it is spoken to."""
        if url.scheme == "https":
            return {"proxy": self.url, "proxy_headers": dict(self._authorization)}
        return {"proxy": self.url, "headers": {**headers, **self._authorization}}


async def _resolved(host: str, port: int) -> list[str]:
    """The addresses of a name, none if it is not known here."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    return [str(where[0]) for *_, where in found]


def _is_inside(host: str) -> bool:
    return "." not in host or any(host == name or host.endswith(f".{name}") for name in _INSIDE)
