"""Many hosts on loopback, each an address of its own, served by one loop: what they answer depends on the path."""

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from tests.network.webserver import running_loop

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def names(count: int) -> list[str]:
    """So many addresses of this machine."""
    return [f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(count)]


class WebHosts:
    """What was asked, as `METHOD host/path`, and how many requests were at a host at once at most."""

    def __init__(self, port: int, hosts: list[str]) -> None:
        self.port = port
        self.hosts = hosts
        self.asked: list[str] = []
        self.times: dict[str, list[float]] = {}
        self.most: Counter[str] = Counter()
        self.now: Counter[str] = Counter()

    def url(self, path: str, host: int = 0) -> str:
        """An address on one of the hosts."""
        return f"http://{self.hosts[host]}:{self.port}{path}"


@contextmanager
def web_hosts(handler: Handler, count: int = 1) -> Iterator[WebHosts]:
    """So many hosts, on one port; every answer is made by `handler`."""
    with running_loop() as loop:
        hosts, port, listening = names(count), 0, []
        for host in hosts:
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, port))
            port = one.getsockname()[1]
            listening.append(one)
        served = WebHosts(port, hosts)

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            assert request.transport
            host = request.transport.get_extra_info("sockname")[0]
            served.asked.append(f"{request.method} {host}{request.path_qs}")
            served.times.setdefault(host, []).append(loop.time())
            served.now[host] += 1
            served.most[host] = max(served.most[host], served.now[host])
            try:
                return await handler(request)
            finally:
                served.now[host] -= 1

        async def start() -> web.ServerRunner:
            runner = web.ServerRunner(web.Server(answer, handler_cancellation=True), shutdown_timeout=0)
            await runner.setup()
            for one in listening:
                await web.SockSite(runner, one).start()
            return runner

        runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield served
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
            for one in listening:
                one.close()
