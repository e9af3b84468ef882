"""Whether it is the world that is out of reach, or this machine's own network that is down."""

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo.database import Database

from udata.errors import ServerError
from udata.network.addresses import host_of
from udata.network.failures import HttpError
from udata.network.fetching import Fetcher
from udata.services.crawl.crew import Outcome
from udata.services.crawl.visiting import is_of_connection

# How many outcomes may wait for an answer of anybody.
MOST = 2000
# Of so many hosts that none is there is no accident.
HOSTS = 3
# How many hosts that answered before are asked, among how many addresses they are looked for, and how long they have.
WITNESSES, LOOKED_AT, SECONDS = 5, 200, 10.0


class Doubt:
    """Holds back that hosts are not there until another host has answered.

    If none does, those are asked that answered in earlier runs.
    """

    def __init__(self, database: Database[dict[str, Any]], settings: Mapping[str, Any]) -> None:
        self._database = database
        self._settings = settings
        self._held: list[Outcome] = []

    def sifted(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """What of the outcomes, and of those before, can be believed. Raises ServerError."""
        believed = []
        for outcome in outcomes:
            if outcome.seen is not None and outcome.seen.beforehand:
                self._held.append(outcome)
                continue
            if outcome.seen is not None and outcome.seen.status is not None:
                believed += self._held
                self._held = []
            believed.append(outcome)
        return believed if len(self._held) <= MOST else [*believed, *self.settled()]

    def settled(self) -> list[Outcome]:
        """The outcomes that are still held back. Raises ServerError if this machine's network seems to be down."""
        held, self._held = self._held, []
        hosts = {outcome.host for outcome in held}
        if not held or self._is_witnessed(hosts):
            return held
        raise ServerError(
            f"none of {len(hosts):,} hosts can be reached, nor any that answered before",
            "see whether the network is down; nothing is written of them, and the next run asks again",
        )

    def _is_witnessed(self, hosts: set[str]) -> bool:
        """Whether a host answers that answered in an earlier run; or there is none, and few are not there."""
        before = self._database["crawl_address"].find({"successes": {"$gte": 1}}, {"url": 1}).limit(LOOKED_AT)
        witnesses = {host_of(one["url"]): one["url"] for one in before if isinstance(one.get("url"), str)}
        asked = [url for host, url in witnesses.items() if host not in hosts][:WITNESSES]
        if not asked:
            return len(hosts) < HOSTS
        with Fetcher(self._settings) as fetcher:
            return any(self._answers(fetcher, url) for url in asked)

    def _answers(self, fetcher: Fetcher, url: str) -> bool:
        try:
            fetcher.get(url, method="HEAD", timeout=SECONDS, first_bytes=0)
        except HttpError as error:
            return not is_of_connection(error)
        return True
