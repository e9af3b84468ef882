"""Roles of people and organizations: INSPIRE's codes, as those that a contact point can have."""

from udata.harvest.values.addresses import last_segment
from udata.models.common import CONTACT_ROLES

# INSPIRE has roles that portals lack: the nearest ones that they know.
_CODES = {
    "pointofcontact": "contact",
    "owner": "rightsHolder",
    "author": "creator",
    **{role.lower(): role for role in CONTACT_ROLES},
}


def role(code: str) -> str | None:
    """The role for a code of ISO 19115 or INSPIRE's address of one; None if no contact can have it."""
    return _CODES.get(last_segment(code).lower())
