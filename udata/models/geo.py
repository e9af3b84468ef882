"""Geographic zones and their levels."""

from udata.store.documents import Document
from udata.store.fields import DictField, IntField, ListField, StringField
from udata.store.indexes import index


class GeoLevel(Document):
    """A level of administration."""

    meta = {"collection": "geo_level"}

    id = StringField(primary_key=True)
    name = StringField(required=True)
    admin_level = IntField(default=100)

    def __str__(self) -> str:
        return str(self.name or self.id)


class GeoZone(Document):
    """An area with a name."""

    meta = {"collection": "geo_zone"}
    INDEXES = (index("name"), index("level", "code"))

    metrics = DictField()
    id = StringField(primary_key=True)
    slug = StringField(required=True)
    name = StringField(required=True)
    code = StringField(required=True)
    level = StringField(required=True)
    uri = StringField()
    ancestors = ListField(StringField())

    def __str__(self) -> str:
        return str(self.name or self.id)
