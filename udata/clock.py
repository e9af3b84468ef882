"""This moment, as the database stores dates."""

from datetime import UTC, datetime


def now() -> datetime:
    """This moment in UTC, naive and to the millisecond."""
    moment = datetime.now(UTC).replace(tzinfo=None)
    # The database cuts dates to milliseconds: what is read back must equal what was written.
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
