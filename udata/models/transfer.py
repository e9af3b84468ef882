"""Transfers: somebody asks to take over what another owns."""

from udata.clock import now
from udata.store.documents import Document
from udata.store.fields import DateTimeField, GenericReferenceField, ReferenceField, StringField
from udata.store.indexes import index

OWNERS = ("User", "Organization")


class Transfer(Document):
    """A request to hand something over."""

    meta = {"collection": "transfer"}
    INDEXES = (index("owner"), index("recipient"), index("created"), index("status"))

    user = ReferenceField("User")
    owner = GenericReferenceField(required=True, choices=OWNERS)
    recipient = GenericReferenceField(required=True, choices=OWNERS)
    subject = GenericReferenceField(required=True, choices=("Dataset", "Reuse", "Dataservice", "Topic"))
    comment = StringField()
    status = StringField(choices=("pending", "accepted", "refused"), default="pending")
    created = DateTimeField(required=True, default=now)
    responded = DateTimeField()
    responder = ReferenceField("User")
    response_comment = StringField()
