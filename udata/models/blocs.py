"""The blocs that pages are made of, nested at any depth."""

from udata.store.documents import EmbeddedDocument
from udata.store.fields import (
    EmbeddedDocumentListField,
    ListField,
    ReferenceField,
    StringField,
    URLField,
    UUIDTextField,
)

WIDTHS = ("1/4", "1/3", "1/2", "2/3", "3/4")
COLORS = ("primary", "green", "purple")


class Bloc(EmbeddedDocument):
    """A piece of a page."""

    meta = {"allow_inheritance": True, "strict": False}

    id = UUIDTextField(db_field="_id", required=True)


class AccordionItemBloc(EmbeddedDocument):
    """A part of an accordion."""

    id = UUIDTextField(db_field="_id", required=True)
    title = StringField(required=True)
    content = EmbeddedDocumentListField(Bloc)


class AccordionListBloc(Bloc):
    """Parts that unfold."""

    width = StringField(choices=WIDTHS)
    title = StringField()
    description = StringField()
    items = EmbeddedDocumentListField(AccordionItemBloc)


class ButtonBloc(Bloc):
    """A link that looks like a button."""

    width = StringField(choices=WIDTHS)
    title = StringField(required=True)
    url = URLField(required=True)


class DataserviceBloc(Bloc):
    """One dataservice."""

    width = StringField(choices=WIDTHS)
    dataservice = ReferenceField("Dataservice", required=True)


class DataservicesListBloc(Bloc):
    """Several dataservices."""

    title = StringField()
    subtitle = StringField()
    dataservices = ListField(ReferenceField("Dataservice"))


class DatasetBloc(Bloc):
    """One dataset."""

    width = StringField(choices=WIDTHS)
    dataset = ReferenceField("Dataset", required=True)


class DatasetsListBloc(Bloc):
    """Several datasets."""

    title = StringField()
    subtitle = StringField()
    datasets = ListField(ReferenceField("Dataset"))


class ExploreBloc(Bloc):
    """A resource to look into."""

    title = StringField()
    subtitle = StringField()
    width = StringField(choices=WIDTHS)
    # It names a resource that is there: one made up would name none.
    resource_id = UUIDTextField(auto=False, required=True)


class HeroBloc(Bloc):
    """The head of a page."""

    title = StringField(required=True)
    description = StringField()
    color = StringField(choices=COLORS)
    main_link_url = StringField()
    main_link_title = StringField()


class LinkInBloc(EmbeddedDocument):
    """A link among others."""

    title = StringField(required=True)
    color = StringField()
    url = StringField()


class LinksListBloc(Bloc):
    """Several links."""

    title = StringField()
    subtitle = StringField()
    width = StringField(choices=WIDTHS)
    paragraph = StringField()
    main_link_url = StringField()
    main_link_title = StringField()
    links = EmbeddedDocumentListField(LinkInBloc)


class MarkdownBloc(Bloc):
    """Text."""

    title = StringField()
    subtitle = StringField()
    width = StringField(choices=WIDTHS)
    content = StringField(required=True)


class ReuseBloc(Bloc):
    """One reuse."""

    width = StringField(choices=WIDTHS)
    reuse = ReferenceField("Reuse", required=True)


class ReusesListBloc(Bloc):
    """Several reuses."""

    title = StringField()
    subtitle = StringField()
    reuses = ListField(ReferenceField("Reuse"))


class SectionBloc(Bloc):
    """Blocs that belong together."""

    color = StringField(choices=COLORS)
    blocs = EmbeddedDocumentListField(Bloc)


class TitleBloc(Bloc):
    """A heading."""

    width = StringField(choices=WIDTHS)
    title = StringField(required=True)
    subtitle = StringField()
