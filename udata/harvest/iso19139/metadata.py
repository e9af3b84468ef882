"""Metadata in ISO 19139, read into records: https://github.com/SEMICeu/iso-19139-to-dcat-ap says what each means.

Texts are read in all the languages that `PT_FreeText` gives. Every online resource is a distribution: what most
catalogues publish as links without a function are downloads and services, and no landing pages.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from udata.harvest.errors import NoArea, NoRecord
from udata.harvest.iso19139.texts import anchors, code, first, texts, word
from udata.harvest.records import (
    Address,
    Concept,
    Contact,
    DataService,
    Dataset,
    Distribution,
    LicenseHint,
    Period,
    Place,
    Record,
    Remark,
    Text,
    Texts,
    in_order,
)
from udata.harvest.safe_xml import local_name
from udata.harvest.values.access import access, strictest
from udata.harvest.values.addresses import addresses_in, is_uri, web_address
from udata.harvest.values.formats import file_format, service_in, service_type
from udata.harvest.values.frequency import frequency
from udata.harvest.values.geometry import box
from udata.harvest.values.languages import language
from udata.harvest.values.moments import moment, period
from udata.harvest.values.roles import role
from udata.harvest.values.themes import INSPIRE_THEMES, is_of_inspire

_TOPIC = "http://inspire.ec.europa.eu/metadata-codelist/TopicCategory/"
_SERVICE_CATEGORY = re.compile(r"1205/2008|SpatialDataServiceCategory", re.IGNORECASE)
# Links to the record itself, which say nothing of how the data come.
_ABOUT_METADATA = re.compile(
    r"catalog\.search#|/formatters/|request=getrecordbyid|getresourcedescription", re.IGNORECASE
)
_BOUNDS = ("westBoundLongitude", "southBoundLatitude", "eastBoundLongitude", "northBoundLatitude")


def record(root: etree._Element, now: datetime | None = None) -> Record:
    """The dataset, series or service that an `MD_Metadata` describes. Raises NoRecord for what describes nothing."""
    return _Metadata(root, now).read()


class _Metadata:
    def __init__(self, root: etree._Element, now: datetime | None) -> None:
        self._root = root
        self._now = now
        self._remarks: list[Remark] = []
        found = first(root, "identificationInfo/*")
        # Without it there is neither title nor identifier: nothing could be kept.
        if found is None:
            raise NoRecord("the record identifies nothing")
        self._info = found
        self._tongue = language(code(first(root, "language/*")))
        # Texts in other languages refer to these by their id.
        self._locales = {
            locale.get("id", ""): tag
            for locale in root.iterfind("{*}locale/{*}PT_Locale")
            if (tag := language(code(first(locale, "languageCode/*"))))
        }

    def read(self) -> Record:
        """The record, with what was not taken."""
        info = self._info
        is_service = local_name(info) == "SV_ServiceIdentification"
        identifier = self._identifier()
        links = list(self._links())
        keywords, themes = self._keywords()
        licenses, rights, access_rights = self._constraints()
        fields: dict[str, object] = {
            # The file identifier is the record's and not the data's: it serves if there is no other.
            "remote_id": identifier or word(first(self._root, "fileIdentifier")),
            "identifier": identifier,
            "uri": identifier if identifier and is_uri(identifier) else None,
            "landing_page": self._landing_page(links),
            "titles": self._texts(first(info, "citation/CI_Citation/title")),
            "descriptions": self._texts(first(info, "abstract")),
            "keywords": keywords,
            "themes": themes,
            "languages": tuple(
                sorted({tag for one in info.iterfind("{*}language/*") if (tag := language(code(one) or word(one)))})
            ),
            "contacts": self._contacts(),
            "licenses": licenses,
            "rights": rights,
            "access_rights": access_rights,
            "access": strictest((*access_rights, *rights)),
            "conforms_to": self._conformity(),
            "places": self._places(),
            "created": self._date("creation"),
            "issued": self._date("publication"),
            "modified": self._date("revision"),
        }
        if is_service:
            return DataService(**fields, **self._service(links), remarks=tuple(self._remarks))  # type: ignore[arg-type]
        published = code(first(info, "resourceMaintenance/MD_MaintenanceInformation/maintenanceAndUpdateFrequency/*"))
        fields |= {
            "published_frequency": published,
            "frequency": frequency(published) if published else None,
            "period": self._period(),
            "provenance": tuple(self._plain("dataQualityInfo/DQ_DataQuality/lineage/LI_Lineage/statement")),
            "spatial_resolution": tuple(self._resolutions()),
            "distributions": tuple(links),
        }
        return Dataset(**fields, remarks=tuple(self._remarks))  # type: ignore[arg-type]

    def _texts(self, element: etree._Element | None) -> Texts:
        return texts(element, self._tongue, self._locales)

    def _plain(self, path: str) -> Iterator[str]:
        for element in self._root.iterfind("/".join(f"{{*}}{step}" for step in path.split("/"))):
            if found := word(element):
                yield found

    def _identifier(self) -> str | None:
        """The identifier of the citation, behind its code space and a slash if it is no address by itself."""
        for element in self._info.iterfind("{*}citation/{*}CI_Citation/{*}identifier/*"):
            value = next(iter(anchors(first(element, "code"))), None) or word(first(element, "code"))
            space = next(iter(anchors(first(element, "codeSpace"))), None) or word(first(element, "codeSpace"))
            if value and space and not is_uri(value):
                # Unique only within its code space, as ISO 19115 has it.
                return f"{space.rstrip('/')}/{value.lstrip('/')}"
            if value:
                return value
        return None

    def _date(self, kind: str) -> datetime | None:
        for element in self._info.iterfind("{*}citation/{*}CI_Citation/{*}date/{*}CI_Date"):
            if code(first(element, "dateType/*")) == kind and (published := word(first(element, "date"))):
                read = moment(published, self._now)
                if read.value:
                    return read.value
                # The next date of the same kind may be readable.
                self._remarks.append(Remark(kind, published, read.reason or ""))
        return None

    def _keywords(self) -> tuple[Texts, tuple[Concept, ...]]:
        """Free keywords, and those that a vocabulary names: by address, by INSPIRE's themes, by topic."""
        keywords: set[Text] = set()
        themes: set[Concept] = set()
        for group in self._info.iterfind("{*}descriptiveKeywords/{*}MD_Keywords"):
            thesaurus = first(group, "thesaurusName")
            named = (
                " ".join([*(text or "" for text in thesaurus.itertext()), *anchors(thesaurus)])
                if thesaurus is not None
                else ""
            )
            for element in group.iterfind("{*}keyword"):
                uri = next((address for address in anchors(element) if is_uri(address)), None)
                # INSPIRE's classes of services say how data are served, not what they are about.
                if _SERVICE_CATEGORY.search(named) or (uri and _SERVICE_CATEGORY.search(uri)):
                    continue
                labels = self._texts(element)
                if uri or is_of_inspire(named):
                    themes.add(Concept(uri, labels, INSPIRE_THEMES if is_of_inspire(named) else None))
                else:
                    keywords.update(labels)
        for element in self._info.iterfind("{*}topicCategory/{*}MD_TopicCategoryCode"):
            if topic := (element.text or "").strip():
                themes.add(Concept(_TOPIC + topic))
        themes.discard(Concept())
        return (
            in_order(keywords),
            tuple(sorted(themes, key=Concept.place)),
        )

    def _contacts(self) -> tuple[Contact, ...]:
        # Whom to ask about the data comes before whom to ask about the record.
        parties = self._info.findall("{*}pointOfContact/{*}CI_ResponsibleParty") or self._root.findall(
            "{*}contact/{*}CI_ResponsibleParty"
        )
        found = {one for party in parties if not (one := self._contact(party)).is_empty}
        return tuple(sorted(found, key=Contact.place))

    def _contact(self, party: etree._Element) -> Contact:
        person = self._texts(first(party, "individualName"))
        organization = self._texts(first(party, "organisationName"))
        reached = first(party, "contactInfo/CI_Contact")
        post = first(reached, "address/CI_Address")
        emails = [] if post is None else [word(one) for one in post.iterfind("{*}electronicMailAddress")]
        phone = word(first(reached, "phone/CI_Telephone/voice"))
        kind = code(first(party, "role/*")) or "pointOfContact"
        address = Address(
            street=self._texts(first(post, "deliveryPoint")),
            locality=self._texts(first(post, "city")),
            postal_code=word(first(post, "postalCode")),
            country=self._texts(first(post, "country")),
        )
        return Contact(
            role=role(kind) or "contact",
            names=person or organization,
            organization=organization if person else (),
            emails=tuple(sorted({email for email in emails if email})),
            url=web_address(word(first(reached, "onlineResource/CI_OnlineResource/linkage"))),
            phone=re.sub(r"\s", "", phone) if phone else None,
            address=address if address != Address() else None,
        )

    def _constraints(self) -> tuple[tuple[LicenseHint, ...], tuple[str, ...], tuple[str, ...]]:
        """What is said of licences, of rights in words, and of access by authorities' addresses."""
        licenses: list[LicenseHint] = []
        rights: list[str] = []
        limits: list[str] = []
        for element in self._info.iterfind("{*}resourceConstraints/*"):
            for limitation in element.iterfind("{*}useLimitation"):
                addresses = anchors(limitation)
                text = word(limitation)
                if text:
                    rights.append(text)
                if addresses:
                    licenses.append(LicenseHint(addresses[0], self._texts(limitation), tuple(addresses)))
            of_access = element.find("{*}accessConstraints") is not None
            of_use = element.find("{*}useConstraints") is not None
            for other in element.iterfind("{*}otherConstraints"):
                addresses = anchors(other)
                text = word(other) or ""
                if known := [address for address in addresses if access(address)]:
                    limits += known
                # With both kinds of constraint in one element, a text without an address may be about either.
                elif of_use and (addresses or not of_access):
                    found = (*addresses, *addresses_in(text))
                    licenses.append(LicenseHint(found[0] if found else text, self._texts(other), found))
                elif text:
                    rights.append(text)
        return tuple(dict.fromkeys(licenses)), tuple(dict.fromkeys(rights)), tuple(dict.fromkeys(limits))

    def _conformity(self) -> tuple[Concept, ...]:
        """The specifications that the data were found to conform to."""
        found = set()
        for result in self._root.iterfind(
            "{*}dataQualityInfo/{*}DQ_DataQuality/{*}report/*/{*}result/{*}DQ_ConformanceResult"
        ):
            # Records also list specifications that they fail, or that nobody tested.
            if (word(first(result, "pass")) or "").lower() in ("true", "1"):
                title = first(result, "specification/CI_Citation/title")
                uri = next((address for address in anchors(title) if is_uri(address)), None)
                found.add(Concept(uri, self._texts(title)))
        return tuple(sorted(found - {Concept()}, key=Concept.place))

    def _places(self) -> tuple[Place, ...]:
        found: list[Place] = []
        for extent in self._info.iterfind("{*}extent/{*}EX_Extent/{*}geographicElement/*"):
            if local_name(extent) == "EX_GeographicBoundingBox":
                bounds = [word(first(extent, bound)) or "" for bound in _BOUNDS]
                try:
                    # Some catalogues write decimals with a comma.
                    found.append(Place(geometry=box(*(float(bound.replace(",", ".")) for bound in bounds))))
                except (NoArea, ValueError) as error:
                    self._remarks.append(Remark("spatial", " ".join(bounds), str(error)))
            elif (named := first(extent, "geographicIdentifier/*/code")) is not None:
                uri = next((address for address in anchors(named) if is_uri(address)), None)
                found.append(Place(uri=uri, labels=self._texts(named)))
        return tuple(dict.fromkeys(place for place in found if place != Place()))

    def _period(self) -> Period | None:
        for element in self._info.iterfind("{*}extent/{*}EX_Extent/{*}temporalElement/*/{*}extent/*"):
            start, end = (word(element.find(f".//{{*}}{name}")) for name in ("beginPosition", "endPosition"))
            # GML gives the ends themselves, or instants that hold them.
            start = start or word(element.find(".//{*}begin//{*}timePosition"))
            end = end or word(element.find(".//{*}end//{*}timePosition"))
            found, reason = period(start, end)
            if reason:
                self._remarks.append(Remark("temporal", reason, "no period that can be kept whole"))
            if found:
                return found
        return None

    def _resolutions(self) -> Iterator[str]:
        for element in self._info.iterfind("{*}spatialResolution/{*}MD_Resolution"):
            if scale := word(element.find(".//{*}denominator")):
                yield f"1/{scale}"
            elif (distance := element.find("{*}distance/*")) is not None and (value := word(distance)):
                yield f"{value} {distance.get('uom', '')}".strip()

    def _links(self) -> Iterator[Distribution]:
        """Every online resource of the distribution, in the order of the record, each address once a name."""
        names = (word(one) for one in self._root.iterfind("{*}distributionInfo/*/{*}distributionFormat/*/{*}name"))
        formats = [file_format(name) for name in names if name]
        mimes = [
            file_format(address)
            for one in self._root.iterfind("{*}distributionInfo/*/{*}distributionFormat/*/{*}name")
            for address in anchors(one)
        ]
        # Formats are listed beside the links: only one alone can be told to be that of every file.
        given = formats[0] if len(formats) == 1 else None
        mime = mimes[0].mime if len(mimes) == 1 else None
        for element in self._root.iterfind("{*}distributionInfo//{*}onLine/{*}CI_OnlineResource"):
            link = word(first(element, "linkage"))
            url = web_address(link)
            if url is None:
                self._remarks.append(Remark("distribution", link or "", "says no web address"))
                continue
            protocol = word(first(element, "protocol")) or ""
            function = code(first(element, "function/*"))
            titles, descriptions = self._texts(first(element, "name")), self._texts(first(element, "description"))
            is_about = bool(_ABOUT_METADATA.search(url)) or function == "information"
            # The protocol `atom` names a feed of files, not a service to be called.
            kind = None if is_about else service_in(url) or service_type(protocol if protocol != "atom" else None)
            # A link without protocol whose name speaks of services leads to them.
            is_service = bool(kind) or (not (is_about or protocol) and any(service_type(one.value) for one in titles))
            takes_format = given is not None and not is_service and not is_about
            yield Distribution(
                url=url,
                titles=titles,
                descriptions=descriptions,
                kind="api" if is_service else "documentation" if is_about else "main",
                format=kind or (given.name if given and takes_format else None),
                mime=(given.mime or mime) if given and takes_format else None,
                protocol=kind,
            )

    def _landing_page(self, links: list[Distribution]) -> str | None:
        """The page about the record: a link that leads to one, else the first that is neither file nor service."""
        pages = [link.url for link in links if link.kind == "documentation"]
        # A raw record in XML is no page for people.
        return next((url for url in pages if "getrecordbyid" not in url.lower()), None)

    def _service(self, links: list[Distribution]) -> dict[str, object]:
        points = [
            url
            for element in self._info.iterfind("{*}containsOperations/*/{*}connectPoint/{*}CI_OnlineResource")
            if (url := web_address(word(first(element, "linkage"))))
        ]
        endpoints = [link.url for link in links if link.kind != "documentation"] or points
        return {
            "endpoint_url": endpoints[0] if endpoints else None,
            # As a rule the address leads to the capabilities, which describe the service.
            "endpoint_descriptions": tuple(endpoints[:1]),
            "documentation": tuple(link.url for link in links if link.kind == "documentation"),
            "service_type": word(first(self._info, "serviceType")),
            "serves": tuple(sorted({name for one in self._info.iterfind("{*}operatesOn") for name in _operated(one)})),
        }


def _operated(element: etree._Element) -> Iterator[str]:
    """The identifiers of a dataset that a service operates on: by reference, and by the address of its record."""
    if uuid := element.get("uuidref"):
        yield uuid
    address = element.get("{http://www.w3.org/1999/xlink}href") or ""
    named = {key.lower(): value for key, value in parse_qs(urlsplit(address).query).items()}
    # The address is a request for the record, whose id is the dataset's.
    if "id" in named:
        yield named["id"][0]
    elif is_uri(address) and not named:
        yield address
