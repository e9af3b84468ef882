"""A worker: Celery's, with our logging, heartbeat, watchdog and reaper beside it, and an end within a time."""

import logging
import re
import signal
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click
from celery import Celery, bootsteps, signals
from celery.bin.worker import worker as celery_worker
from celery.platforms import SecurityWarning
from celery.utils.log import get_multiprocessing_logger
from flask import Flask, current_app

from udata.errors import EXIT_DONE, EXIT_FOUND, UdataError, UsageError
from udata.runner.broker import queues
from udata.runner.broker.connection import client, is_redis, queue_name
from udata.runner.broker.transport import QoS, put_back
from udata.runner.celery import tasks
from udata.runner.celery.app import make_celery
from udata.runner.celery.consumer import Request
from udata.runner.journal import recovery
from udata.runner.logs import set_up
from udata.runner.reaper import Reaper
from udata.runner.repeated import Repeated
from udata.runner.schedule import scheduler
from udata.runner.schedule.scheduler import Scheduler
from udata.runner.worker import strangers
from udata.runner.worker.asking import ASK_SECONDS, hand_over_what_is_due
from udata.runner.worker.heartbeat import Heartbeat
from udata.runner.worker.stopping import Stopping
from udata.runner.worker.watch import LOOKS, Watchdog
from udata.store.connection import reconnect, translated_errors

log = logging.getLogger(__name__)

# Celery's options that are not handed on, and what to do instead.
REFUSED = {
    "beat": "give --beat before the --",
    "schedule_filename": "schedules are read from the database",
    "scheduler": "schedules are read from the database",
    "queues": "give -Q before the --",
    "exclude_queues": "give -Q before the --",
    "loglevel": "give --loglevel before the --",
    "logfile": "the log goes to standard error",
    "pool": "runs can only be stopped in processes of their own",
    "pool_start_method": "processes are forked",
    "detach": "a supervisor does that",
    "time_limit": "a job says its time limit where it is declared, and its run then ends as failed",
    "soft_time_limit": "a job says its time limit where it is declared, and its run then ends as failed",
    "purge": "it would remove what waits in the queues, of other programs too",
}

# Celery's numbers, of which 0 and less end its pool with a traceback, or leave it without a process.
ABOVE_ZERO = ("concurrency", "max_tasks_per_child", "max_memory_per_child", "heartbeat_interval", "autoscale")

# How long a tick of the scheduler may take when it is stopped.
STOP_SECONDS = 3.0


class Options(NamedTuple):
    """How a worker is started: `queues` (none: all of them), the number of its processes, Celery's own arguments.

    With `shared` it takes the messages of other programs, too, that wait in the queues.
    """

    queues: tuple[str, ...] = ()
    concurrency: int | None = None
    beat: bool = False
    loglevel: str = "info"
    arguments: tuple[str, ...] = ()
    shared: bool = False


def start(options: Options) -> int:
    """Run a worker for the current app until it is told to stop; returns its exit code.

    Raises UnknownName for a queue that does not exist, UsageError for arguments that Celery does not take,
    ConfigurationError for what is no broker's address, and when messages of others wait that nobody here takes.
    """
    listens = list(queues.check_names(options.queues))
    _check(options.arguments)
    flask = current_app._get_current_object()  # type: ignore[attr-defined]
    app = make_celery(flask.config)
    # Before anything is taken: what is taken by mistake becomes a dead letter.
    if not options.shared:
        strangers.check(flask.config, listens)
    set_up(options.loglevel)
    # Celery holds receivers weakly, and a lambda would be gone at once.
    signals.setup_logging.connect(_leave_logging_alone, weak=False)
    signals.worker_process_init.connect(lambda **_: _enter_child(flask), weak=False)
    nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    app.steps["worker"].add(_beside(flask, listens, beat=options.beat, nohup=nohup))
    return _run(app, _arguments(flask, options, listens), options.arguments)


def _check(arguments: Sequence[str]) -> None:
    """Raises UsageError for an option of Celery's that does not go with a worker of ours."""
    # Celery's own parser knows its short options and which of them take a value.
    parser = celery_worker.make_parser(click.Context(celery_worker))
    try:
        values, _, given = parser.parse_args(list(arguments))
    except click.ClickException as error:
        raise UsageError(f"Celery does not take the arguments: {error.format_message()}") from error
    for option in given:
        if option.name in REFUSED:
            raise UsageError(
                f"Celery's argument {option.opts[-1]} does not go with a worker of udata", REFUSED[option.name]
            )
        # Of --autoscale, which takes two, the larger one is the most processes that there are.
        numbers = [int(text) for text in re.findall(r"-?\d{1,18}", str(values[option.name]))]
        if option.name in ABOVE_ZERO and numbers and max(numbers) < 1:
            raise UsageError(f"Celery's argument {option.opts[-1]} is {values[option.name]}, and must be 1 or more")


def _arguments(flask: Flask, options: Options, listens: list[str]) -> list[str]:
    named = ",".join(queue_name(flask.config, queue) for queue in listens)
    arguments = ["worker", "--loglevel", options.loglevel, "--queues", named, "--hostname", tasks.WORKER_NAME]
    # How Celery's workers hear of each other; ours have their heartbeat in Redis, and the journal.
    arguments += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    if options.concurrency:
        arguments += ["--concurrency", str(options.concurrency)]
    return [*arguments, *options.arguments]


