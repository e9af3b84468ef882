"""What an operator does to a run: cancel it, or let it be run again."""

import logging
from typing import NamedTuple

from flask import current_app

from udata.clock import now
from udata.errors import ServerError, UdataError, UsageError
from udata.runner import registry
from udata.runner.broker import connection as broker
from udata.runner.broker import queues
from udata.runner.enqueue import wake_up
from udata.runner.journal import records
from udata.runner.journal import runs as journal
from udata.runner.journal.history import Run, find, shown
from udata.runner.journal.records import ENDED, Stored
from udata.runner.journal.runs import WakeUp
from udata.store.connection import translated_errors

log = logging.getLogger(__name__)


class Cancelled(NamedTuple):
    """What became of a run that is cancelled: `cancelled`, or `stopping` if who runs it has to find out."""

    id: str
    state: str


def cancel(run_id: str) -> Cancelled:
    """Cancel a run: one that waits is never run, one that runs is stopped within seconds.

    Raises UnknownName, UdataError if it has ended.
    """
    with translated_errors():
        stored = find(run_id)
        # A lost run that is to be resumed waits, too, although its state does not say so.
        waits = {"_id": stored["_id"], "$or": [{"state": "queued"}, {"state": "lost", "resume": True}]}
        gone = {"state": "cancelled", "error": "cancelled by an operator", "ended_at": now()}
        change = {"$set": gone, "$unset": {"slot": "", "not_before": "", "resume": ""}}
        # A worker may claim the run between the reading and this write; then the write changes nothing.
        if journal.runs().update_one(waits, change).modified_count:
            _remove_message(stored)
            return Cancelled(str(stored["_id"]), "cancelled")
        if records.is_over(stored, now()):
            # Nobody runs it any more who could find out.
            journal.lose({**stored, "cancel_requested": True}, "", again=False)
            return Cancelled(str(stored["_id"]), "cancelled")
        runs = {"_id": stored["_id"], "state": "running"}
        if journal.runs().update_one(runs, {"$set": {"cancel_requested": True}}).matched_count:
            return Cancelled(str(stored["_id"]), "stopping")
        # It has ended meanwhile: the message names the state that it has now.
        stored = journal.load(stored["_id"]) or stored
    raise UdataError(f"the run {stored['_id']} has ended already: {stored.get('state')}")


def retry(run_id: str) -> Run:
    """Let a run that has ended wait for a worker again, as it was. Raises UnknownName, UsageError if it cannot."""
    with translated_errors():
        stored = records.checked(find(run_id))
        if records.is_over(stored, now()):
            # Marked here, as there may be no worker or scheduler that does it.
            journal.lose(stored, f"the worker {stored.get('worker')} was lost", again=False)
            stored = records.checked(find(stored["_id"]))
        if stored["state"] not in ENDED or stored.get("resume"):
            raise UdataError(f"the run {stored['_id']} has not ended: it is {stored['state']}")
        if stored.get("hidden"):
            raise UsageError(f"the run {stored['_id']} had a secret argument, which is not kept", "run the job anew")
        wanted = journal.bind(registry.find(stored["job"]), stored["args"], stored["kwargs"])
        if not journal.wait_again(stored, wanted):
            raise UdataError(f"the run {stored['_id']} is not repeated: the same one waits already, or it has changed")
        # Only now: killed before this, the run waits in the journal, and the reaper sends it.
        wake_up(
            WakeUp(stored["_id"], stored["job"], stored["args"], stored["kwargs"], stored["fence"]), stored["queue"]
        )
        return shown(journal.load(stored["_id"]) or stored)


def _remove_message(stored: Stored) -> None:
    """Take the message of a run that is cancelled out of its queue; a worker would only drop it."""
    settings = current_app.config
    if not broker.is_redis(settings):
        return
    try:
        with broker.client(settings) as client:
            queues.remove(client, settings, str(stored.get("queue")), str(stored["_id"]))
    except ServerError as error:
        log.debug("The message of the run %s stays in its queue: %s", stored["_id"], error)
