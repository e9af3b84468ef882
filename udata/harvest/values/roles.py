"""Roles of people and organizations: INSPIRE's codes, as those that a contact point can have."""

from udata.harvest.values.addresses import last_segment

ROLES = (
    "contact",
    "publisher",
    "creator",
    "rightsHolder",
    "custodian",
    "distributor",
    "originator",
    "principalInvestigator",
    "processor",
    "resourceProvider",
    "user",
)
# INSPIRE has roles that portals lack: the nearest ones that they know.
_CODES = {
    "pointofcontact": "contact",
    "owner": "rightsHolder",
    "author": "creator",
    **{role.lower(): role for role in ROLES},
}


def role(code: str) -> str | None:
    """The role for a code of ISO 19115 or INSPIRE's address of one; None if no contact can have it."""
    return _CODES.get(last_segment(code).lower())
