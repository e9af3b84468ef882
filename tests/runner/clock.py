"""A clock that the tests set."""

from datetime import datetime, timedelta


class Clock:
    """Shows `moment` (UTC) until it is told otherwise."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **span: float) -> datetime:
        """Let time go by; returns what the clock shows then."""
        self.moment += timedelta(**span)
        return self.moment
