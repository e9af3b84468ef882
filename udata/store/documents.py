"""The ground of all models: what they declare is the source of checks, purges and indexes; what is stored is read raw.

The product reads and writes collections; a model is only made where a whole new document is stored.
"""

from typing import Any, ClassVar, Self

import mongoengine

from udata.errors import UdataError
from udata.store.indexes import Index
from udata.store.registry import load


class DocumentError(UdataError):
    """What is stored is no document of its model, or must not be written through it; nothing of it was changed."""


class EmbeddedDocument(mongoengine.EmbeddedDocument):
    """A document inside another one."""

    meta: ClassVar[dict[str, Any]] = {"abstract": True, "strict": False}


class Document(mongoengine.Document):
    """A document of a collection. `INDEXES` are those that the collection should have.

    `SECRETS` are stored fields that open doors: a dump for other hands leaves them out. All of a `SECRET` collection
    does.
    """

    meta: ClassVar[dict[str, Any]] = {"abstract": True, "strict": False, "auto_create_index": False}

    INDEXES: tuple[Index, ...] = ()
    SECRETS: tuple[str, ...] = ()
    SECRET = False

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.pk}"

    @classmethod
    def _from_son(cls, son: Any, *args: Any, **kwargs: Any) -> Any:
        # What is read may name classes whose modules nobody has imported yet.
        load()
        return super()._from_son(son, *args, **kwargs)

    def save(self, *args: Any, **kwargs: Any) -> Self:
        """Store a new document. Raises DocumentError for one that was read."""
        # MongoEngine writes what it understands: fields that it does not know would be lost to the portal.
        if not self._created:
            raise DocumentError(f"{self} is not saved whole", "write what changes through its collection")
        saved: Self = super().save(*args, **kwargs)
        return saved
