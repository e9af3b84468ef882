"""The fields of a search document, by model: their names and kinds. The one source for every engine.

A portal's web application searches by these names and kinds: they are a contract. How a text is analysed is not.
A field that is not listed here is stored with its document; what else becomes of it is the server's affair.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """How a field's value is stored and looked for. Every kind takes null, and a list of values."""

    ANALYSED = "analysed"  # text in the portal's language: elision, accents, stop words, stems
    TEXT = "text"  # words as they stand, in lower case
    KEYWORD = "keyword"  # the whole value, to filter and count by
    DATE = "date"  # an ISO 8601 text, with or without a time
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"


class Field(NamedTuple):
    """A field. `exact`: the whole text is kept beside its words, as `<name>.keyword`. `boost`: its weight in a search.

    A boost of 0 leaves the field out of a search for words.
    """

    kind: Kind
    boost: float = 0.0
    exact: bool = False


def _fields(**names: str) -> dict[str, Field]:
    """Fields of the kinds that are named, one text of names each."""
    return {name: Field(Kind(kind)) for kind, listed in names.items() for name in listed.split()}


def _texts(exact: str = "", **boosts: float) -> dict[str, Field]:
    """Analysed texts with their weights; `exact` names those that are kept whole, too."""
    return {name: Field(Kind.ANALYSED, boost, name in exact.split()) for name, boost in boosts.items()}


FIELDS: Mapping[str, Mapping[str, Field]] = {
    "dataset": {
        **_texts("organization_name", title=7, description=1, resources_titles=2, concat_title_org=4,
                 organization_name=3),
        "acronym": Field(Kind.TEXT, 7),
        **_fields(
            text="url frequency",
            date="created_at last_update temporal_coverage_start temporal_coverage_end",
            keyword="id tags license badges format resources_ids granularity geozones organization"
            " organization_with_id organization_badges owner schema topics access_type format_family producer_type",
            integer="orga_sp featured resources_count",
            float="orga_followers views followers reuses",
        ),
    },
    "reuse": {
        **_texts("organization_name", title=7, description=1, organization_name=3),
        **_fields(
            text="url",
            date="created_at last_modified archived",
            keyword="id type topic topic_object tags badges organization organization_with_id organization_badges"
            " owner producer_type",
            integer="datasets featured",
            float="orga_followers views followers",
        ),
    },
    "organization": {
        **_texts(name=7, description=1),
        "acronym": Field(Kind.TEXT, 7),
        **_fields(
            text="url",
            date="created_at",
            keyword="id badges producer_type",
            integer="orga_sp datasets",
            float="followers views reuses",
        ),
    },
    "dataservice": {
        **_texts("organization_name", title=7, description=1, documentation_content=1, organization_name=3),
        **_fields(
            date="created_at metadata_modified_at",
            keyword="id tags topics badges organization organization_with_id owner access_type producer_type",
            float="views followers description_length orga_followers",
            boolean="is_restricted",
        ),
    },
    "topic": {
        **_texts("name organization_name", name=7, description=1, elements_titles=2, elements_descriptions=1,
                 organization_name=3),
        **_fields(
            date="created_at last_modified",
            keyword="id tags organization organization_with_id producer_type elements_tags",
            integer="featured private nb_datasets nb_reuses nb_dataservices",
        ),
    },
    "discussion": {
        **_texts(title=5, content=1),
        **_fields(date="created_at closed_at", integer="closed", keyword="id subject_class subject_id"),
    },
    "post": {
        **_texts(name=7, headline=3, content=1),
        **_fields(date="created_at last_modified published", keyword="id tags"),
    },
}  # fmt: skip

MODELS = tuple(FIELDS)


def title_field(model: str) -> str:
    """The name of the field that holds a document's title."""
    return "title" if "title" in FIELDS[model] else "name"


def searched(model: str) -> dict[str, float]:
    """The fields in which a search for words looks, and their weights."""
    return {name: field.boost for name, field in FIELDS[model].items() if field.boost}
