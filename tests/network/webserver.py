"""Web servers on loopback, each in a thread of its own: what they answer is the test's."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class WebServer:
    """What was asked of it, in order, and its address."""

    def __init__(self, host: str, port: int, scheme: str) -> None:
        self.host = host
        self.port = port
        self.scheme = scheme
        self.asked: list[web.BaseRequest] = []

    def url(self, path: str = "/") -> str:
        """An address on it."""
        return f"{self.scheme}://{self.host}:{self.port}{path}"


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def web_server(handler: Handler, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """A running web server whose every answer is made by `handler`."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listening, running_loop() as loop:
        listening.bind((host, 0))
        server = WebServer(host, listening.getsockname()[1], "https" if tls else "http")

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            server.asked.append(request)
            return await handler(request)

        async def start() -> web.ServerRunner:
            runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0)
            await runner.setup()
            await web.SockSite(runner, listening, ssl_context=tls).start()
            return runner

        runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()


@contextmanager
def raw_server(answer: bytes | None) -> Iterator[str]:
    """The address of a server that says `answer`, whatever it is asked, and hangs up; or says nothing at all."""
    open_ones: list[Any] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            await writer.drain()
            writer.close()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(talk, "127.0.0.1", 0)

    async def stop(server: asyncio.Server) -> None:
        for writer in open_ones:
            writer.close()
        server.close()
        await server.wait_closed()

    with running_loop() as loop:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result()
        host, port = server.sockets[0].getsockname()[:2]
        try:
            yield f"http://{host}:{port}/"
        finally:
            asyncio.run_coroutine_threadsafe(stop(server), loop).result()