def _run(app: Celery, arguments: list[str], given: Sequence[str]) -> int:
    # Running as root is dangerous when messages are pickled; ours are not.
    warnings.simplefilter("ignore", SecurityWarning)
    # What the pool says of its processes would go nowhere.
    get_multiprocessing_logger().propagate = True
    # Celery's greeting is for people; a log needs none.
    app.log.already_setup = True
    workers: list[Any] = []
    signals.worker_init.connect(lambda sender, **_: workers.append(sender), weak=False)
    try:
        app.start(["--quiet", *arguments])
    except click.ClickException as error:
        raise UsageError(f"Celery does not take the arguments: {error.format_message()}") from error
    except (OSError, LookupError, ValueError) as error:
        if not given:
            raise
        # A file or a user that is not there, or a number that cannot be, as an argument names it.
        raise UsageError(f"Celery cannot start with the arguments {' '.join(given)}: {error}") from error
    except SystemExit as ended:
        # Celery has said why.
        return ended.code if isinstance(ended.code, int) else EXIT_FOUND
    return next((worker.exitcode or EXIT_DONE for worker in workers), EXIT_DONE)


def _beside(flask: Flask, listens: list[str], *, beat: bool, nohup: bool) -> type[bootsteps.StartStopStep]:
    class Beside(bootsteps.StartStopStep):  # type: ignore[misc]
        """What runs in the main process beside Celery's own parts."""

        requires = ("celery.worker.components:Pool",)

        def start(self, worker: Any) -> None:
            """Called by Celery when its pool has started."""
            self.parts = Parts(flask, worker, listens, beat=beat, nohup=nohup)
            self.parts.start()
            signals.worker_shutdown.connect(self.parts.stop, weak=False)

        def stop(self, _worker: Any) -> None:
            """Called by Celery when the worker takes nothing any more, and waits for what runs."""
            self.parts.stop_caring()

        terminate = stop

    return Beside


class Parts:
    """The heartbeat, the reaper, the watchdog, with `beat` the scheduler, and the end of `worker`."""

    def __init__(self, flask: Flask, worker: Any, listens: list[str], *, beat: bool, nohup: bool) -> None:
        settings = flask.config
        self.flask = flask
        reaper = Reaper(settings)
        heartbeat = Heartbeat(settings, worker, tasks.WORKER_NAME, listens)
        self.reaper = reaper
        self.heartbeat = heartbeat
        self.stopping = Stopping(settings, worker, self._give_back, nohup=nohup)
        self.beating = Repeated("heartbeat", settings["WORKER_HEARTBEAT_SECONDS"], heartbeat.beat)
        self.caring = [Repeated("reaper", settings["REAPER_SECONDS"], self._in_context(self._reap))]
        asking = self._in_context(lambda: hand_over_what_is_due(settings))
        self.scheduler = Scheduler(settings) if beat else None
        if self.scheduler:
            tick = self._in_context(self.scheduler.tick)
            self.caring.append(Repeated("scheduler", scheduler.TICK_SECONDS, tick))
        self.caring.append(Repeated("asking of jobs", ASK_SECONDS, asking))
        if settings["WORKER_WATCHDOG_SECONDS"] and is_redis(settings):
            watchdog = Watchdog(settings, worker, listens, self.stopping.give_up)
            self.caring.append(Repeated("watchdog", settings["WORKER_WATCHDOG_SECONDS"] / LOOKS, watchdog.look))

    def start(self) -> None:
        """Take over the signals and start the threads. If the broker is no Redis there is no place to beat."""
        log.info("The worker %s listens to %s", tasks.WORKER_NAME, ", ".join(self.heartbeat.listens))
        self.stopping.install()
        for thread in ([self.beating] if is_redis(self.flask.config) else []) + self.caring:
            thread.start()

    def stop_caring(self) -> None:
        """Leave what concerns all to others; the worker lives until its last run has ended."""
        for thread in self.caring:
            thread.stop()
        if self.scheduler:
            # The scheduler is the second: a tick that goes on would take back the lease that is released below.
            self.caring[1].join(STOP_SECONDS)
            try:
                self._in_context(self.scheduler.stop)()
            except UdataError as error:
                log.warning("Another scheduler takes over a little later: %s", error)
            self.scheduler = None

    def stop(self, **_: Any) -> None:
        """Say that the worker has gone."""
        self.stop_caring()
        self.beating.stop()
        self._put_back()
        self.heartbeat.end()

    def _reap(self) -> None:
        # A copy, of which as many are removed: more may be lost meanwhile.
        killed = Request.lost[:]
        if killed:
            with translated_errors():
                recovery.free_killed(tasks.WORKER_NAME, killed)
            del Request.lost[: len(killed)]
        self.reaper.reap()

    def _put_back(self) -> None:
        """The last time to put back what the broker did not let this worker take."""
        if not QoS.untaken:
            return
        try:
            with client(self.flask.config) as redis:
                put_back(redis)
        except UdataError as error:
            for queue, raw in QoS.untaken:
                log.error("A message of the queue %s is lost (%s): %.500r", queue, error, raw)

    def _give_back(self, message_ids: list[str]) -> None:
        self.stop()
        self._in_context(lambda: self.reaper.give_back(tasks.WORKER_NAME, message_ids))()

    def _in_context(self, action: Callable[[], object]) -> Callable[[], None]:
        def act() -> None:
            with self.flask.app_context():
                action()

        return act


def _enter_child(flask: Flask) -> None:
    """Make a process of the pool one of its own: the database's connections do not survive the fork."""
    reconnect()
    flask.app_context().push()


def _leave_logging_alone(**_: Any) -> None:
    """Tell Celery that the logging is set up."""
