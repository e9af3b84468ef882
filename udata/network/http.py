"""The one client for requests to other servers: guarded, bounded in time and in bytes, and honest about who asks.

    async with Client(settings) as client:
        answer = await client.get("https://example.org/catalog.ttl")

Every connection is made to an address that was judged a moment before, redirects included: the name is not resolved
again. What an operator wrote into the settings is asked with `trusted=True`, for internal addresses are usual there.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

import udata
from udata.errors import ConfigurationError
from udata.network.addresses import Guard, parsed
from udata.network.answers import Answer, Incoming
from udata.network.failures import Attempt, BadAddress, BadAnswer, TimedOut, TooManyRedirects, translated
from udata.network.proxy import Proxy

REDIRECTS = (301, 302, 303, 307, 308)
# Given the address of a request, waits until it may be made, and is told when its answer has been read.
Turns = Callable[[URL], AbstractAsyncContextManager[object]]

# What may be told to the first server only.
_PRIVATE_HEADERS = ("authorization", "cookie", "proxy-authorization")


# aiohttp tells of a socket that could not be made as of a server that did not answer: the reason is kept here.
_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


class Client:
    """A client for many requests at once, of which at most `connections` are on their way at a time.

    Made and used within one event loop. `resolver` answers for the names instead of the system. `turns` is asked
    before every request, those of redirects too, and held until its answer has been read; waiting for a turn is not
    part of an answer's time. Raises ConfigurationError for a setting that cannot be meant.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        connections: int = 100,
        resolver: AbstractResolver | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._settings = settings
        self._guard = Guard(settings)
        self._proxy = _proxy(settings, self._guard)
        self._resolver = resolver
        self._turns = turns
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._slots = asyncio.Semaphore(connections)
        # Once: it reads all the certificates of the system.
        self._tls = ssl.create_default_context()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def get(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        trusted: bool = False,
        timeout: float | None = None,
        max_bytes: int | None = None,
        first_bytes: int | None = None,
    ) -> Answer:
        """The whole answer, whatever its status.

        `timeout` (seconds for everything) and `max_bytes` are by default those of the settings. With `first_bytes`
        no more than that is read, and the answer says whether there was more. Raises HttpError.
        """
        limit = self._settings["HTTP_MAX_BYTES"] if max_bytes is None else max_bytes
        options: dict[str, Any] = {"method": method, "headers": headers, "data": data, "trusted": trusted}
        async with self.open(url, timeout=timeout, **options) as incoming:
            return await incoming.read(limit, first_bytes)

    @asynccontextmanager
    async def open(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        trusted: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[Incoming]:
        """The answer as it comes in: its head is there, its body is read by `chunks`. Raises HttpError."""
        first = _address(url)
        async with self._slots, AsyncExitStack() as turn:
            limit = asyncio.timeout(timeout or self._settings["HTTP_TIMEOUT"])
            try:
                async with limit:
                    wait = None if self._turns is None else _Waiting(self._turns, turn, limit)
                    response, asked = await self._follow(method, first, dict(headers or {}), data, trusted, wait)
                    try:
                        yield Incoming(response, asked)
                    finally:
                        # If the body was not read to its end, the connection is of no use for another answer.
                        response.close()
            except TimeoutError as error:
                # A timeout of the caller's own, raised within the context, is not ours to explain.
                if not limit.expired():
                    raise
                seconds = timeout or self._settings["HTTP_TIMEOUT"]
                raise TimedOut(str(first), f"the answer is not there after {seconds:g} seconds") from error

    async def _follow(
        self,
        method: str,
        first: URL,
        headers: dict[str, str],
        data: bytes | None,
        trusted: bool,
        wait: "_Waiting | None",
    ) -> tuple[aiohttp.ClientResponse, list[str]]:
        """The answer at the end of the redirects, and the addresses that were asked before it."""
        url, asked = first, list[str]()
        # Some servers send who comes for the first time to the same address again, with a cookie.
        cookies = aiohttp.CookieJar(unsafe=True)
        seen: set[tuple[str, str]] = set()
        while True:
            if wait:
                await wait.for_turn(url)
            morsels = cookies.filter_cookies(url)
            seen.add((str(url), str(morsels)))
            options = {"headers": headers, "data": data, "cookies": {key: one.value for key, one in morsels.items()}}
            # Trust holds for the server that the operator named, and not for where it leads to.
            response = await self._ask(method, url, trusted and _origin(url) == _origin(first), options)
            location = response.headers.get("Location") if response.status in REDIRECTS else None
            if location is None:
                return response, asked
            response.close()
            asked.append(str(url))
            cookies.update_cookies(response.cookies, url)
            target = _target(url, location)
            if _origin(target) != _origin(url):
                headers = {name: value for name, value in headers.items() if name.lower() not in _PRIVATE_HEADERS}
            # As browsers do: after 303, and after 301 or 302 to a POST, comes a GET.
            if method != "HEAD" and (response.status == 303 or (method == "POST" and response.status < 303)):
                method, data = "GET", None
            if (str(target), str(cookies.filter_cookies(target))) in seen:
                raise TooManyRedirects(str(first), "redirects in a circle")
            if len(asked) > self._settings["HTTP_MAX_REDIRECTS"]:
                raise TooManyRedirects(str(first), f"redirects more than {self._settings['HTTP_MAX_REDIRECTS']} times")
            url = target

    async def _ask(self, method: str, url: URL, trusted: bool, options: dict[str, Any]) -> aiohttp.ClientResponse:
        """The answer to one request."""
        if self._proxy:
            with translated(str(url)):
                through = await self._proxy.serves(url, trusted)
            if through:
                # The connection is made to the proxy, whose address is the operator's own.
                trusted = True
                options |= self._proxy.options(url, options["headers"])
        attempt = Attempt()
        mark = _attempt.set(attempt)
        try:
            with translated(str(url), attempt):
                return await self._session(trusted).request(method, url, allow_redirects=False, **options)
        finally:
            _attempt.reset(mark)

    def _session(self, trusted: bool) -> aiohttp.ClientSession:
        """The connections that are judged, or those that are not: no request takes one of the other kind."""
        if trusted not in self._sessions:
            connector = aiohttp.TCPConnector(
                # The slots bound the number of connections, and waiting for one is not part of an answer's time.
                limit=0,
                ssl=self._tls,
                resolver=self._resolver or aiohttp.ThreadedResolver(),
                socket_factory=None if trusted else self._judged_socket,
            )
            self._sessions[trusted] = aiohttp.ClientSession(
                connector=connector,
                # Cookies live as long as one request with its redirects: see `_follow`.
                cookie_jar=aiohttp.DummyCookieJar(),
                # No more than what aiohttp decompresses without other packages.
                headers={"User-Agent": user_agent(self._settings), "Accept-Encoding": "gzip, deflate"},
                timeout=aiohttp.ClientTimeout(
                    # `open` bounds the whole, redirects included.
                    total=None,
                    connect=self._settings["HTTP_CONNECT_TIMEOUT"],
                    sock_read=self._settings["HTTP_READ_TIMEOUT"],
                ),
                # A proxy is named in the settings, not by the environment of who starts the command.
                trust_env=False,
            )
        return self._sessions[trusted]

    def _judged_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for the address in `info`, if it may be connected to."""
        family, kind, protocol, _, where = info
        reason = self._guard.refusal(str(where[0]))
        if reason:
            attempt = _attempt.get()
            if attempt:
                attempt.refused = reason
            raise PermissionError(reason)
        return socket.socket(family, kind, protocol)


class _Waiting:
    """The waiting for turns within the time that one answer may take."""

    def __init__(self, turns: Turns, held: AsyncExitStack, limit: asyncio.Timeout) -> None:
        self._turns = turns
        self._held = held
        self._limit = limit

    async def for_turn(self, url: URL) -> None:
        """Wait until `url` may be asked; the turn before is over."""
        now = asyncio.get_running_loop().time
        left = (self._limit.when() or 0) - now()
        self._limit.reschedule(None)
        await self._held.aclose()
        await self._held.enter_async_context(self._turns(url))
        self._limit.reschedule(now() + left)


def user_agent(settings: Mapping[str, Any]) -> str:
    """How our requests name who asks: `HTTP_USER_AGENT`, or what we are and whose portal it is."""
    given = settings.get("HTTP_USER_AGENT")
    if given:
        return str(given)
    portal = settings.get("CDATA_BASE_URL")
    return f"udata/{udata.__version__}" + (f" (+{portal})" if portal else "")


def _address(text: str) -> URL:
    try:
        return parsed(text)
    except ValueError as error:
        raise BadAddress(text, f"is no address of the web: {error}") from error


def _target(url: URL, location: str) -> URL:
    """Where a redirect goes to."""
    try:
        return parsed(str(url.join(URL(location.strip()))))
    except ValueError as error:
        raise BadAnswer(str(url), f"redirects to what is no address: {error}") from error


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return (url.scheme, url.raw_host, url.port)


def _proxy(settings: Mapping[str, Any], guard: Guard) -> Proxy | None:
    if not settings.get("HTTP_PROXY_URL"):
        return None
    try:
        return Proxy(parsed(settings["HTTP_PROXY_URL"]), guard)
    except ValueError as error:
        raise ConfigurationError(
            f"HTTP_PROXY_URL is no address of a proxy: {error}", "as in http://proxy.example.org:3128"
        ) from error
