"""Charts of what resources hold."""

from udata.clock import now
from udata.models.common import OWNED_INDEXES, Owned
from udata.store.documents import EmbeddedDocument
from udata.store.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    FloatField,
    GenericEmbeddedDocumentField,
    ImageField,
    ListField,
    SlugField,
    StringField,
    UUIDTextField,
)
from udata.store.indexes import index


class Filter(EmbeddedDocument):
    """A condition on a column."""

    column = StringField(required=True)
    condition = StringField(
        required=True,
        choices=(
            "exact",
            "differs",
            "is_null",
            "is_not_null",
            "greater",
            "less",
            "strictly_greater",
            "strictly_less",
        ),
    )
    value = StringField()


class AndFilters(EmbeddedDocument):
    """Conditions that must all hold."""

    filters = ListField(GenericEmbeddedDocumentField())


class OrFilters(EmbeddedDocument):
    """Conditions of which one must hold."""

    filters = ListField(GenericEmbeddedDocumentField(choices=(Filter, AndFilters)))


# The two may hold one another.
AndFilters.filters.field.choices = (Filter, OrFilters)


class XAxis(EmbeddedDocument):
    """What runs along a chart."""

    column_x = StringField(required=True)
    sort_x_by = StringField(default="axis_x", choices=("axis_x", "axis_y"))
    sort_x_direction = StringField(default="asc", choices=("asc", "desc"))
    type = StringField(required=True, choices=("discrete", "continuous"))


class YAxis(EmbeddedDocument):
    """What a chart measures."""

    min = FloatField()
    max = FloatField()
    label = StringField()
    unit = StringField()
    unit_position = StringField(default="suffix", choices=("prefix", "suffix"))


class Series(EmbeddedDocument):
    """A line or the bars of a chart."""

    type = StringField(choices=("line", "histogram"))
    column_y = StringField()
    aggregate_y = StringField(choices=("avg", "sum", "count", "min", "max"))
    # It names a resource that is there: one made up would name none.
    resource_id = UUIDTextField(auto=False, required=True)
    column_x_name_override = StringField()
    filters = GenericEmbeddedDocumentField(choices=(AndFilters, OrFilters))


class Chart(Owned):
    """A picture of what resources hold."""

    meta = {"collection": "chart"}
    INDEXES = (
        *OWNED_INDEXES,
        index("$title"),
        index("created_at"),
        index("last_modified"),
        index("slug", unique=True),
    )

    metrics = DictField()
    created_at = DateTimeField(required=True, default=now)
    last_modified = DateTimeField(required=True, default=now)
    title = StringField(required=True)
    slug = SlugField(required=True, unique=True, max_length=255)
    description = StringField(required=True)
    private = BooleanField(default=False)
    extras = DictField()
    deleted_at = DateTimeField()
    x_axis = EmbeddedDocumentField(XAxis, required=True)
    y_axis = EmbeddedDocumentField(YAxis)
    series = EmbeddedDocumentListField(Series, required=True)
    image = ImageField()

    def __str__(self) -> str:
        return str(self.title or self.id)
