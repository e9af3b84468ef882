"""Who a document belongs to, as the index says it."""

from typing import Any

from udata.search.documents.context import Context, Organization
from udata.search.documents.values import Row, reference

# The badges of an organization that say what kind of producer it is.
PRODUCERS = ("public-service", "association", "company", "local-authority")
PUBLIC_SERVICE = "public-service"

FIELDS = ("organization", "owner")
REFERENCES = {"organization": "organization", "owner": "user"}


def organization_of(row: Row, context: Context) -> Organization | None:
    """The organization that owns the row; None if there is none, or it does not exist."""
    return context.organization(reference(row, "organization"))


def owner_of(row: Row, context: Context) -> str | None:
    """The id of the user who owns the row; None if there is none, or the user does not exist."""
    owner = reference(row, "owner")
    return str(owner) if context.exists("user", owner) else None


def named(organization: Organization | None) -> dict[str, Any]:
    """The fields that name the organization; there is no `organization_with_id` without one."""
    if organization is None:
        return {"organization": None, "organization_name": None}
    return {
        "organization": organization.id,
        "organization_name": organization.name,
        "organization_with_id": f"{organization.id}|{organization.name}",
    }


def producers(organization: Organization | None, owner: str | None) -> list[str]:
    """The kinds of producer that the owner is."""
    if organization is not None:
        return producing(organization.badges) or ["not-specified"]
    return ["user"] if owner is not None else []


def producing(badges: tuple[str, ...] | list[str]) -> list[str]:
    """Those of an organization's badges that say what kind of producer it is."""
    # In a fixed order, so that the same badges make the same document.
    return [kind for kind in PRODUCERS if kind in badges]
