"""Which resources are broken, who answers for them, and since when."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from flask import Flask
from pymongo.database import Database

from tests import factories
from tests.services.crawl.conftest import Catalogue, Crawl
from tests.services.crawl.webhosts import WebHosts, names
from udata.clock import now
from udata.errors import UnknownName
from udata.services.crawl.broken import Report, Total

Serving = Callable[..., WebHosts]

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", *names(5)])


async def mixed(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=404 if "gone" in request.path else 200, text="a;b\n", content_type="text/csv")


@pytest.fixture
def portal(app: Flask, serving: Serving, crawling: Crawl, catalogue: Catalogue) -> Any:
    """Two organizations with something broken, checked three times; the first one."""
    server = serving(mixed)
    town, other = factories.organization(name="Town"), factories.organization(name="Other")
    paths = ["gone-1", "gone-2", "a", "b"]
    dataset = factories.dataset(
        organization=town, resources=[factories.resource(url=server.url(f"/{path}.csv")) for path in paths]
    )
    factories.dataset(organization=other, resources=[factories.resource(url=server.url("/c.csv"))])
    factories.dataset(resources=[factories.resource(url=server.url("/gone-1.csv"))])
    factories.dataset(deleted=now(), resources=[factories.resource(url=server.url("/gone-1.csv"))])
    factories.community_resource(organization=other, dataset=dataset, url=server.url("/gone-3.csv"))
    for _ in range(2):
        crawling()
        catalogue.age(days=1)
    return town


def test_it_is_broken_after_some_failures_and_says_since_when(
    portal: Any, crawling: Crawl, app: Flask, database: Database[Any]
) -> None:
    with Report(database, app.config) as report:
        assert report.totals() == []
        assert report.checked
    crawling()
    with Report(database, app.config) as report:
        totals = report.totals()
        broken = list(report.broken())
    assert {(one.name, one.broken, one.resources) for one in totals} == {("Town", 2, 4), ("Other", 1, 2), (None, 1, 1)}
    assert totals[0].name == "Town"
    since = now() - timedelta(days=2)
    for one in broken:
        assert one.since is not None
        assert abs(one.since - since) < timedelta(minutes=5)
        assert (one.failures, one.status, one.error) == (3, 404, "status 404")
        assert "gone" in one.url
    assert [one.organization_name for one in broken if one.dataset_title is None] == ["Other"]


def test_one_organization_is_named_by_id_or_slug(
    portal: Any, crawling: Crawl, app: Flask, database: Database[Any]
) -> None:
    crawling()
    for name in (str(portal.id), portal.slug):
        with Report(database, app.config, name) as report:
            assert [one._replace(since=None) for one in report.totals()] == [
                Total(str(portal.id), portal.slug, "Town", 4, 2, None)
            ]
            assert len(list(report.broken())) == 2
    with pytest.raises(UnknownName, match=portal.slug):
        Report(database, app.config, portal.slug + "x")
