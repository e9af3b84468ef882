"""What goes with a document that is purged, what stays, and what stands in its way."""

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import DBRef, ObjectId
from pymongo.database import Database

from tests import factories
from tests.models.everything import broken_everywhere
from tests.services.conftest import Run
from tests.services.purge.conftest import Purge, Stored, everything, put_file
from udata.clock import now
from udata.errors import UnknownName
from udata.models import blocs, notification
from udata.models.page import SiteSettings
from udata.services.purge import batch as batches
from udata.services.purge.batch import SOURCES_FIRST
from udata.services.purge.kinds import KINDS
from udata.store.documents import Document

GONE = {"deleted": factories.MOMENT}


def test_every_way_to_refer_is_detached_without_a_line_about_it(
    declared: type[Document], run_purge: Purge, database: Database[Stored], check: Run
) -> None:
    dataset, stays = factories.dataset(**GONE), factories.dataset()
    database.license.insert_one({"_id": "no-licence", "slug": "no-licence", "title": "L", "created_at": now()})
    database.everything.insert_one(broken_everywhere(dataset.id))
    kept = database.everything.insert_one(broken_everywhere(stays.id)).inserted_id
    before = database.everything.find_one({"_id": kept})
    done = run_purge()
    assert done.left == []
    assert check("references")[1] == []
    [detached] = database.everything.find({"_id": {"$ne": kept}})
    assert str(dataset.id) not in str(detached)
    assert sum(done.detached.values()) == len(broken_everywhere(dataset.id)) - 2 + 5
    assert database.everything.find_one({"_id": kept}) == before


def test_all_that_hangs_on_a_dataset_goes_or_loses_it(run_purge: Purge, database: Database[Stored], check: Run) -> None:
    gone, stays, user = factories.dataset(**GONE), factories.dataset(), factories.user()
    about = [factories.discussion(one, user) for one in (gone, stays)]
    for one in (gone, stays):
        factories.follow(user, one)
        factories.transfer(one)
        factories.assignment(one)
        factories.activity(related_to=one)
        factories.community_resource(dataset=one)
        factories.report(one)
        factories.notification_setting(scope=one, user=user, event=str(one.id))
    factories.report(about[0])
    factories.notification_setting(scope=about[0], user=user)
    told = notification.DiscussionNotificationDetails(discussion=about[0], status="new")
    factories.notification(details=told, type="discussion.new")
    factories.notification(details=notification.ReuseCreatedNotificationDetails(reuse=factories.reuse(), dataset=gone))
    factories.slug_follow(new_slug=gone.slug)
    factories.slug_follow(new_slug=gone.slug, namespace="Reuse")
    factories.harvest_job(gone, stays, gone)
    factories.topic_element(gone)
    reuse, only = factories.reuse(gone, stays), factories.reuse(gone, owner=user)
    factories.dataservice(gone, stays)
    factories.post(datasets=[gone, stays])
    factories.site(settings=SiteSettings(home_datasets=[gone, stays]))
    done = run_purge("datasets")
    assert done.left == []
    assert check("references")[1] == []
    removed = ("follow", "transfer", "assignment", "activity", "community_resource", "discussion")
    assert {name: database[name].count_documents({}) for name in removed} == dict.fromkeys(removed, 1)
    assert database.notification.count_documents({}) == 0
    assert database.notification_setting.count_documents({}) == 1
    assert [one["namespace"] for one in database.slug_follow.find()] == ["Reuse"]
    assert database.report.count_documents({"subject_deleted_at": {"$ne": None}}) == 2
    assert database.report.count_documents({"subject": {"$ne": None}}) == 3
    [job] = database.harvest_job.find()
    assert [item["dataset"] for item in job["items"]] == [None, stays.id, None]
    assert database.topic_element.find_one({"element": None}) is not None
    stored = {one["_id"]: one for one in database.reuse.find()}
    assert stored[reuse.id]["datasets"] == [stays.id]
    assert stored[only.id]["datasets"] == []
    assert stored[reuse.id]["last_modified"] == factories.MOMENT
    [site] = database.site.find()
    assert site["settings"]["home_datasets"] == [stays.id]
    wrong = [one for one in check("metrics")[1] if one.id in (str(reuse.id), str(only.id), str(user.id))]
    assert wrong == []


