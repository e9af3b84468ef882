"""The broker is taken with a password, over TLS and by a unix socket, as redis-py and kombu write their addresses."""

import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask

from tests.chaos.proxy import Proxy
from tests.conftest import Run
from tests.ports import free_port
from tests.waiting import PATIENCE, wait_for
from udata.embedded import process
from udata.embedded.redis import Redis
from udata.errors import ConfigurationError, ServerError
from udata.runner.broker import connection as broker
from udata.runner.broker import queues
from udata.runner.enqueue import enqueue


class ByUnixSocket(Redis):
    """A Redis that asks a user and a password, on a port and by a socket in the file system."""

    def configuration(self, port: int) -> str:
        socket = f'unixsocket "{self.folder}/redis.sock"\n'
        return f"{super().configuration(port)}{socket}user ada on >s3cret/@ ~* &* +@all\n"


@pytest.fixture
def server() -> Iterator[tuple[str, Path]]:
    """The address of such a server, and its socket."""
    # The path of a socket may not be long.
    folder = Path("/tmp") / f"udata-{secrets.token_hex(4)}"
    server = ByUnixSocket(folder, "plain")
    port = free_port()
    running = server.start(port, time.monotonic() + 30)
    try:
        yield server.address(port), server.folder / "redis.sock"
    finally:
        process.kill(running)
        shutil.rmtree(folder)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """The files of what a server of `localhost` presents, which is its own issuer, and of the key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here to make a certificate")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


def _waits(app: Flask, word: str) -> bool:
    """Whether a job that is handed over is found in its queue."""
    app.extensions.clear()
    sent = enqueue("sleep-test", ["0", word])
    with broker.client(app.config) as client:
        return sent.sent and sent.run_id in {one.run_id for one in queues.messages(client, app.config, "default")}


def test_a_user_and_a_password_and_a_unix_socket(app: Flask, server: tuple[str, Path]) -> None:
    address, socket = server
    port = urlsplit(address).port
    user = f"ada:{quote('s3cret/@', safe='')}"
    for number, url in enumerate(
        [
            address,
            f"redis://{user}@127.0.0.1:{port}/3",
            f"redis+socket://{user}@{socket}",
            f"redis+socket://{user}@{socket}?virtual_host=3",
        ]
    ):
        app.config["CELERY_BROKER_URL"] = url
        assert _waits(app, str(number)), url
        with broker.client(app.config) as client:
            expected = 3 if url.endswith("3") else 0
            assert client.connection_pool.connection_kwargs["db"] == expected


@pytest.mark.parametrize("url", ["redis://:wr0ng@127.0.0.1:{port}/0", "redis+socket://ada:wr0ng@{socket}"])
def test_a_wrong_password_is_one_line_without_it(app: Flask, server: tuple[str, Path], url: str) -> None:
    address, socket = server
    app.config["CELERY_BROKER_URL"] = url.format(port=urlsplit(address).port, socket=socket)
    with pytest.raises(ServerError) as refused, broker.client(app.config) as client:
        client.ping()
    assert "wr0ng" not in str(refused.value)
    assert "password" in str(refused.value)


def test_tls_with_a_certificate_that_is_checked(app: Flask, redis_url: str, certificate: tuple[Path, Path]) -> None:
    with Proxy(redis_url, tls=certificate) as proxy:
        app.config["CELERY_BROKER_URL"] = proxy.url
        with pytest.raises(ServerError, match="certificate verify failed"), broker.client(app.config) as client:
            client.ping()
        trusted = {"ssl_ca_certs": str(certificate[0]), "ssl_cert_reqs": "required"}
        app.config["CELERY_BROKER_USE_SSL"] = trusted
        assert _waits(app, "checked")
        app.config["CELERY_BROKER_USE_SSL"] = None
        app.config["CELERY_BROKER_URL"] = f"{proxy.url}?ssl_cert_reqs=none"
        assert _waits(app, "not checked")


@pytest.mark.slow
def test_a_worker_takes_jobs_over_tls(
    app: Flask,
    redis_url: str,
    certificate: tuple[Path, Path],
    udata: Run,
    udata_popen: Any,
    database: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Proxy(redis_url, tls=certificate) as proxy:
        monkeypatch.setenv("UDATA_CELERY_BROKER_URL", proxy.url)
        monkeypatch.setenv("UDATA_CELERY_BROKER_USE_SSL", f'{{"ssl_ca_certs": "{certificate[0]}"}}')
        worker = udata_popen("worker", "start", "-c", "1")
        run_id = udata("job", "run", "-d", "log-test", "--json").json()["id"]
        wait_for(lambda: database.job_run.find_one({"_id": run_id, "state": "succeeded"}))
        worker.terminate()
        assert worker.wait(PATIENCE) == 0


@pytest.mark.parametrize("url", ["redis://localhost:none/0", "rabbit://x", "redis+socket://"])
def test_an_address_that_is_none_is_refused(app: Flask, url: str) -> None:
    app.config["CELERY_BROKER_URL"] = url
    with pytest.raises((ConfigurationError, ServerError)) as refused, broker.client(app.config) as client:
        client.ping()
    assert url in str(refused.value)


def test_on_another_broker_queues_cannot_be_looked_into(app: Flask) -> None:
    app.config["CELERY_BROKER_URL"] = "amqp://guest:s3cret@localhost//"
    with pytest.raises(ConfigurationError, match="can only be looked into on Redis") as refused:
        broker.client(app.config).__enter__()
    assert "s3cret" not in str(refused.value)
