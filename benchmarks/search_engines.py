"""The sender of search documents against bare ones, and how long a question takes, on each engine.

`python -m benchmarks.search_engines --documents 20000 --engines embedded elasticsearch opensearch`. What is sent is
ready: the time that building documents takes is not in it. A round gives each sender an index
of its own, and the best of each counts.
"""

import argparse
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any

import orjson
import tantivy
import urllib3

from tests.search.corpus import datasets
from tests.search.nodes import ELASTICSEARCH, Node, java, newest_opensearch
from tests.search.queries import QUERIES
from udata.search.engines.base import Action, Definition, Engine
from udata.search.engines.elasticsearch.engine import ElasticsearchEngine
from udata.search.engines.embedded import schema
from udata.search.engines.embedded.engine import EmbeddedEngine
from udata.search.engines.sender import send

DOCUMENTS = 20_000
ROUNDS = 3
SINGLY = 400
BODY = 4_000_000
GOAL_BARE, GOAL_SINGLY, GOAL_EMBEDDED = 0.8, 10, 5_000
FRENCH = Definition("dataset", "fr")

Documents = list[tuple[str, dict[str, Any]]]


def main(arguments: tuple[str, ...] = ()) -> None:
    """Print documents a second, ours against bare, and the latency of questions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--engines", nargs="+", default=["embedded", "elasticsearch"])
    options = parser.parse_args(arguments)
    # So that a node is stopped when the run is ended from outside, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    documents = ready(options.documents)
    size = sum(len(orjson.dumps(document)) for _, document in documents) / len(documents)
    print(f"{len(documents):,} documents of {size:,.0f} bytes, ready to be sent")
    folder = Path(tempfile.mkdtemp(prefix="udata-benchmark-"))
    try:
        for name in options.engines:
            measure_embedded(folder, documents, options.rounds) if name == "embedded" else measure_server(
                name, folder, documents, options.rounds
            )
    finally:
        shutil.rmtree(folder)


def ready(count: int) -> Documents:
    """`count` search documents of about 1.9 KB, none like another."""
    originals = datasets("fr")
    filler = " ".join(one.document["description"] for one in originals[:: len(originals) // 12])
    made = []
    for number in range(count):
        identity = f"{number:024x}"
        one = originals[number % len(originals)].document
        document = {**one, "id": identity, "title": f"{one['title']} {number}", "description": filler[number % 40 :]}
        made.append((identity, document))
    return made


def measure_server(name: str, folder: Path, documents: Documents, rounds: int) -> None:
    """Ours, the fastest bare sender that we could write, and one request a document, on one node."""
    kind = ELASTICSEARCH if name == "elasticsearch" else newest_opensearch()
    if not java(kind.java) or not shutil.which("mvn"):
        print(f"{name}: left out, there is no Java {kind.java} or no Maven")
        return
    (folder / name).mkdir()
    node = Node(kind, folder / name)
    node.start()
    try:
        with ElasticsearchEngine([node.url], timeout=60) as engine:
            bare = urllib3.PoolManager(maxsize=4)
            send_bare(bare, node.url, fresh(engine, "warm"), documents[: len(documents) // 4])
            rates: dict[str, list[float]] = {"ours": [], "bare": []}
            for number in range(rounds):
                rates["bare"].append(rate(documents, lambda index: send_bare(bare, node.url, index, documents),
                                          fresh(engine, f"bare-{number}")))  # fmt: skip
                rates["ours"].append(rate(documents, lambda index: send_ours(engine, index, documents),
                                          fresh(engine, f"ours-{number}")))  # fmt: skip
            some = documents[:SINGLY]
            singly = rate(some, lambda index: send_singly(bare, node.url, index, some), fresh(engine, "singly"))
            ours, fastest = max(rates["ours"]), max(rates["bare"])
            shown = f"{engine.server().name} {engine.server().version}"
            print(f"{shown}: ours {ours:,.0f} documents a second, bare {fastest:,.0f}, one a request {singly:,.0f}")
            print(f"  ours ÷ bare {ours / fastest:.2f} (goal ≥ {GOAL_BARE}), ours ÷ one a request {ours / singly:.0f}"
                  f" (goal ≥ {GOAL_SINGLY})")  # fmt: skip
            ask(engine, f"dataset-ours-{rounds - 1}", shown)
    finally:
        node.stop()


def measure_embedded(folder: Path, documents: Documents, rounds: int) -> None:
    """Ours against bare tantivy with the same schema and chain, one writer, one commit.

    The processor's time is told beside that of the clock: all of it is in this process, and a busy machine changes it
    less.
    """
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    work: dict[str, list[float]] = {"ours": [], "bare": []}
    with EmbeddedEngine(folder / "search") as engine:
        for number in range(rounds):
            place = folder / f"bare-{number}"
            place.mkdir()
            start = process_time()
            rates["bare"].append(rate(documents, lambda index: write_bare(Path(index), documents), str(place)))
            between = process_time()
            rates["ours"].append(rate(documents, lambda index: send_ours(engine, index, documents),
                                      fresh(engine, f"ours-{number}")))  # fmt: skip
            work["bare"].append(between - start)
            work["ours"].append(process_time() - between)
        ours, fastest = max(rates["ours"]), max(rates["bare"])
        shown = f"tantivy {engine.server().version}"
        print(f"{shown}: ours {ours:,.0f} documents a second (goal ≥ {GOAL_EMBEDDED:,}), bare {fastest:,.0f}")
        print(f"  ours ÷ bare {ours / fastest:.2f} (goal ≥ {GOAL_BARE}),"
              f" by the processor's time {min(work['bare']) / min(work['ours']):.2f}")  # fmt: skip
        ask(engine, f"dataset-ours-{rounds - 1}", shown)


def rate(documents: Documents, sending: Callable[[str], None], index: str) -> float:
    """Documents a second."""
    start = perf_counter()
    sending(index)
    return len(documents) / (perf_counter() - start)


def fresh(engine: Engine, suffix: str) -> str:
    """The name of a new and empty index."""
    engine.create_index(f"dataset-{suffix}", "dataset", FRENCH)
    return f"dataset-{suffix}"


def send_ours(engine: Engine, index: str, documents: Documents) -> None:
    """Through the sender of the engines."""
    sent = send(engine, index, (Action(identity, 1, document) for identity, document in documents))
    if sent.done != len(documents):
        raise RuntimeError(f"not all was done: {sent}")


def send_bare(pool: urllib3.PoolManager, url: str, index: str, documents: Documents) -> None:
    """Lines by orjson, bodies of some megabytes, two threads: no versions, no second try, no look at the items."""

    def post(body: bytes) -> None:
        answer = pool.request("POST", f"{url}/{index}/_bulk?filter_path=errors", body=body,
                              headers={"content-type": "application/x-ndjson"})  # fmt: skip
        if answer.status != 200 or b"true" in answer.data:
            raise RuntimeError(answer.data[:500].decode())

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(post, bodies(documents)))


def bodies(documents: Documents) -> Iterator[bytes]:
    """The bulk requests."""
    lines: list[bytes] = []
    size = 0
    for identity, document in documents:
        line = orjson.dumps({"index": {"_id": identity}}) + b"\n" + orjson.dumps(document) + b"\n"
        lines.append(line)
        size += len(line)
        if size > BODY:
            yield b"".join(lines)
            lines, size = [], 0
    yield b"".join(lines)


def send_singly(pool: urllib3.PoolManager, url: str, index: str, documents: Documents) -> None:
    """One request a document, over one connection that stays open."""
    for identity, document in documents:
        pool.request("PUT", f"{url}/{index}/_doc/{identity}", body=orjson.dumps(document),
                     headers={"content-type": "application/json"})  # fmt: skip


def write_bare(folder: Path, documents: Documents) -> None:
    """tantivy alone: every document made and added in turn, and one commit."""
    index = schema.register(tantivy.Index(schema.schema("dataset"), path=str(folder)), "fr")
    writer = index.writer(64_000_000, 2)
    for identity, document in documents:
        writer.add_document(schema.document("dataset", identity, 1, orjson.dumps(document)))
    writer.commit()
    writer.wait_merging_threads()


def ask(engine: Engine, index: str, shown: str) -> None:
    """How long the questions of the tests take, one after another."""
    engine.refresh(index)
    times = []
    for asked in QUERIES["fr"] * 5:
        start = perf_counter()
        engine.search(index, "dataset", asked.text)
        times.append((perf_counter() - start) * 1000)
    slowest = quantiles(times, n=20)
    print(f"  {shown}: a question takes {median(times):.1f} ms (p50), {slowest[18]:.1f} ms (p95)")


if __name__ == "__main__":
    import sys

    main(tuple(sys.argv[1:]))
