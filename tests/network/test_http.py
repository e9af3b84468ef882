"""Requests to real servers on loopback: of its addresses the tests allow 127.0.0.1 alone."""

import asyncio
import gzip
import signal
import socket
import ssl
import threading
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from tests.mailserver import self_made_certificate
from tests.network.webserver import raw_server, web_server
from tests.ports import NOBODY
from udata.errors import ConfigurationError, ServerError
from udata.network.answers import Answer
from udata.network.failures import (
    AddressRefused,
    BadAddress,
    BadAnswer,
    BadStatus,
    TimedOut,
    TooLarge,
    TooManyRedirects,
    Unreachable,
)
from udata.network.fetching import Fetcher, fetch
from udata.network.http import Client
from udata.settings import load


def settings(**values: Any) -> dict[str, Any]:
    """The defaults, but that 127.0.0.1 may be asked."""
    return {**load({}), "HTTP_ALLOW_PRIVATE": ["127.0.0.1"], **values}


async def hello(request: web.BaseRequest) -> web.Response:
    return web.Response(text="hello", content_type="text/plain")


def moving(*targets: str, status: int = 302) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    """A handler that sends `/0` to the first of the targets, `/1` to the second, and answers everything else."""

    async def handler(request: web.BaseRequest) -> web.Response:
        number = request.path.lstrip("/")
        if number.isdecimal() and int(number) < len(targets):
            return web.Response(status=status, headers={"Location": targets[int(number)]})
        return web.json_response({"method": request.method, "headers": dict(request.headers)})

    return handler


def test_an_answer_says_where_it_came_from_and_what_it_is() -> None:
    with web_server(hello) as server:
        answer = fetch(settings(CDATA_BASE_URL="https://data.example.org"), server.url("/x?y=é"))
        agent = server.asked[0].headers["User-Agent"]
    assert (answer.url, answer.status, answer.body) == (server.url("/x?y=%C3%A9"), 200, b"hello")
    assert (answer.content_type, answer.ok, answer.truncated) == ("text/plain", True, False)
    assert agent.startswith("udata/")
    assert agent.endswith("(+https://data.example.org)")


def test_who_asks_is_named_as_the_setting_says() -> None:
    with web_server(hello) as server:
        fetch(settings(HTTP_USER_AGENT="portal of X (ops@x.example)"), server.url())
        assert server.asked[0].headers["User-Agent"] == "portal of X (ops@x.example)"


def test_a_status_that_says_no_is_an_answer_and_an_error_for_who_wants_one() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(status=503)

    with web_server(handler) as server:
        answer = fetch(settings(), server.url())
    assert not answer.ok
    with pytest.raises(BadStatus, match="answers with status 503") as caught:
        answer.checked()
    assert caught.value.status == 503
    assert isinstance(caught.value, ServerError)


def test_a_private_address_is_refused_before_anything_is_sent() -> None:
    with web_server(hello, host="127.0.0.2") as server:
        with pytest.raises(AddressRefused, match=r"127\.0\.0\.2 is no address of the public internet"):
            fetch(settings(), server.url())
        assert server.asked == []


