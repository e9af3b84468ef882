"""A way to a search server that goes wrong as one is told: over loopback, in front of the real node."""

import http.client
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import orjson


class Request(NamedTuple):
    """A request on its way; `number` counts those to the same end of the path, from 1."""

    number: int
    method: str
    path: str
    body: bytes


class Answer(NamedTuple):
    """What is answered instead of the node. A status of 0 closes the connection without a word."""

    status: int
    body: bytes = b"{}"


Fault = Callable[[Request], Answer | None]


class FaultyWay:
    """A server on loopback that hands requests on to the node at `url`, unless `fault` answers in its place.

    Requests are kept in `seen` without their bodies.
    """

    def __init__(self, url: str, fault: Fault) -> None:
        self.fault = fault
        self.seen: list[Request] = []
        self._lock = Lock()
        parts = urlsplit(url)
        way = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                answer = way.fault(way.count(self.command, self.path, body))
                if answer is None:
                    self.hand_on(body)
                elif answer.status == 0:
                    self.close_connection = True
                else:
                    self.answer(answer.status, answer.body, "application/json")

            do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 (the names that the library looks for)

            def hand_on(self, body: bytes) -> None:
                node = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
                wanted = {name: self.headers[name] for name in ("content-type", "accept") if name in self.headers}
                try:
                    node.request(self.command, self.path, body or None, wanted)
                    got = node.getresponse()
                    self.answer(got.status, got.read(), got.getheader("content-type") or "application/json")
                except OSError:
                    self.close_connection = True
                finally:
                    node.close()

            def answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def count(self, method: str, path: str, body: bytes) -> Request:
        """Note the request, and say which one it is of its kind."""
        end = path.partition("?")[0].rpartition("/")[2]
        with self._lock:
            number = 1 + sum(one.path.partition("?")[0].rpartition("/")[2] == end for one in self.seen)
            self.seen.append(Request(number, method, path, b""))
        return Request(number, method, path, body)

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def refused_items(body: bytes, status: int, kind: str, reason: str) -> Answer:
    """What a server answers to a bulk of which it takes no item: the status line says 200."""
    ids = [line for line in body.split(b"\n") if line.startswith((b'{"index":{"_id"', b'{"delete":{"_id"'))]
    error = {"type": kind, "reason": reason}
    items = [{"index": {"status": status, "error": error}} for _ in ids]
    return Answer(200, orjson.dumps({"errors": True, "items": items}))
