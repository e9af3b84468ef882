"""Of several schedulers one leads; another takes over when that one is gone."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask

from tests.runner.clock import Clock
from udata.runner.schedule.leader import LEASE_SECONDS
from udata.runner.schedule.scheduler import Scheduler

HOUR = timedelta(hours=1)


def test_one_leads_and_the_other_takes_over_when_it_is_silent(
    app: Flask, beat: Scheduler, clock: Clock, scheduled: Callable[..., Any], runs: Any
) -> None:
    scheduled()
    # A clock that is an hour ahead takes nothing away from anybody.
    ahead = Clock(clock() + HOUR)
    other = Scheduler(app.config, ahead)
    for _ in range(20):
        beat.tick()
        other.tick()
        for one in (clock, ahead):
            one.advance(seconds=2)
    assert (beat.leads, other.leads) == (True, False)
    assert (other.lease.leader, runs()) == (beat.lease.holder, [])
    for _ in range(4):
        other.tick()
        assert not other.leads
        ahead.advance(seconds=LEASE_SECONDS / 4 + 0.1)
    other.tick()
    assert other.leads
    beat.tick()
    assert not beat.leads


def test_one_that_stops_lets_the_other_lead_at_once(app: Flask, beat: Scheduler, clock: Clock) -> None:
    other = Scheduler(app.config, clock)
    beat.tick()
    other.tick()
    beat.stop()
    other.tick()
    assert other.leads


def test_schedulers_that_begin_at_once_have_one_leader(app: Flask, clock: Clock) -> None:
    many = [Scheduler(app.config, clock) for _ in range(8)]
    start = threading.Barrier(len(many))

    def begin(one: Scheduler) -> None:
        with app.app_context():
            start.wait()
            one.tick()

    threads = [threading.Thread(target=begin, args=(one,)) for one in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.leads for one in many].count(True) == 1
