"""What a look at a part finds."""

from collections.abc import Callable

from udata.services.diagnosis.check import Check
from udata.services.diagnosis.run import Report, diagnose

SetEnv = Callable[[str, str], None]


def found(report: Report, name: str) -> Check:
    """What was found out of a part."""
    [check] = [check for check in report.checks if check.name == name]
    return check


def look(name: str) -> Check:
    """What is found out of a part now."""
    return found(diagnose(), name)


def said(check: Check) -> str:
    """Everything that is said of a part."""
    return " ".join([check.value, *(f"{note.text} {note.remedy}" for note in check.problems + check.warnings)])
