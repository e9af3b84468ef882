"""Catalogues in CSV: a line a dataset, in pages that name the next one in their head, as small towns publish them."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import ClassVar

from udata.harvest.backends.base import Answer, Backend, Feature, Fetch, Page, Source, charset, linked
from udata.harvest.backends.paging import Paging
from udata.harvest.errors import UnreadableCatalogue
from udata.harvest.rdf.content import decoded
from udata.harvest.records import Dataset, Distribution, LicenseHint, Remark, Text, Unread
from udata.harvest.values.addresses import web_address
from udata.harvest.values.formats import file_format
from udata.harvest.values.moments import moment


class CSVBackend(Backend):
    """A list of datasets with the columns `id`, `title`, `theme`, `licence`, `modified`, `file` and `format`."""

    name: ClassVar[str] = "csv"
    display_name: ClassVar[str] = "CSV"
    filters: ClassVar[tuple[str, ...]] = ("theme",)
    features: ClassVar[tuple[Feature, ...]] = (Feature("files-only", "leave out what has no file"),)

    def pages(self, source: Source, fetch: Fetch) -> Iterator[Page]:
        """The pages from the source's address on, as each names the next."""
        paging = Paging()
        address: str | None = source.url
        while address:
            paging.visit(address)
            answer = fetch(address, headers={"Accept": "text/csv"}).checked()
            paging.content(address, answer.body)
            found, unread = records(answer)
            wanted = [one for one in found if is_wanted(one, source)]
            yield Page(address, records=paging.new(address, wanted), unread=tuple(unread))
            address = paging.following(answer.url, next(iter(linked(answer, "next")), None))


def records(answer: Answer) -> tuple[list[Dataset], list[Unread]]:
    """The datasets of a page, and the lines that are none. Raises UnreadableCatalogue for what is no such list."""
    text, _ = decoded(answer.body, charset(answer))
    lines = csv.DictReader(io.StringIO(text))
    if "id" not in (lines.fieldnames or ()):
        raise UnreadableCatalogue(f"{answer.url} has no column `id`")
    found, unread = list[Dataset](), list[Unread]()
    for line in lines:
        if None in line:
            unread.append(Unread(f"line {lines.line_num}", "it has more values than there are columns"))
        else:
            found.append(dataset(line))
    return found, unread


def dataset(line: Mapping[str, str | None]) -> Dataset:
    """The dataset that a line tells of; what cannot be taken as it stands is told in its remarks."""
    said = {name: value.strip() for name, value in line.items() if value and value.strip()}
    url, modified = web_address(said.get("file")), moment(said.get("modified", ""))
    remarks = []
    if "file" in said and url is None:
        remarks.append(Remark("file", said["file"], "no web address"))
    if "modified" in said and modified.reason:
        remarks.append(Remark("modified", said["modified"], modified.reason))
    return Dataset(
        remote_id=said.get("id"),
        titles=(Text(said["title"]),) if "title" in said else (),
        keywords=(Text(said["theme"]),) if "theme" in said else (),
        licenses=(LicenseHint(said["licence"]),) if "licence" in said else (),
        modified=modified.value,
        distributions=(Distribution(url=url, format=file_format(said.get("format", "")).name),) if url else (),
        remarks=tuple(remarks),
    )


def is_wanted(one: Dataset, source: Source) -> bool:
    """Whether the source's filters and features let a dataset through."""
    themes = {text.value for text in one.keywords}
    if source.features.get("files-only") and not one.distributions:
        return False
    return all((each.value in themes) is not each.exclude for each in source.filters if each.key == "theme")
