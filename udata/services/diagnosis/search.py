"""The search server, which this version does not use."""

from udata.masking import clean
from udata.services.diagnosis.check import Check, passed_over
from udata.settings import Settings


def look(settings: Settings) -> list[Check]:
    """That there is none, or that it is not looked at."""
    url = settings["ELASTICSEARCH_URL"]
    if not url:
        return [passed_over("search", "not configured")]
    shown = clean(url)
    return [passed_over("search", f"search is not part of this version: {shown} is not looked at", address=shown)]