def test_blocs_lose_it_at_any_depth(run_purge: Purge, database: Database[Stored], check: Run) -> None:
    gone, stays = factories.dataset(**GONE), factories.dataset()
    reuse = factories.reuse(stays, **GONE)

    def some() -> list[Any]:
        return [
            blocs.DatasetBloc(dataset=gone),
            blocs.DatasetBloc(dataset=stays),
            blocs.DatasetsListBloc(title="All", datasets=[gone, stays]),
            blocs.ReuseBloc(reuse=reuse),
            blocs.ReusesListBloc(reuses=[reuse]),
        ]

    accordion = blocs.AccordionListBloc(items=[blocs.AccordionItemBloc(title="More", content=some())])
    page = [*some(), blocs.SectionBloc(blocs=[accordion, blocs.MarkdownBloc(content="Trees")])]
    post = factories.post(blocs=page, body_type="blocs")
    organization = factories.organization(presentation_blocs=page)
    site = factories.site(datasets_blocs=page)
    run_purge()
    assert check("references")[1] == []
    for document, name in ((post, "blocs"), (organization, "presentation_blocs"), (site, "datasets_blocs")):
        stored = database[document._get_collection_name()].find_one({"_id": document.pk})
        assert stored is not None
        inside = stored[name][-1]["blocs"][0]["items"][0]["content"]
        for found in (stored[name][:-1], inside):
            assert [one["_cls"].split(".")[-1] for one in found] == [
                "DatasetBloc",
                "DatasetsListBloc",
                "ReusesListBloc",
            ]
            assert [one.get("datasets") for one in found] == [None, [stays.id], None]
        assert stored[name][-1]["blocs"][1]["content"] == "Trees"


def test_an_organization_takes_along_what_is_its_own_and_leaves_the_rest(
    run_purge: Purge, database: Database[Stored], check: Run
) -> None:
    user = factories.user()
    gone = factories.organization(user, **GONE)
    dataset = factories.dataset(organization=gone)
    contact = factories.contact_point(organization=gone)
    other = factories.dataset(contact_points=[contact])
    source = factories.harvest_source(organization=gone)
    discussion = factories.discussion(dataset, user, organization=gone)
    factories.activity(related_to=dataset, organization=gone)
    factories.transfer(dataset, recipient=gone)
    factories.topic(organization=gone)
    factories.assignment(dataset, organization=gone)
    done = run_purge("organizations")
    assert check("references")[1] == []
    assert done.removed == {"activity": 1, "assignment": 1, "contact_point": 1, "organization": 1, "transfer": 1}
    assert done.paused == [str(source.id)]
    stored = {one["_id"]: one for one in database.dataset.find()}
    assert "organization" not in stored[dataset.id]
    assert stored[other.id]["contact_points"] == []
    kept = database.discussion.find_one({"_id": discussion.id})
    assert kept is not None
    assert "organization" not in kept
    assert len(kept["discussion"]) == 1


def test_a_dataset_with_a_doi_is_named_and_kept(run_purge: Purge, database: Database[Stored]) -> None:
    kept = factories.dataset(doi="10.1234/trees", **GONE)
    done = run_purge()
    assert [(one.id, one.bad) for one in done.left] == [(str(kept.id), False)]
    assert not done.failed
    assert database.dataset.find_one({"_id": kept.id}) is not None


def test_only_what_was_deleted_long_ago_goes(run_purge: Purge, database: Database[Stored]) -> None:
    factories.dataset(deleted=now() - timedelta(days=31))
    fresh = factories.dataset(deleted=now() - timedelta(days=29))
    assert run_purge(older_than=timedelta(days=30)).purged == {"datasets": 1}
    assert [one["_id"] for one in database.dataset.find()] == [fresh.id]