@pytest.mark.parametrize("host", ["localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "[64:ff9b::7f00:1]"])
def test_no_spelling_of_an_address_goes_past_the_guard(host: str) -> None:
    with web_server(hello) as server:
        with pytest.raises((AddressRefused, Unreachable, BadAddress)):
            fetch(settings(HTTP_ALLOW_PRIVATE=[]), f"http://{host}:{server.port}/")
        assert server.asked == []


def test_an_address_from_the_settings_is_not_judged() -> None:
    with web_server(hello) as server:
        assert fetch(settings(HTTP_ALLOW_PRIVATE=None), server.url(), trusted=True).body == b"hello"


def test_a_connection_that_was_trusted_serves_nobody_else() -> None:
    with web_server(hello) as server, Fetcher(settings(HTTP_ALLOW_PRIVATE=None)) as fetcher:
        fetcher.get(server.url(), trusted=True)
        with pytest.raises(AddressRefused):
            fetcher.get(server.url())
        assert len(server.asked) == 1


def test_a_redirect_inside_is_refused_also_where_the_first_address_was_trusted() -> None:
    with web_server(hello, host="127.0.0.2") as inside, web_server(moving(inside.url())) as server:
        for trusted in (False, True):
            with pytest.raises(AddressRefused, match=r"127\.0\.0\.2"):
                fetch(settings(), server.url("/0"), trusted=trusted)
        assert inside.asked == []


class TwoFaced(AbstractResolver):
    """A name server that gives a good address the first time, and a bad one from then on."""

    def __init__(self) -> None:
        self.answers = ["127.0.0.1", "127.0.0.2"]

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[Any]:
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


def test_a_name_that_resolves_differently_the_second_time_is_refused_then() -> None:
    async def twice(port: int) -> tuple[Answer, Any]:
        async with Client(settings(), resolver=TwoFaced()) as client:
            first = await client.get(f"http://two-faced.example:{port}/0", headers={"Connection": "close"})
            # Names are remembered for a while; another port of the same name is another question.
            return first, await asyncio.gather(client.get("http://two-faced.example:1/"), return_exceptions=True)

    with web_server(hello) as server:
        first, (second,) = asyncio.run(twice(server.port))
    assert first.body == b"hello"
    assert isinstance(second, AddressRefused)


def test_redirects_are_followed_and_told() -> None:
    with web_server(moving("/1", "../2", "x?three")) as server:
        answer = fetch(settings(), server.url("/0"))
    assert answer.url == server.url("/x?three")
    assert answer.redirects == tuple(map(server.url, ("/0", "/1", "/2")))


def test_redirects_in_a_circle_end_at_once_and_endless_ones_at_the_limit() -> None:
    async def endless(request: web.BaseRequest) -> web.Response:
        return web.Response(status=301, headers={"Location": f"{request.path}x"})

    with web_server(moving("/1", "/0")) as server:
        with pytest.raises(TooManyRedirects, match="redirects in a circle"):
            fetch(settings(), server.url("/0"))
        assert len(server.asked) == 2
    with web_server(endless) as server:
        with pytest.raises(TooManyRedirects, match="more than 3 times") as caught:
            fetch(settings(HTTP_MAX_REDIRECTS=3), server.url("/0"))
        assert len(server.asked) == 4
    assert caught.value.kind == "redirects"


def test_a_server_that_wants_its_cookie_back_is_no_circle() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        if "seen" in request.cookies:
            return web.Response(text="welcome")
        response = web.Response(status=302, headers={"Location": str(request.rel_url)})
        response.set_cookie("seen", "yes")
        return response

    with web_server(handler) as server, Fetcher(settings()) as fetcher:
        assert fetcher.get(server.url("/x")).body == b"welcome"
        # Nothing of it is remembered for another request.
        assert fetcher.get(server.url("/x")).redirects == (server.url("/x"),)


@pytest.mark.parametrize(
    "target", ["ftp://h/x", "http://", "http://[", "file:///etc/passwd", "\xff\xfe", "http://h:0/"]
)
def test_a_redirect_to_what_is_no_address_is_a_bad_answer(target: str) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: " + target.encode("latin-1") + b"\r\nContent-Length: 0\r\n\r\n"
    with raw_server(head) as address, pytest.raises((BadAnswer, TooManyRedirects, Unreachable)):
        fetch(settings(), address)


def test_what_is_told_to_one_server_is_not_told_to_another() -> None:
    with web_server(moving()) as other, web_server(moving(other.url("/x"), "/x")) as server:
        headers = {"Authorization": "Bearer abc", "X-Other": "1"}
        elsewhere = fetch(settings(), server.url("/0"), headers=headers).json()["headers"]
        same = fetch(settings(), server.url("/1"), headers=headers).json()["headers"]
    assert "Authorization" not in elsewhere
    assert elsewhere["X-Other"] == "1"
    assert same["Authorization"] == "Bearer abc"


def test_a_post_becomes_a_get_where_a_redirect_means_that() -> None:
    with web_server(moving("/x", status=303)) as server:
        assert fetch(settings(), server.url("/0"), method="POST", data=b"<a/>").json()["method"] == "GET"
    with web_server(moving("/x", status=307)) as server:
        assert fetch(settings(), server.url("/0"), method="POST", data=b"<a/>").json()["method"] == "POST"


def test_a_server_that_is_silent_or_slow_is_given_up_and_told_apart_from_one_that_fails() -> None:
    async def trickling(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.01)

    with raw_server(None) as address, pytest.raises(TimedOut, match="has fallen silent"):
        fetch(settings(HTTP_READ_TIMEOUT=0.2), address)
    with web_server(trickling) as server, pytest.raises(TimedOut, match=r"not there after 0\.3 seconds"):
        fetch(settings(), server.url(), timeout=0.3)
    with pytest.raises(Unreachable, match="takes no connection"):
        fetch(settings(), f"http://127.0.0.1:{NOBODY}/")


def test_what_is_larger_than_the_limit_is_not_read() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    async def announced(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * 50_001)

    with web_server(endless) as server, pytest.raises(TooLarge, match="more than 50 kB"):
        fetch(settings(HTTP_MAX_BYTES=50_000), server.url())
    with web_server(announced) as server:
        with pytest.raises(TooLarge):
            fetch(settings(HTTP_MAX_BYTES=50_000), server.url())
        assert fetch(settings(HTTP_MAX_BYTES=50_000), server.url(), method="HEAD").status == 200
        assert len(fetch(settings(HTTP_MAX_BYTES=50_001), server.url()).body) == 50_001


def test_a_small_answer_that_unpacks_to_a_large_one_is_refused_within_bounded_memory() -> None:
    import tracemalloc

    # 200 MB of zeros, in 200 kB.
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeezer.compress(bytes(1_000_000)) for _ in range(200)) + squeezer.flush()

    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    with web_server(handler) as server, Fetcher(settings(HTTP_MAX_BYTES=1_000_000)) as fetcher:
        tracemalloc.start()
        try:
            with pytest.raises(TooLarge):
                fetcher.get(server.url())
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()


def test_a_compressed_answer_is_unpacked_and_a_damaged_one_told() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        body = gzip.compress(b"hello" * 1000)
        sent = body[:12] + b"damaged" + body[19:] if request.path == "/damaged" else body
        return web.Response(body=sent, headers={"Content-Encoding": "gzip"})

    with web_server(handler) as server:
        assert fetch(settings(), server.url()).body == b"hello" * 1000
        assert server.asked[0].headers["Accept-Encoding"] == "gzip, deflate"
        with pytest.raises(BadAnswer, match="cannot be read"):
            fetch(settings(), server.url("/damaged"))


def test_the_first_bytes_alone_are_read_where_no_more_are_wanted() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"abc")

    with web_server(endless) as server:
        answer = fetch(settings(), server.url(), first_bytes=5)
    assert (answer.body, answer.truncated) == (b"abcab", True)
    with web_server(hello) as server:
        assert fetch(settings(), server.url(), first_bytes=5).truncated is False
        assert fetch(settings(), server.url(), first_bytes=4).truncated is True


