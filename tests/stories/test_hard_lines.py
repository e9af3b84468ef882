"""Command lines and settings that nobody means: each ends in one line with the exit code of its kind."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.conftest import Result, Servers

Line = Callable[..., Result]

PERSON = "--first-name A --last-name B --password Passw0rd"


@pytest.fixture
def line(settings: object, tmp_path: Path) -> Line:
    """A function that types a line in a shell, on servers that run."""

    def typed(text: str, **environment: str) -> Result:
        import os

        script = f'udata() {{ "{sys.executable}" -m udata "$@"; }}\n{text}\n'
        done = subprocess.run(
            ["bash", "-c", script],
            env={**os.environ, **environment},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            timeout=60,
        )
        assert "--debug" in text or "Traceback" not in done.stderr, done.stderr
        assert "this is a bug" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    return typed


def one_line(done: Result) -> str:
    """What went wrong, which is one line."""
    wrong = [text for text in done.stderr.splitlines() if text.startswith("✘")]
    assert len(wrong) == 1, done.stderr
    return wrong[0]


@pytest.mark.parametrize("command", ["user list", "job list", "-h", "user -h", "--version", "completion bash", "info"])
@pytest.mark.parametrize("stream", ["> /dev/full", ">&-"])
def test_an_answer_that_cannot_be_written_has_a_code_of_its_own(line: Line, command: str, stream: str) -> None:
    done = line(f"udata {command} {stream}")
    assert done.exit_code == 5
    assert "the answer cannot be written" in one_line(done)


@pytest.mark.parametrize("stream", ["2> /dev/full", "2>&-"])
def test_notes_that_cannot_be_written_are_lost_and_the_answer_is_not(line: Line, stream: str) -> None:
    done = line(f"udata user list {stream}")
    assert (done.exit_code, done.stdout) == (0, "# No users\n")


def test_input_that_is_closed_answers_nothing(line: Line) -> None:
    done = line("udata user create --email q@example.org <&-")
    assert done.exit_code == 2
    assert "nobody is there to answer" in one_line(done)


@pytest.mark.parametrize("command", ["job list", "-h", "completion bash"])
def test_a_reader_that_goes_away_is_always_the_same(line: Line, command: str) -> None:
    for _ in range(3):
        done = line(f"(sleep 0.5; udata {command}; echo $? >&2) | head -0")
        assert done.stderr == "141\n"


LONG = '"$(printf "a%.0s" $(seq 33000))"'


@pytest.mark.parametrize(
    "text",
    [
        "udata user list --limit 99999999999999999999",
        "udata job history --limit 99999999999999999999",
        f"udata user list --search {LONG}",
        f"udata user show {LONG}@example.org",
        f"udata job show {LONG}",
        "udata user show $(printf 'a%.0s' $(seq 256))@example.org",
        r"udata job show $'a\xffb'",
        r"udata job cancel $'a\xffb'",
        r"udata job retry $'a\xffb'",
        r"udata job history $'a\xffb'",
        r"udata user show $'a\xffb'",
        r"udata $'a\xffb'",
        r"udata user list $'--\xff'",
        "udata job history --since 999999999999d",
        "udata job history --since 0001-01-01T00:00:00+14:00",
        "udata user list --json --jsonl",
        "udata worker status --munin --json",
        "udata db check-integrity --checks ''",
        "udata db check-integrity --models ,",
        "udata worker status -Q ''",
        "udata job history --status ,",
        "udata worker start -- --max-tasks-per-child 0",
        "udata worker start -- --max-tasks-per-child many",
        "udata worker start -c 1 -- --time-limit 1",
        "udata worker start -- --no-such-option",
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(line: Line, text: str) -> None:
    done = line(text)
    assert done.exit_code == 2, done
    one_line(done)


@pytest.mark.parametrize(
    ("name", "value", "command", "code"),
    [
        ("CELERY_BROKER_URL", "redis://:p@ss/w0rdTail@127.0.0.1:1/0", "worker status", {3, 4}),
        ("CELERY_BROKER_URL", "redis://:p@ss/w0rdTail@127.0.0.1:1/0", "worker start", {3, 4}),
        ("CELERY_BROKER_URL", "redis://:p@ss/w0rdTail@127.0.0.1:1/0", "job run -d log-test", {3, 4}),
        ("CELERY_BROKER_URL", "redis://BROKER/abc", "job run -d log-test", {4}),
        ("CELERY_BROKER_URL", "redis+socket:///tmp/x.sock?virtual_host=abc", "job run -d log-test", {4}),
        ("CELERY_BROKER_URL", "redis://BROKER/0?socket_timeout=5", "job run -d log-test", {4}),
        ("CELERY_BROKER_URL", "redis://BROKER/0?db=3", "job run -d log-test", {4}),
        ("CELERY_BROKER_USE_SSL", '{"foo":"none"}', "job run -d log-test", {4}),
        ("CELERY_BROKER_TRANSPORT_OPTIONS", '{"socket_timeout":"abc"}', "job run -d log-test", {4}),
        ("CELERY_BROKER_URL", "nonsense", "job run -d log-test", {4}),
        ("CELERY_BROKER_URL", "redis://BROKER/abc", "worker status", {3, 4}),
        ("CELERY_BROKER_URL", "redis+socket:///tmp/x.sock?virtual_host=abc", "worker status", {3, 4}),
        ("CELERY_BROKER_URL", "redis://BROKER/0?socket_timeout=5", "worker status", {0, 3, 4}),
        ("CELERY_BROKER_URL", "redis://BROKER/0?db=3", "worker status", {0, 3, 4}),
        ("CELERY_BROKER_USE_SSL", '{"foo":"none"}', "worker status", {3, 4}),
        ("CELERY_BROKER_TRANSPORT_OPTIONS", '{"socket_timeout":"abc"}', "worker status", {3, 4}),
        ("CACHE_REDIS_URL", "redis://:S3cretPart/x@127.0.0.1:1/0", "cache flush", {3, 4}),
        ("MONGODB_HOST", "not a url at all", "user list", {4}),
        ("MONGODB_HOST", "mongodb://127.0.0.1:1/udata?tls=true&tlsCAFile=/etc/no-such.pem", "user list", {4}),
        ("MONGODB_HOST", "mongodb://127.0.0.1:1/udata?tls=true&tlsCertificateKeyFile=/etc/hostname", "user list", {4}),
        ("MONGODB_HOST", "mongodb://ada:newline%0A@HOST/udata", "user list", {4}),
        ("MONGODB_HOST", "mongodb://ada:emoji%F0%9F%98%80@HOST/udata", "user list", {4}),
        ("MONGODB_HOST", "mongodb://ada@HOST/udata?authMechanism=GSSAPI&authSource=%24external", "user list", {3, 4}),
        ("MONGODB_HOST", "mongodb://HOST/udata?authMechanism=MONGODB-AWS", "user list", {3, 4}),
        ("MONGODB_HOST", "mongodb://ada:pw@HOST/udata?authMechanism=MONGODB-X509", "user list", {3, 4}),
        ("MONGODB_HOST", "mongodb://HOST/udata?authMechanism=MONGODB-OIDC", "user list", {3, 4}),
        ("MONGODB_HOST", "mongodb://HOST/udata?loadBalanced=true", "user list", {3, 4}),
        ("CACHE_REDIS_URL", "redis://127.0.0.1:1/0?foo=bar", "cache flush", {3, 4}),
        ("CACHE_REDIS_URL", "redis://127.0.0.1:1/abc", "cache flush", {3, 4}),
        ("CACHE_REDIS_URL", "redis://127.0.0.1:99999/0", "cache flush", {3, 4}),
        ("CACHE_REDIS_URL", "redis://h?db=x", "cache flush", {3, 4}),
        ("CACHE_REDIS_URL", "rediss://127.0.0.1:1/0?ssl_ca_certs=/etc/no-such.pem", "cache flush", {3, 4}),
        ("CACHE_REDIS_URL", "nonsense", "cache flush", {4}),
        ("CACHE_REDIS_URL", "redis://[::1", "cache flush", {4}),
        ("CACHE_KEY_PREFIX", "\udcff", "cache flush", {4}),
        ("SERVER_TIMEOUT", "NaN", "user list", {4}),
        ("SERVER_TIMEOUT", "-1", "user list", {4}),
        ("SERVER_TIMEOUT", "1e300", "user list", {4}),
        ("JOB_HISTORY_DAYS", "999999", "job run log-test", {4}),
        ("JOB_HISTORY_DAYS", "999999", "worker start", {4}),
        ("JOB_LEASE_SECONDS", "1e20", "job run log-test", {4}),
        ("REAPER_SECONDS", "Infinity", "worker start", {4}),
        ("SECURITY_PASSWORD_SCHEMES", "[]", f"user create --email a@example.org {PERSON}", {4}),
        ("SECURITY_EMAIL_VALIDATOR_ARGS", '{"foo":1}', f"user create --email a@example.org {PERSON}", {4}),
        ("SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS", '{"bcrypt__rounds": 31}',
         f"user create --email a@example.org {PERSON}", {4}),
        ("SECURITY_PASSWORD_HASH", "none", f"user create --email a@example.org {PERSON}", {4}),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_is_one_line_without_secrets(
    line: Line, servers: Servers, redis_url: str, name: str, value: str, command: str, code: set[int]
) -> None:
    from urllib.parse import urlsplit

    parts = urlsplit(servers.mongodb)
    value = value.replace("HOST", f"{parts.hostname}:{parts.port}")
    value = value.replace("BROKER", urlsplit(redis_url).netloc)
    done = line(f"udata --debug {command}", **{f"UDATA_{name}": value})
    assert done.exit_code in code, done
    if done.exit_code:
        one_line(done)
    for secret in ("w0rdTail", "S3cretPart", "newline", "emoji"):
        assert secret not in done.stderr + done.stdout


def test_a_normal_form_of_passwords_that_there_is_not_is_one_line(line: Line, tmp_path: Path) -> None:
    settings = tmp_path / "udata.cfg"
    settings.write_text('SECURITY_PASSWORD_NORMALIZE_FORM = "NFKX"\n', encoding="utf-8")
    done = line(f"udata user create --email a@example.org {PERSON}", UDATA_SETTINGS=str(settings))
    assert done.exit_code == 4
    assert "SECURITY_PASSWORD_NORMALIZE_FORM" in one_line(done)


def test_a_prefix_of_all_keys_hides_neither_what_waits_nor_what_is_no_message(line: Line, redis_url: str) -> None:
    prefixed = {"UDATA_CELERY_BROKER_TRANSPORT_OPTIONS": '{"global_keyprefix":"p1:"}'}
    assert line("udata job run -d log-test", **prefixed).exit_code == 0
    with redis.Redis.from_url(redis_url) as client:
        client.lpush("p1:default", b"garbage")
    done = line("udata worker status --json", **prefixed)
    # Nobody listens to a queue in which something waits.
    assert done.exit_code == 1
    waiting = {queue["name"]: queue["waiting"] for queue in done.json()["queues"]}
    assert waiting == {"high": 0, "default": 2, "low": 0}
