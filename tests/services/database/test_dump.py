"""Dumps and restores, on real servers: what goes out comes back, and what is damaged changes nothing."""

import gzip
import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import DBRef, ObjectId
from bson.json_util import loads
from bson.raw_bson import RawBSONDocument
from flask import Flask
from pymongo import MongoClient
from pymongo.database import Database

from tests import factories
from tests.conftest import Servers
from udata.errors import UdataError, UnknownName, UsageError
from udata.services.database.dump import Choice, DumpWriter, dump, raw_batches
from udata.services.database.restore import Mode, Restored, count_known, plan_restore, restore
from udata.store.bson_files import DamagedFileError

pytestmark = pytest.mark.usefixtures("app")

Db = Database[dict[str, Any]]


@pytest.fixture
def dumped(database: Db, tmp_path: Path) -> Callable[[], Path]:
    """A function that dumps the test's database and gives the folder."""

    def make() -> Path:
        list(dump(database, tmp_path / "dump"))
        return tmp_path / "dump"

    return make


def bring_back(database: Db, folder: Path, mode: Mode = "fresh") -> dict[str, Restored]:
    return {one.collection: one for one in restore(database, plan_restore(database, folder, mode))}


def content(database: Db) -> dict[str, bytes]:
    """Every document of every collection, byte by byte, in the order of the ids."""
    return {
        name: b"".join(sorted(_raw(database, name)))
        for name in sorted(database.list_collection_names())
        if not name.startswith("system.")
    }


def _raw(database: Db, name: str) -> list[bytes]:
    return [bson.encode(document) for document in bson.decode_iter(_stored(database, name))]


def _stored(database: Db, name: str) -> bytes:
    return b"".join(raw_batches(database[name]))


def test_what_is_dumped_comes_back_byte_by_byte(
    app: Flask, database: Db, dumped: Callable[[], Path], load_reference: Callable[[str], Any], reference: Path
) -> None:
    load_reference("broken")
    before = content(database)
    folder = dumped()
    for file in (reference / "broken").glob("*.bson"):
        assert (folder / file.name).stat().st_size == file.stat().st_size
    database.client.drop_database(database)
    results = bring_back(database, folder)
    assert content(database) == before
    assert all(one.inserted == one.documents and not one.failed for one in results.values())
    assert "udata_restore" not in database.list_collection_names()


def test_a_dump_may_be_packed_and_comes_back(database: Db, tmp_path: Path) -> None:
    database.thing.insert_many([{"_id": number, "text": "x" * 100} for number in range(2000)])
    before = content(database)
    written = list(dump(database, tmp_path / "dump", choice=Choice(packed=True)))
    assert (tmp_path / "dump" / "thing.bson.gz").stat().st_size < written[0].size / 10
    database.drop_collection("thing")
    bring_back(database, tmp_path / "dump")
    assert content(database) == before


def test_a_dump_may_be_of_some_collections(database: Db, tmp_path: Path) -> None:
    for name in "abc":
        database[name].insert_one({"_id": 1})
    assert [one.collection for one in dump(database, tmp_path / "some", choice=Choice(["a", "c"]))] == ["a", "c"]
    assert [one.collection for one in dump(database, tmp_path / "rest", choice=Choice(exclude=["b"]))] == ["a", "c"]
    with pytest.raises(UnknownName, match="no collection is named 'd'"):
        list(dump(database, tmp_path / "none", choice=Choice(["d"])))
    assert not (tmp_path / "none").exists()


def test_a_dump_for_other_hands_has_no_secrets(database: Db, tmp_path: Path) -> None:
    user, client = factories.user(password="$2b$hash", tf_totp_secret="totp"), factories.oauth2_client(secret="s3cret")
    factories.api_token(user=user)
    factories.geopf_token(user=user)
    factories.oauth2_token(user=user, client=client)
    factories.oauth2_code(user=user, client=client)
    list(dump(database, tmp_path / "dump", choice=Choice(secrets=False)))
    files = {path.name.removesuffix(".bson"): path for path in (tmp_path / "dump").glob("*.bson")}
    assert files.keys().isdisjoint({"api_token", "geopf_token", "oauth2_token", "oauth2_code"})
    stored = bson.decode_all(files["user"].read_bytes())[0]
    assert stored["email"] == user.email
    assert stored.keys().isdisjoint({"password", "fs_uniquifier", "tf_totp_secret"})
    assert "secret" not in bson.decode_all(files["oauth2_client"].read_bytes())[0]