@pytest.mark.parametrize(
    "garbage",
    [
        b"what?\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"\x00\xff" * 1000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_one_clear_line(garbage: bytes) -> None:
    with raw_server(garbage) as address, pytest.raises((BadAnswer, Unreachable)) as caught:
        fetch(settings(), address)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_certificate_that_nobody_signed_is_refused(tmp_path: Path) -> None:
    # The server's own side complains of a client that turns away.
    with web_server(hello, tls=self_made_certificate(tmp_path)) as server:
        with pytest.raises(Unreachable, match=r"its certificate is not to be trusted: self.signed"):
            fetch(settings(), server.url())
        assert server.asked == []


def test_an_address_that_is_none_names_itself_without_its_password() -> None:
    with pytest.raises(BadAddress, match="is no address of the web"):
        fetch(settings(), "http:// Localisation des offices/")
    with pytest.raises(Unreachable) as caught:
        fetch(settings(), f"http://user:secret@127.0.0.1:{NOBODY}/")
    assert "secret" not in str(caught.value)


def test_an_answer_that_is_no_json_is_a_bad_one() -> None:
    for body in (b"<html>", b"\xff", b"[" * 100_000):
        with pytest.raises(BadAnswer, match="no JSON"):
            Answer("http://h/", 200, {}, body).json()


def test_never_more_requests_are_on_their_way_than_there_are_connections() -> None:
    now, most = 0, 0

    async def handler(request: web.BaseRequest) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.05)
        now -= 1
        return web.Response(text="hello")

    async def many(address: str) -> list[Answer]:
        async with Client(settings(), connections=3) as client:
            # Who waits for a connection is not timed out meanwhile.
            return await asyncio.gather(*(client.get(address, timeout=1.3) for _ in range(100)))

    with web_server(handler) as server:
        answers = asyncio.run(many(server.url()))
    assert {answer.body for answer in answers} == {b"hello"}
    assert most == 3


def test_through_a_proxy_nothing_inside_is_asked() -> None:
    async def proxy(request: web.BaseRequest) -> web.Response:
        return web.Response(text=f"through the proxy: {request.url}")

    with web_server(proxy) as server, web_server(hello) as allowed, web_server(hello, host="127.0.0.2") as inside:
        given = settings(HTTP_PROXY_URL=f"http://user:pw@127.0.0.1:{server.port}")
        with Fetcher(given) as fetcher:
            assert fetcher.get("http://catalogue.example/x").body.startswith(b"through the proxy")
            assert server.asked[0].headers["Proxy-Authorization"].startswith("Basic ")
            for refused in (inside.url(), "http://localhost:1/", "http://169.254.169.254/"):
                with pytest.raises((AddressRefused, Unreachable)):
                    fetcher.get(refused)
            with pytest.raises(Unreachable, match="inside a network alone"):
                fetcher.get("http://metadata.google.internal/")
            # What may be asked inside is asked directly.
            assert fetcher.get(allowed.url()).body == b"hello"
            assert fetcher.get(allowed.url(), trusted=True).body == b"hello"
        assert len(server.asked) == 1
    with pytest.raises(ConfigurationError, match="HTTP_PROXY_URL"):
        fetch(settings(HTTP_PROXY_URL="proxy"), "http://h/")


def test_what_waits_for_an_answer_can_be_interrupted() -> None:
    class StoppedError(BaseException):
        pass

    def stop(*_: Any) -> None:
        raise StoppedError

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with raw_server(None) as address, Fetcher(settings()) as fetcher:
            main = threading.main_thread().ident
            threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGUSR1)).start()
            with pytest.raises(StoppedError):
                fetcher.get(address)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_tls_is_verified_by_the_systems_own_authorities() -> None:
    async def context() -> ssl.SSLContext:
        async with Client(settings()) as client:
            return client._tls

    made = asyncio.run(context())
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