def test_what_is_taken_back_meanwhile_stays_with_all_that_it_had(
    run_purge: Purge, database: Database[Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, back = factories.dataset(**GONE), factories.dataset(**GONE)
    for one in (gone, back):
        user = factories.user()
        factories.follow(user, one)
        discussion = factories.discussion(one, user)
        told = notification.DiscussionNotificationDetails(discussion=discussion)
        factories.notification(details=told, type="discussion.new", user=user)
    factories.reuse(gone, back)
    factories.report(back)
    factories.harvest_job(back, gone, back)
    factories.topic_element(back)
    factories.post(blocs=[blocs.DatasetBloc(dataset=back)])
    before = everything(database)
    remove = batches.Batch._remove_roots

    def portal(batch: Any, names: Any) -> Any:
        database.dataset.update_one({"_id": back.id}, {"$set": {"deleted": None}})
        return remove(batch, names)

    monkeypatch.setattr(batches.Batch, "_remove_roots", portal)
    done = run_purge()
    assert done.purged == {"datasets": 1}
    assert [one.id for one in done.left] == [str(back.id)]
    after = everything(database)
    for name in ("follow", "discussion", "notification"):
        assert len(before[name]) == 2
        assert [one for one in after[name].values() if one not in before[name].values()] == []
        assert len(after[name]) == 1
    for name in ("report", "topic_element", "post"):
        assert after[name] == before[name]
    [reuse] = after["reuse"].values()
    assert reuse["datasets"] == [back.id]
    [job] = after["harvest_job"].values()
    assert [item["dataset"] for item in job["items"]] == [back.id, None, back.id]


def test_what_is_taken_back_after_a_kill_gets_back_what_referred_to_it(
    run_purge: Purge, database: Database[Stored], monkeypatch: pytest.MonkeyPatch, check: Run
) -> None:
    gone, back = factories.dataset(**GONE), factories.dataset(**GONE)
    factories.reuse(gone, back)
    factories.report(back)
    factories.harvest_job(back, gone, back)
    element, edited = factories.topic_element(back), factories.topic_element(back)
    post = factories.post(blocs=[blocs.DatasetBloc(dataset=back)])
    before = everything(database)

    def killed(batch: Any, names: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batches.Batch, "_remove_roots", killed)
        with pytest.raises(KeyboardInterrupt):
            run_purge()
    assert "dataset" not in str(database.topic_element.find_one({"_id": element.id}, {"element": 1}))
    database.dataset.update_one({"_id": back.id}, {"$set": {"deleted": None}})
    other = {"_cls": "Dataset", "_ref": DBRef("dataset", factories.dataset().id)}
    database.topic_element.update_one({"_id": edited.id}, {"$set": {"element": other}})
    # Who purges something else meanwhile puts back nothing that is still to go.
    assert run_purge("reuses").purged == {}
    [job] = database.harvest_job.find()
    assert [item["dataset"] for item in job["items"]] == [back.id, None, back.id]
    assert database.purge_note.count_documents({}) == 1
    assert run_purge().purged == {"datasets": 1}
    after = everything(database)
    assert after["report"] == before["report"]
    assert after["topic_element"][str(element.id)] == before["topic_element"][str(element.id)]
    assert after["topic_element"][str(edited.id)]["element"] == other
    assert after["post"][str(post.id)] == before["post"][str(post.id)]
    [reuse] = after["reuse"].values()
    assert reuse["datasets"] == [back.id]
    [job] = after["harvest_job"].values()
    assert [item["dataset"] for item in job["items"]] == [back.id, None, back.id]
    assert check("references")[1] == []
    assert database.purge_note.count_documents({}) == 0


def test_files_go_after_their_documents(run_purge: Purge, database: Database[Stored], files: Path) -> None:
    resource = factories.resource(fs_filename="trees/1/trees.csv", filetype="file")
    dataset = factories.dataset(resources=[resource, factories.resource()], **GONE)
    factories.community_resource(dataset=dataset, fs_filename="map.geojson")
    logo = {"filename": "a.png", "original": "a-original.png", "thumbnails": {"60": "a-60.png"}}
    factories.organization(logo=logo, banner_image={"filename": "b.png", "original": "b.png"}, **GONE)
    stays = put_file(files, "resources", "other.csv")
    for storage, name in (
        ("resources", "trees/1/trees.csv"), ("resources", "map.geojson"), ("avatars", "a.png"),
        ("avatars", "a-original.png"), ("avatars", "a-60.png"), ("images", "b.png"),
    ):  # fmt: skip
        put_file(files, storage, name, b"12345")
    told = run_purge(dry_run=True)
    done = run_purge()
    assert dataclasses.asdict(told) == {**dataclasses.asdict(done), "dry_run": True}
    assert done.files == (6, 30)
    assert [path for path in files.rglob("*") if path.is_file()] == [stays]


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../outside.txt", "a/../../outside.txt"])
def test_a_file_that_leads_out_is_refused_and_the_rest_goes_on(
    name: str, run_purge: Purge, database: Database[Stored], files: Path
) -> None:
    outside = put_file(files, ".", "outside.txt")
    good = put_file(files, "resources", "good.csv")
    resources = [factories.resource(fs_filename=one) for one in (name, "good.csv")]
    factories.dataset(resources=resources, **GONE)
    done = run_purge()
    assert done.failed
    assert [one.collection for one in done.left] == ["resources"]
    assert done.purged == {"datasets": 1}
    assert outside.exists()
    assert not good.exists()


def test_a_document_that_cannot_be_looked_at_is_named_and_the_others_go(
    run_purge: Purge, database: Database[Stored]
) -> None:
    deep: Any = None
    for number in range(90):
        deep = {"_id": str(number), "_cls": "Bloc.SectionBloc", "blocs": [deep] if deep else []}
    factories.dataset(**GONE)
    odd = factories.dataset()
    database.dataset.update_one({"_id": odd.id}, {"$set": {"deleted": "yes"}})
    database.reuse.insert_one({"_id": 1, "datasets": {"a": [1]}, "slug": "odd", "organization": {"x": 1}})
    database.post.insert_one({"_id": 1, "slug": "deep", "blocs": [deep]})
    database.follow.insert_one({"_id": 1, "following": {"_cls": "NoSuch", "_ref": DBRef("nowhere", ObjectId())}})
    done = run_purge()
    assert done.purged == {"datasets": 1}
    assert [(one.id, one.reason) for one in done.left] == [(str(odd.id), "has no date in deleted")]
    assert done.failed


def test_very_many_followers_go_in_bounded_steps(run_purge: Purge, database: Database[Stored]) -> None:
    dataset = factories.dataset(**GONE)
    follow = factories.follow(None, dataset)
    stored = database.follow.find_one({"_id": follow.id})
    assert stored is not None
    database.follow.insert_many({**stored, "_id": ObjectId()} for _ in range(4_999))
    done = run_purge()
    assert done.removed == {"dataset": 1, "follow": 5_000}
    assert database.follow.count_documents({}) == 0


def test_many_datasets_in_several_batches_are_counted_once(run_purge: Purge, database: Database[Stored]) -> None:
    many = [factories.dataset(resources=[], **GONE) for _ in range(250)]
    factories.harvest_job(*many)
    factories.reuse(*many)
    told = run_purge(dry_run=True)
    done = run_purge()
    assert dataclasses.asdict(told) == {**dataclasses.asdict(done), "dry_run": True}
    assert done.changed == {"harvest_job": 1, "reuse": 1}
    assert done.detached == {"harvest_job.items.dataset": 250, "reuse.datasets": 250}


def test_other_kinds_have_their_own_rules(run_purge: Purge, database: Database[Stored], check: Run) -> None:
    schedule = factories.schedule()
    source = factories.harvest_source(periodic_task=schedule, **GONE)
    old = factories.harvest_job(source=source)
    recent = factories.harvest_job(created=now())
    factories.chart(deleted_at=factories.MOMENT)
    told = notification.ValidateHarvesterNotificationDetails(source=source, status="pending")
    factories.notification(details=told, type="harvest.source.pending")
    done = run_purge("harvesters", "visualizations")
    assert done.removed == {"chart": 1, "harvest_job": 1, "harvest_source": 1, "notification": 1, "schedules": 1}
    assert check("references")[1] == []
    assert database.harvest_job.find_one({"_id": old.id}) is None
    aged = factories.harvest_job(created=now() - timedelta(days=366))
    assert run_purge("harvest-jobs").purged == {"harvest-jobs": 1}
    assert [one["_id"] for one in database.harvest_job.find()] == [recent.id]
    assert aged.id != recent.id


def test_a_kind_that_is_none_is_refused(run_purge: Purge) -> None:
    with pytest.raises(UnknownName, match="datasets"):
        run_purge("dataset")


def test_every_kind_has_its_place_in_the_order_of_removal() -> None:
    assert {kind.collection for kind in KINDS.values()} <= set(SOURCES_FIRST)