def test_values_that_only_the_server_understands_survive(database: Db, dumped: Callable[[], Path]) -> None:
    odd = bson.encode(
        {
            "_id": {"a": 1},
            "ref": DBRef("x", ObjectId()),
            "binary": bson.Binary(b"x", 3),
            "decimal": bson.Decimal128("1.10"),
            "long": bson.Int64(1),
            "code": bson.Code("x"),
            "max": bson.MaxKey(),
            "old": bson.DatetimeMS(-(2**40)),
        }
    )
    database.odd.insert_one(RawBSONDocument(odd))
    folder = dumped()
    database.drop_collection("odd")
    bring_back(database, folder)
    assert _stored(database, "odd") == odd


def test_a_document_that_the_server_cannot_read_costs_no_other(database: Db, tmp_path: Path, servers: Servers) -> None:
    documents = [bson.encode({"_id": number}) for number in range(100)]
    documents[40] = bson.encode({"_id": 40, "far": bson.DatetimeMS(2**60)})
    (tmp_path / "thing.bson").write_bytes(b"".join(documents))
    result = bring_back(database, tmp_path)["thing"]
    if not servers.secantus:
        pytest.skip("this server takes every date")
    assert (result.documents, result.inserted, result.failed) == (100, 99, 1)
    assert result.errors[0].startswith("thing 40: invalid BSON")


def test_the_reference_folder_is_a_dump(database: Db, reference: Path) -> None:
    results = bring_back(database, reference / "clean")
    assert results["dataset"].inserted == 200
    assert sum(one.failed for one in results.values()) == 0


def test_files_say_what_they_are_and_belong_to_their_owner(database: Db, dumped: Callable[[], Path]) -> None:
    database.thing.insert_one({"_id": 1})
    database.thing.create_index("slug", unique=True)
    folder = dumped()
    assert sorted(path.name for path in folder.iterdir()) == ["dump.json", "thing.bson", "thing.metadata.json"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    metadata = loads((folder / "thing.metadata.json").read_text())
    assert metadata["collectionName"] == "thing"
    assert [(index["name"], dict(index["key"])) for index in metadata["indexes"]] == [
        ("_id_", {"_id": 1}),
        ("slug_1", {"slug": 1}),
    ]
    marker = json.loads((folder / "dump.json").read_text())
    assert marker["state"] == "finished"
    assert marker["collections"] == {"thing": {"documents": 1, "bytes": 14}}


def test_indexes_and_options_come_back(database: Db, dumped: Callable[[], Path]) -> None:
    database.create_collection("log", capped=True, size=4096)
    database.thing.insert_one({"_id": 1, "slug": "a"})
    database.thing.create_index("slug", unique=True, sparse=True)
    folder = dumped()
    database.client.drop_database(database)
    results = bring_back(database, folder)
    assert database.thing.index_information()["slug_1"]["unique"] is True
    assert database.thing.index_information()["slug_1"]["sparse"] is True
    assert database.log.options()["capped"] is True
    assert [(index.name, index.state) for index in results["thing"].indexes] == [("slug_1", "created")]


def test_an_index_that_the_documents_violate_costs_no_document(database: Db, dumped: Callable[[], Path]) -> None:
    database.thing.insert_many([{"_id": 1, "slug": "a"}, {"_id": 2, "slug": "a"}])
    folder = dumped()
    path = folder / "thing.metadata.json"
    metadata = json.loads(path.read_text())
    metadata["indexes"].append({"v": 2, "key": {"slug": 1}, "name": "slug_1", "unique": True})
    metadata["indexes"].append({"v": 2, "key": {"name": 1}, "name": "name_1"})
    path.write_text(json.dumps(metadata))
    database.drop_collection("thing")
    # An empty collection with the index in place takes them as well.
    database.thing.create_index("slug", unique=True)
    result = bring_back(database, folder)["thing"]
    assert result.inserted == 2
    assert result.problems
    states = {index.name: index for index in result.indexes}
    assert states["name_1"].state == "created"
    assert states["slug_1"].state == "failed"
    assert states["slug_1"].message == "several documents share slug 'a': 1, 2"


def test_a_database_with_documents_is_refused(database: Db, dumped: Callable[[], Path]) -> None:
    database.thing.insert_one({"_id": 1})
    folder = dumped()
    with pytest.raises(UsageError, match="not empty: 1 documents"):
        plan_restore(database, folder, "fresh")


def test_dropping_leaves_what_the_dump_does_not_have(database: Db, dumped: Callable[[], Path]) -> None:
    database.thing.insert_one({"_id": 1})
    folder = dumped()
    database.thing.insert_one({"_id": 2})
    database.other.insert_one({"_id": 3})
    plan = plan_restore(database, folder, "drop")
    assert (plan.removed, plan.untouched) == (2, ["other"])
    list(restore(database, plan))
    assert [one["_id"] for one in database.thing.find()] == [1]
    assert database.other.count_documents({}) == 1


def test_merging_replaces_what_is_there_and_adds_the_rest(database: Db, dumped: Callable[[], Path]) -> None:
    database.thing.insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "b"}, {"_id": 3, "name": "c"}])
    folder = dumped()
    database.thing.delete_one({"_id": 1})
    database.thing.update_one({"_id": 2}, {"$set": {"name": "changed", "more": 1}})
    database.thing.insert_one({"_id": 4})
    plan = count_known(database, plan_restore(database, folder, "merge"))
    assert [(one.documents, one.there, one.known) for one in plan.collections] == [(3, 3, 2)]
    (result,) = restore(database, plan)
    assert (result.inserted, result.replaced + result.unchanged) == (1, 2)
    found = sorted(database.thing.find(), key=lambda one: one["_id"])
    assert found == [{"_id": 1, "name": "a"}, {"_id": 2, "name": "b"}, {"_id": 3, "name": "c"}, {"_id": 4}]


