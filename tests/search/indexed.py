"""What the index holds, beside what it should hold."""

from typing import Any

from udata.search.comparing import verify
from udata.search.documents.kinds import kinds
from udata.search.session import Session


def held(session: Session, model: str) -> dict[str, int]:
    """The ids and versions of what the portal finds of a model."""
    (index,) = session.engine.aliases([session.alias(model)])[session.alias(model)]
    session.engine.refresh(index)
    return {one.id: one.version for one in session.engine.stored(index)}


def document(session: Session, model: str, id: Any) -> dict[str, Any]:
    """A document as the portal finds it."""
    (index,) = session.engine.aliases([session.alias(model)])[session.alias(model)]
    session.engine.refresh(index)
    return session.engine.get(index, [str(id)])[str(id)]


def assert_equal(session: Session) -> None:
    """Index and database agree, document by document."""
    for kind in kinds().values():
        found = verify(session, kind)
        assert found.wrong == 0, found
