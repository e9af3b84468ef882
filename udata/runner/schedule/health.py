"""How the scheduler is: whether one leads, when it last looked, and what is never sent."""

from datetime import datetime, timedelta
from typing import NamedTuple

from udata.clock import now
from udata.runner import registry
from udata.runner.schedule import leader, schedules
from udata.runner.schedule.leader import State
from udata.runner.schedule.stored import Schedule, time_zone
from udata.store.connection import translated_errors
from udata.wording import ago, counted

# A scheduler that has not looked for this long is late.
LATE = timedelta(seconds=60)
# How long it is said that another program ran the schedules too.
FOREIGN_SHOWN = timedelta(hours=1)


class Health(NamedTuple):
    """How the scheduler is: a line for people, and what is wrong, or None.

    `last_tick` is when the leader last looked at the schedules, None if no scheduler has run yet. `enabled` counts
    the schedules that should be sent, `unsent` names the enabled ones that never are, because no such job is here.
    """

    text: str
    problem: str | None
    leader: str | None
    last_tick: datetime | None
    enabled: int
    unsent: list[str]


def health(moment: datetime | None = None) -> Health:
    """How the scheduler is at `moment` (UTC, by default now). Raises ServerError."""
    moment = moment or now()
    with translated_errors():
        lease = leader.state()
        found = list(schedules.listed())
    enabled = [one for one in found if isinstance(one, Schedule) and one.enabled and not one.over(moment)]
    sent = [one for one in enabled if one.obstacle is None]
    unsent = [one.label for one in enabled if not registry.knows(one.task)]
    wrong = [
        f"{one.label} is never sent: {one.obstacle}" for one in enabled if registry.knows(one.task) and one.obstacle
    ]
    last_tick = None if lease is None else lease.last_tick
    problems = [_late(last_tick, sent, moment), _foreign(lease, moment), *wrong]
    problem = "; ".join(filter(None, problems)) or None
    text = _text(lease, last_tick, moment, len(sent))
    return Health(text, problem, lease.holder if lease else None, last_tick, len(sent), unsent)


def runs(moment: datetime | None = None) -> bool:
    """Whether a scheduler has looked at the schedules lately."""
    with translated_errors():
        lease = leader.state()
    last_tick = lease.last_tick if lease else None
    return last_tick is not None and (moment or now()) - last_tick <= LATE


def _text(lease: State | None, last_tick: datetime | None, moment: datetime, sent: int) -> str:
    waiting = f"{counted(sent, 'schedule')} enabled"
    if lease is None:
        return f"none has run yet, {waiting}"
    if last_tick is None:
        return f"{lease.holder} has begun, {waiting}"
    leads = lease.holder or "none leads"
    return f"{leads}, last tick {ago(moment - last_tick)} ago, {waiting}"


def _late(last_tick: datetime | None, sent: list[Schedule], moment: datetime) -> str | None:
    """That no scheduler does what it should; none is needed if nothing is scheduled."""
    if last_tick is not None:
        if sent and moment - last_tick > LATE:
            return f"the scheduler is late, its last tick was {ago(moment - last_tick)} ago: start udata worker beat"
        return None
    # No scheduler of ours has ever looked, and another program's may do the work: only what is overdue tells.
    zone = time_zone()
    overdue = [one.label for one in sent if one.base and one.latest(zone, one.base, moment - LATE)]
    if overdue:
        return f"no scheduler runs, and {', '.join(overdue)} is due: start udata worker beat"
    return None


def _foreign(lease: State | None, moment: datetime) -> str | None:
    if lease and lease.foreign_at and moment - lease.foreign_at < FOREIGN_SHOWN:
        moved = f"it moved {lease.foreign} at {lease.foreign_at} UTC"
        return f"another program's scheduler runs the schedules, too: {moved}"
    return None