def test_a_document_that_cannot_come_back_is_named_and_the_rest_goes_on(
    database: Db, dumped: Callable[[], Path]
) -> None:
    database.thing.insert_many([{"_id": 1, "token": "a"}, {"_id": 2, "token": "b"}])
    folder = dumped()
    database.drop_collection("thing")
    database.thing.create_index("token", unique=True)
    database.thing.insert_one({"_id": 9, "token": "a"})
    result = bring_back(database, folder, "merge")["thing"]
    assert (result.inserted, result.failed) == (1, 1)
    assert result.errors == ["thing 1: several documents share token ********"]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: data[:-3], "ends in the middle of a document"),
        (lambda data: data[:-20] + b"\x02\x00", "ends in the middle of a document"),
        (lambda data: data + b"\xff\xff\xff\x7f", "cannot be of 2,147,483,647 bytes"),
        (lambda data: data + b"\x00\x00\x00\x00", "cannot be of 0 bytes"),
        (lambda data: data[:-1] + b"\x01", "does not end where it says"),
        (lambda data: data[:19] + b"\x63" + data[20:], "is not valid BSON"),
    ],
)
def test_a_damaged_file_is_named_with_the_place_and_changes_nothing(
    database: Db, dumped: Callable[[], Path], damage: Callable[[bytes], bytes], why: str
) -> None:
    database.a.insert_one({"_id": 1})
    database.thing.insert_many([{"_id": number, "name": "x" * 10} for number in range(3)])
    folder = dumped()
    database.client.drop_database(database)
    path = folder / "thing.bson"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedFileError, match=why) as caught:
        plan_restore(database, folder, "fresh")
    assert str(path) in caught.value.message
    assert f"at byte {caught.value.offset}" in caught.value.message
    assert database.list_collection_names() == []


