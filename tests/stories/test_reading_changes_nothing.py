"""A command that reads a database leaves it as it was: every document, byte by byte, every index, every collection."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import decode_all
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.conftest import Run
from udata.services.database.dump import raw_batches

RAW = CodecOptions(document_class=RawBSONDocument)

READING = [
    ("info",),
    ("info", "--json"),
    ("db", "status"),
    ("db", "status", "--exact", "--json"),
    ("db", "check-integrity"),
    ("db", "check-integrity", "--report", "findings.html", "--fail-on", "never"),
    ("db", "check-integrity", "--checks", "references,missing-lists,duplicates,ownership,documents,metrics", "--jsonl"),
    ("user", "list"),
    ("user", "list", "--deleted", "--json"),
]


def everything(database: Database[dict[str, Any]]) -> dict[str, Any]:
    """What is in the database: the options, the indexes and the documents of each collection."""

    def documents(name: str) -> Iterator[bytes]:
        for batch in raw_batches(database[name]):
            yield from (bytes(document.raw) for document in decode_all(batch, RAW))

    return {
        one["name"]: (
            one.get("options"),
            database[one["name"]].index_information(),
            sorted(documents(one["name"])),
        )
        for one in database.list_collections()
    }


@pytest.mark.parametrize("line", READING, ids=" ".join)
@pytest.mark.parametrize("name", ["broken", "nothing"])
def test_a_command_that_reads_changes_nothing(
    line: tuple[str, ...],
    name: str,
    udata: Run,
    database: Database[dict[str, Any]],
    load_reference: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "broken":
        load_reference("broken")
        database.dataset.create_index("slug")
        database.of_another_program.insert_one({"_id": 1})
    before = everything(database)
    assert len(before) == (23 if name == "broken" else 0)
    result = udata(*line)
    assert result.exit_code in (0, 1)
    assert result.stdout or (name == "nothing" and "--jsonl" in line)
    assert everything(database) == before
