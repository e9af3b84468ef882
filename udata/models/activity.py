"""Activities: who did what. Each kind has a class of its own, which says what it is related to."""

from udata.clock import now
from udata.store.documents import Document
from udata.store.fields import (
    ActorField,
    DateTimeField,
    DictField,
    ListField,
    ReferenceField,
    StringField,
    UnionReferenceField,
)
from udata.store.indexes import index

# The classes of activities by what they are related to.
KINDS = {
    "Dataset": (
        "UserAddedResourceToDataset",
        "UserCreatedDataset",
        "UserDeletedDataset",
        "UserDiscussedDataset",
        "UserFollowedDataset",
        "UserRemovedResourceFromDataset",
        "UserUpdatedDataset",
        "UserUpdatedResource",
    ),
    "Dataservice": (
        "UserCreatedDataservice",
        "UserDeletedDataservice",
        "UserDiscussedDataservice",
        "UserFollowedDataservice",
        "UserUpdatedDataservice",
    ),
    "Organization": ("UserCreatedOrganization", "UserFollowedOrganization", "UserUpdatedOrganization"),
    "Reuse": (
        "UserCreatedReuse",
        "UserDeletedReuse",
        "UserDiscussedReuse",
        "UserFollowedReuse",
        "UserUpdatedReuse",
    ),
    "Topic": (
        "UserCreatedTopic",
        "UserCreatedTopicElement",
        "UserDeletedTopicElement",
        "UserUpdatedTopic",
        "UserUpdatedTopicElement",
    ),
    "User": ("UserFollowedUser",),
}


class Activity(Document):
    """Somebody did something. Of a kind that is not known here, it may be related to any of the six classes."""

    meta = {"collection": "activity", "allow_inheritance": True}
    INDEXES = (
        index("_cls", "actor"),
        index("_cls", "organization"),
        index("_cls", "related_to"),
        index("_cls", "-created_at"),
        index("_cls", "actor", "-created_at"),
        index("_cls", "organization", "-created_at"),
        index("_cls", "related_to", "-created_at"),
    )

    actor = ActorField(required=True, choices=("User", "HarvestSource", "ApiToken"))
    organization = ReferenceField("Organization", on_gone="document")
    related_to = UnionReferenceField(*KINDS, required=True)
    created_at = DateTimeField(required=True, default=now)
    changes = ListField(StringField())
    extras = DictField()


def _declare(name: str, target: str) -> type[Activity]:
    members = {
        "__doc__": f"An activity that is related to a {target}.",
        "__module__": __name__,
        "meta": {"allow_inheritance": True},
        "related_to": ReferenceField(target, required=True),
    }
    declared: type[Activity] = type(Activity).__call__(type(Activity), name, (Activity,), members)
    return declared


# What is stored names its kind in `_cls`, so that each kind has to be a class.
KIND_CLASSES = {name: _declare(name, target) for target, names in KINDS.items() for name in names}
