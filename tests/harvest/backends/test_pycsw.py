"""A CSW server that many portals run, harvested page by page."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.conftest import skip_or_fail
from tests.harvest.catalogues import content
from tests.harvest.conftest import all_records, identities
from udata.harvest.backends.base import Fetch, Source
from udata.harvest.backends.csw import CSWDCATBackend, CSWISOBackend
from udata.harvest.errors import RemoteFault
from udata.harvest.records import Dataset

RECORDS = 120
# What of it is read here was made for an SQLAlchemy of its time.
PACKAGES = ("pycsw==2.6.2", "sqlalchemy<2", "setuptools")


@pytest.fixture(scope="module")
def pycsw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a pycsw with copies of one record, in an environment of its own."""
    folder = tmp_path_factory.mktemp("pycsw")
    python = folder / "environment/bin/python"
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    installed = subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], capture_output=True, check=False)
    if installed.returncode:
        skip_or_fail(f"pycsw cannot be installed: {installed.stderr.decode()[-200:]}")
    (folder / "xml").mkdir()
    (record,) = etree.fromstring(content("csw-iso-geoide.xml")).iter("{*}MD_Metadata")
    text = etree.tostring(record, encoding="unicode")
    for number in range(RECORDS):
        copy = text.replace("fr-120066022-ldd-3f4cc8c8", f"record-{number:04}").replace("c46794fd", f"{number:08}")
        (folder / "xml" / f"{number:04}.xml").write_text(copy, "utf-8")
    server = Path(__file__).with_name("pycsw_server.py")
    with subprocess.Popen([python, server, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout
            port = next((int(line) for line in process.stdout if line.strip().isdigit()), None)
            assert port, "pycsw did not start"
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()


@pytest.mark.slow
def test_a_real_server_is_read_page_by_page(pycsw: str, fetch: Fetch) -> None:
    pages = list(CSWISOBackend().pages(Source(pycsw), fetch))
    assert [len(page.records) for page in pages] == [50, 50, 20]
    assert len(set(identities(pages))) == RECORDS
    assert all(page.is_whole and page.total == RECORDS for page in pages)
    for record in all_records(pages):
        assert isinstance(record, Dataset)
        assert len(record.distributions) == 13


@pytest.mark.slow
def test_a_schema_that_a_real_server_does_not_offer_is_refused_in_its_own_words(pycsw: str, fetch: Fetch) -> None:
    with pytest.raises(RemoteFault, match=r"(?i)outputschema") as failure:
        list(CSWDCATBackend().pages(Source(pycsw), fetch))
    assert failure.value.code == "InvalidParameterValue"
