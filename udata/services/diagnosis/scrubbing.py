"""Secrets taken out of what drivers say of an address: they may quote a part of it."""

from udata.masking import clean
from udata.services.diagnosis.check import Check, Note


def scrubbed(check: Check) -> Check:
    """The check without any secret in its problems, warnings and value."""
    return check._replace(
        value=clean(check.value) if check.problems else check.value,
        problems=[_scrubbed(note) for note in check.problems],
        warnings=[_scrubbed(note) for note in check.warnings],
    )


def _scrubbed(note: Note) -> Note:
    return note._replace(text=clean(note.text))