def test_packed_files_and_a_folder_a_database_are_read(database: Db, dumped: Callable[[], Path]) -> None:
    database.thing.insert_one({"_id": 1})
    folder = dumped()
    root = folder.parent / "packed"
    for name in ("portal", "admin"):
        (root / name).mkdir(parents=True)
        for path in folder.glob("thing.*"):
            (root / name / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    (root / "oplog.bson").write_bytes(b"")
    database.drop_collection("thing")
    assert bring_back(database, root)["thing"].inserted == 1
    (root / "portal" / "thing.bson.gz").write_bytes(gzip.compress(bson.encode({"_id": 1}))[:-4])
    with pytest.raises(DamagedFileError, match="cannot be unpacked"):
        plan_restore(database, root, "merge")


def test_of_several_databases_the_one_of_the_same_name_is_taken(database: Db, dumped: Callable[[], Path]) -> None:
    database.thing.insert_one({"_id": 1})
    folder = dumped()
    root = folder.parent / "several"
    for name in ("one", "two"):
        shutil.copytree(folder, root / name)
    with pytest.raises(UsageError, match="several databases: one, two"):
        plan_restore(database, root, "merge")
    shutil.copytree(folder, root / database.name)
    assert plan_restore(database, root, "merge").dump.folder == root / database.name


def test_a_folder_without_a_dump_is_refused(database: Db, tmp_path: Path) -> None:
    for folder, why in ((tmp_path / "nowhere", "is no folder"), (tmp_path, "holds no dump")):
        with pytest.raises(UsageError, match=why):
            plan_restore(database, folder, "fresh")


@pytest.mark.parametrize("name", ["..%2F..%2Fetc", "a..b", ".hidden", "a$b"])
def test_a_file_named_after_no_collection_is_refused(database: Db, tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.bson").write_bytes(b"")
    with pytest.raises(UsageError, match="named after no collection"):
        plan_restore(database, tmp_path, "fresh")


def test_the_servers_own_collections_are_skipped(database: Db, tmp_path: Path) -> None:
    (tmp_path / "system.users.bson").write_bytes(bson.encode({"_id": 1}))
    (tmp_path / "thing.bson").write_bytes(bson.encode({"_id": 1}))
    plan = plan_restore(database, tmp_path, "fresh")
    assert plan.dump.skipped == ["system.users"]
    assert [one.collection for one in plan.collections] == ["thing"]


def test_a_name_with_a_slash_stays_inside_the_folder(database: Db, dumped: Callable[[], Path]) -> None:
    database["a/b"].insert_one({"_id": 1})
    folder = dumped()
    assert (folder / "a%2Fb.bson").exists()
    database.drop_collection("a/b")
    assert bring_back(database, folder)["a/b"].inserted == 1


def test_an_unfinished_dump_is_recognised_and_begun_again(database: Db, tmp_path: Path) -> None:
    database.a.insert_one({"_id": 1})
    database.b.insert_one({"_id": 1})
    folder = tmp_path / "dump"
    going = dump(database, folder)
    next(going)
    going.close()
    assert [path.name for path in folder.glob("*.part")] == []
    with pytest.raises(UsageError, match="unfinished"):
        plan_restore(database, folder, "merge")
    assert [one.collection for one in dump(database, folder)] == ["a", "b"]
    assert plan_restore(database, folder, "merge").documents == 2


def test_a_folder_that_holds_something_else_is_left_alone(database: Db, tmp_path: Path) -> None:
    database.a.insert_one({"_id": 1})
    (tmp_path / "precious.bson").write_bytes(b"1")
    with pytest.raises(UsageError, match="not empty"):
        list(dump(database, tmp_path))
    with pytest.raises(UsageError, match="cannot be a dump's folder"):
        list(dump(database, tmp_path / "precious.bson"))
    assert [path.name for path in tmp_path.iterdir() if path.name != "udata-home"] == ["precious.bson"]


def test_two_dumps_into_one_folder_do_not_mix(database: Db, tmp_path: Path) -> None:
    with DumpWriter(tmp_path / "dump", "x"), pytest.raises(UsageError, match="another dump"):
        DumpWriter(tmp_path / "dump", "x")


def test_a_file_that_was_changed_since_is_refused(database: Db, dumped: Callable[[], Path]) -> None:
    database.thing.insert_many([{"_id": 1}, {"_id": 2}])
    folder = dumped()
    (folder / "thing.bson").write_bytes(bson.encode({"_id": 1}))
    with pytest.raises(UdataError, match=r"holds 1 documents, and dump\.json says 2"):
        plan_restore(database, folder, "merge")
    (folder / "thing.bson").unlink()
    with pytest.raises(UdataError, match="lacks the file of thing"):
        plan_restore(database, folder, "merge")


def test_an_interrupted_restore_goes_on(database: Db, dumped: Callable[[], Path]) -> None:
    for name in ("a", "b"):
        database[name].insert_many([{"_id": number} for number in range(1500)])
    folder = dumped()
    database.client.drop_database(database)

    def interrupt(done: float, total: float | None, message: str | None) -> None:
        if done > 2000:
            raise KeyboardInterrupt

    going = restore(database, plan_restore(database, folder, "fresh"), interrupt)
    assert next(going).collection == "a"
    with pytest.raises(KeyboardInterrupt):
        next(going)
    plan = plan_restore(database, folder, "fresh")
    assert plan.continues
    assert sum(one.inserted for one in restore(database, plan)) == 500
    assert [database[name].count_documents({}) for name in ("a", "b")] == [1500, 1500]
    with pytest.raises(UsageError, match="not empty"):
        plan_restore(database, folder, "fresh")


def test_an_archive_of_a_part_never_takes_the_place_of_the_whole(database: Db, tmp_path: Path) -> None:
    with DumpWriter(tmp_path / "archive", database.name, "archive") as archive:
        archive.write("dataset", bson.encode({"_id": 1}))
        archive.write("reuse", bson.encode({"_id": 2}))
        archive.write("dataset", bson.encode({"_id": 3}))
        archive.finish()
    with pytest.raises(UsageError, match="archive of a part"):
        plan_restore(database, tmp_path / "archive", "drop")
    assert bring_back(database, tmp_path / "archive", "merge")["dataset"].inserted == 2


def test_views_come_back_as_views(
    database: Db, dumped: Callable[[], Path], mongo_client: MongoClient[dict[str, Any]]
) -> None:
    database.thing.insert_one({"_id": 1})
    database.create_collection("seen", viewOn="thing", pipeline=[])
    folder = dumped()
    assert not (folder / "seen.bson").exists()
    database.client.drop_database(database)
    bring_back(database, folder)
    assert list(database.seen.find()) == [{"_id": 1}]
