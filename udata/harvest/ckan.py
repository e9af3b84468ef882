"""The packages of CKAN and DKAN, read into records: https://docs.ckan.org/en/latest/api/

DKAN answers lists for objects, empty texts for nothing and dates in the language of the portal; CKAN's extensions put
the same fact under many names in `extras`. All of it is read for what it means.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from udata.harvest.errors import NoArea, NoRecord, UnreadableCatalogue
from udata.harvest.records import (
    Checksum,
    Concept,
    Contact,
    Dataset,
    Distribution,
    LicenseHint,
    MultiPolygon,
    Period,
    Place,
    Remark,
    Text,
    Texts,
    in_order,
)
from udata.harvest.safe_json import read_json
from udata.harvest.values.access import strictest
from udata.harvest.values.addresses import addresses_in, web_address
from udata.harvest.values.formats import file_format, media_type, service_in
from udata.harvest.values.frequency import frequency
from udata.harvest.values.geometry import area, box
from udata.harvest.values.languages import language
from udata.harvest.values.moments import moment, period

Object = Mapping[str, Any]

_FREQUENCY = ("frequency", "accrual_periodicity", "accrualperiodicity", "frequency_of_update", "update_frequency")
_STARTS = ("temporal_start", "temporal_coverage_from", "temporal_from")
_ENDS = ("temporal_end", "temporal_coverage_to", "temporal_to")
_BOX = ("bbox_west_long", "bbox_south_lat", "bbox_east_long", "bbox_north_lat")
# The number of digits tells which algorithm made them, if CKAN does not.
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}


def package(given: Any, site: str, now: datetime | None = None) -> Dataset:
    """The dataset that a package is, in the shape of `package_show` or of a result of `package_search`.

    `site` is the address of the portal, for those whose packages name no page of their own. Raises NoRecord for
    what is no package at all.
    """
    given = one_object(given)
    if not given:
        raise NoRecord("the package is no object")
    return _Package(given, site, now).read()


def one_object(value: Any) -> Object:
    """`value` as an object: itself, or the first of a list, as DKAN answers; empty if it is neither."""
    if isinstance(value, list):
        value = next((member for member in value if isinstance(member, dict)), None)
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> Iterator[Object]:
    """The objects in a list, or one that stands alone."""
    for member in value if isinstance(value, list) else [value]:
        if isinstance(member, dict):
            yield member


def plain(value: Any) -> str | None:
    """A value as a text without blanks around it; None for null, empty texts and what is no single value."""
    # A bool is an int in Python, but no text that anybody meant.
    if isinstance(value, bool) or value is None:
        return None
    return str(value).strip() or None if isinstance(value, str | int | float) else None


class _Package:
    def __init__(self, given: Object, site: str, now: datetime | None) -> None:
        self._given = given
        self._site = site.rstrip("/")
        self._now = now
        self._remarks: list[Remark] = []
        self._extras = {
            key: value
            for one in objects(given.get("extras"))
            if (key := plain(one.get("key")))
            for value in [one.get("value")]
        }
        # The same name is spelled with hyphens, underscores and capitals.
        self._folded = {key.lower().replace("-", "_"): value for key, value in self._extras.items()}

    def read(self) -> Dataset:
        """The dataset, with what was not taken."""
        given = self._given
        name = plain(given.get("name"))
        # The id stays when a package is renamed; old portals give only the name.
        identifier = plain(given.get("id")) or name
        access_rights = [value for key in ("access_rights", "accesslevel") if (value := self._extra(key))]
        # CKAN has no field for it: portals put it into the extras, or beside the title by a schema of their own.
        published = self._extra(*_FREQUENCY) or plain(given.get("frequency"))
        term = frequency(published) if published else None
        if published and term is None:
            self._remark("frequency", published, "no frequency that is known")
        fields = {
            "remote_id": identifier,
            "name": name,
            "origin": self._origin(),
            "landing_page": self._landing_page(name),
            # CKAN shows the name of a package that has no title.
            "titles": self._texts("title") or ((Text(name),) if name else ()),
            "descriptions": self._texts("notes"),
            "keywords": self._keywords(),
            "themes": self._themes(),
            "languages": self._languages(),
            "contacts": tuple(self._contacts()),
            "licenses": self._licenses(),
            "rights": tuple(filter(None, (self._extra("access_constraints"), self._extra("use_constraints")))),
            "access_rights": tuple(access_rights),
            "access": strictest(access_rights),
            "places": self._places(),
            "period": self._period(),
            "version": plain(given.get("version")),
            "frequency": term,
            "published_frequency": published,
            "created": self._moment("created", given.get("metadata_created")),
            "issued": self._moment("issued", self._folded.get("dcat_issued"), self._folded.get("issued")),
            # The publisher's own date first: CKAN's changes with every edit of a keyword.
            "modified": self._moment(
                "modified",
                self._folded.get("dcat_modified"),
                self._folded.get("modified"),
                given.get("metadata_modified"),
            ),
            "organization": plain(one_object(given.get("organization")).get("name")),
            "groups": tuple(
                sorted({group for one in objects(given.get("groups")) if (group := plain(one.get("name")))})
            ),
            "distributions": tuple(self._distributions()),
            "extras": tuple(sorted((key, _written(value)) for key, value in self._extras.items())),
        }
        return Dataset(**fields, remarks=tuple(self._remarks))  # type: ignore[arg-type]

    def _remark(self, field: str, value: object, reason: str) -> None:
        # A remark is stored with the run: a geometry of a megabyte is not.
        self._remarks.append(Remark(field, str(value)[:200], reason))

    def _extra(self, *keys: str) -> str | None:
        for key in keys:
            value = self._folded.get(key)
            if isinstance(value, str) and value.startswith("["):
                value = _first(value)
            if text := plain(value):
                return text
        return None

    def _texts(self, key: str) -> Texts:
        translated = self._given.get(f"{key}_translated")
        if isinstance(translated, dict):
            found = [Text(text, language(tag)) for tag, value in translated.items() if (text := plain(value))]
            if found:
                return in_order(found)
        text = plain(self._given.get(key))
        return (Text(text),) if text else ()

    def _moment(self, field: str, *values: object) -> datetime | None:
        for value in values:
            # DKAN writes the label of the field into its value.
            text = re.sub(r"^Date changed\s+", "", plain(value) or "")
            if text:
                read = moment(text, self._now)
                if read.value:
                    return read.value
                self._remark(field, text, read.reason or "")
        return None

    def _landing_page(self, name: str | None) -> str | None:
        found = web_address(plain(self._given.get("url")))
        return found or (f"{self._site}/dataset/{name}" if name and self._site else None)

    def _origin(self) -> str | None:
        # CKAN labels the field "source": half of the portals write the name of an office into it.
        given = plain(self._given.get("url"))
        return None if web_address(given) else given

    def _keywords(self) -> Texts:
        names = [one.get("display_name") or one.get("name") for one in objects(self._given.get("tags"))]
        given = self._given.get("tags")
        names += [tag for tag in given if isinstance(tag, str)] if isinstance(given, list) else []
        return in_order(Text(text) for name in names if (text := plain(name)))

    def _themes(self) -> tuple[Concept, ...]:
        value = self._extra("theme", "themes")
        return (Concept(value) if web_address(value) else Concept(None, (Text(value),)),) if value else ()

    def _languages(self) -> tuple[str, ...]:
        given = self._extra("language", "metadata_language") or ""
        return tuple(sorted({code for word in re.split(r"[,; ]+", given) if (code := language(word))}))

    def _contacts(self) -> Iterator[Contact]:
        given = self._given
        organization = plain(one_object(given.get("organization")).get("title"))
        for role, name, email in (
            ("contact", given.get("maintainer"), given.get("maintainer_email")),
            ("contact", self._extra("contact_name"), self._extra("contact_email")),
            ("creator", given.get("author"), given.get("author_email")),
            # Without a publisher of its own a package is its organization's.
            ("publisher", self._extra("publisher_name") or organization, self._extra("publisher_email")),
        ):
            text, address = plain(name), plain(email)
            if text or address:
                yield Contact(
                    role=role,
                    names=(Text(text),) if text else (),
                    emails=(address.lower().removeprefix("mailto:"),) if address else (),
                )

    def _licenses(self) -> tuple[LicenseHint, ...]:
        given = self._given
        key, title, url = (plain(given.get(f"license_{part}")) for part in ("id", "title", "url"))
        hints = []
        if key or title or url:
            # Some portals put the address into the title, as a link.
            addresses = [address for text in (url, title) for address in addresses_in(text or "")]
            # Without a key the title is what was published, and would stand there twice.
            labels = (Text(title),) if title and key else ()
            hints.append(LicenseHint(key or title or url, labels, tuple(dict.fromkeys(addresses))))
        if named := self._extra("licence", "license"):
            hints.append(LicenseHint(named, (), addresses_in(named)))
        return tuple(hints)

    def _places(self) -> tuple[Place, ...]:
        label, uri = self._extra("spatial_text", "spatial_name"), self._extra("spatial_uri")
        found = Place(uri=web_address(uri), labels=(Text(label),) if label else (), geometry=self._geometry())
        return () if found == Place() else (found,)

    def _geometry(self) -> MultiPolygon | None:
        given = self._folded.get("spatial") or self._given.get("spatial")
        corners = [self._extra(key) for key in _BOX]
        try:
            if given:
                # CKAN stores the shape as JSON within a text, DKAN as an object.
                return area(given if isinstance(given, str) else json.dumps(given))
            if all(corners):
                return box(*(float(corner or "") for corner in corners))
        except (NoArea, ValueError) as error:
            self._remark("spatial", given or corners, str(error))
        return None

    def _period(self) -> Period | None:
        found, reason = period(self._extra(*_STARTS), self._extra(*_ENDS))
        if reason:
            self._remark("temporal", reason, "no period that can be kept whole")
        return found

    def _distributions(self) -> Iterator[Distribution]:
        for given in objects(self._given.get("resources")):
            url = web_address(plain(given.get("url")))
            if url is None:
                self._remark("resource", plain(given.get("url")) or given.get("id"), "says no web address")
            elif (plain(given.get("state")) or "active").lower() != "deleted":
                yield self._distribution(given, url)

    def _distribution(self, given: Object, url: str) -> Distribution:
        name, description = plain(given.get("name")), plain(given.get("description"))
        kind = file_format(plain(given.get("format")) or "")
        mime = media_type(plain(given.get("mimetype")) or "") or kind.mime
        protocol = service_in(url)
        # Many services are entered as files: their address tells.
        is_service = protocol or (plain(given.get("resource_type")) or "") == "api"
        # Some portals write the algorithm in front, as `md5:…`.
        digits = (plain(given.get("hash")) or "").lower().rpartition(":")[2]
        algorithm = _ALGORITHMS.get(len(digits)) if re.fullmatch(r"[0-9a-f]+", digits) else None
        return Distribution(
            url=url,
            remote_id=plain(given.get("id")),
            titles=(Text(name),) if name else (),
            descriptions=(Text(description),) if description else (),
            kind="api" if is_service else "main",
            format=kind.name,
            mime=mime,
            size=self._size(given.get("size")),
            checksum=Checksum(algorithm, digits) if algorithm else None,
            # Before CKAN 2 a resource did not say when it came.
            issued=self._moment("created", given.get("created")),
            modified=self._moment("last_modified", given.get("last_modified"), given.get("metadata_modified")),
            protocol=protocol,
        )

    def _size(self, value: object) -> int | None:
        text = plain(value)
        # Units such as MB are rounded by hand: no size is better than a wrong one.
        if match := re.fullmatch(r"(\d{1,18})(?:\.0+)?\s*(?:bytes?|octets?|B)?", text or "", re.IGNORECASE):
            return int(match[1])
        if text:
            self._remark("size", text, "no number of bytes")
        return None


def _written(value: object) -> str:
    # The extras of a record are texts, whatever was published.
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _first(text: str) -> object:
    """The first member of a list that was written into a text, as CKAN's spatial harvester does."""
    try:
        value = read_json(text)
    except UnreadableCatalogue:
        return text
    return (value[0] if value else None) if isinstance(value, list) else text
