"""The Celery app, made from the registry when a worker or a sender needs it."""

from collections.abc import Mapping
from typing import Any

from celery import Celery
from flask import current_app
from kombu import Exchange, Queue

from udata.runner.broker import connection as broker
from udata.runner.broker.queues import JOB_HEADER, WAKE
from udata.runner.celery import tasks
from udata.runner.journal.runs import WakeUp

EXTENSION = "udata-celery"

# What Celery waits for a new process of the pool; its default of 4 seconds is short for a busy machine.
CHILD_START_SECONDS = 60.0


def make_celery(settings: Mapping[str, Any]) -> Celery:
    """An app with our queues and a task for each job, for the broker of `settings`; connects when it is used.

    Raises ConfigurationError when its address is no broker's.
    """
    # Made for its checks: a worker with a wrong address ends here, and does not try for ever.
    broker.connection(settings).release()
    app = Celery("udata", set_as_current=False)
    app.conf.update(configuration(settings))
    tasks.register(app)
    return app


def configuration(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Celery's settings: JSON only, nothing acknowledged before it is done, no results, no remote control."""
    # An exchange of our own: a binding of ours to the portal's exchanges would draw their messages into every queue.
    exchange = Exchange(f"{settings['QUEUE_PREFIX']}udata", type="direct")
    queues = [
        Queue(name, exchange=exchange, routing_key=name)
        for name in (broker.queue_name(settings, queue) for queue in broker.QUEUES)
    ]
    return {
        "broker_url": settings["CELERY_BROKER_URL"],
        "broker_use_ssl": broker.ssl_options(settings),
        "broker_transport_options": broker.transport_options(settings),
        "broker_connection_timeout": settings["SERVER_TIMEOUT"],
        "broker_connection_retry_on_startup": True,
        # A worker outlives any absence of its broker.
        "broker_connection_max_retries": None,
        "broker_heartbeat": 0,
        "result_backend": None,
        "task_ignore_result": True,
        "task_serializer": "json",
        "event_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        # A message whose process dies goes back; one whose job fails does not, as the journal has its end.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure_or_timeout": True,
        # Whoever sends hears at once that the broker is away; the reaper sends it later.
        "task_publish_retry": False,
        "task_queues": queues,
        "task_default_exchange": exchange.name,
        "task_default_queue": broker.queue_name(settings, "default"),
        "task_create_missing_queues": False,
        "task_send_sent_event": False,
        "worker_consumer": "udata.runner.celery.consumer:Consumer",
        # What a busy worker holds, no idle one can take.
        "worker_prefetch_multiplier": 1,
        "worker_proc_alive_timeout": CHILD_START_SECONDS,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # A run is held by its lease in the database, whatever becomes of the broker.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_pool_start_method": "fork",
        "worker_detect_quorum_queues": False,
        "timezone": "UTC",
        "enable_utc": True,
    }


def send(wake: WakeUp, queue: str) -> None:
    """Send the wake-up of a recorded run. Raises ServerError when the broker cannot be used."""
    _send(WAKE, tuple(wake), {}, queue, wake.job, task_id=wake.run_id)


def send_call(job: str, args: tuple[Any, ...], kwargs: dict[str, Any], queue: str) -> str:
    """Send a call of a job that is not recorded, and return the message's id. Raises ServerError."""
    return _send(job, args, kwargs, queue, job)


def celery() -> Celery:
    """The Celery app of the current app."""
    if EXTENSION not in current_app.extensions:
        current_app.extensions[EXTENSION] = make_celery(current_app.config)
    return current_app.extensions[EXTENSION]


def _send(task: str, args: tuple[Any, ...], kwargs: dict[str, Any], queue: str, job: str, **options: Any) -> str:
    settings = current_app.config
    with broker.translated_errors(settings):
        sent = celery().send_task(
            task,
            args,
            kwargs,
            queue=broker.queue_name(settings, queue),
            headers={JOB_HEADER: job},
            # Arguments may be secret; a message shows them nowhere but in its body.
            argsrepr="",
            kwargsrepr="",
            **options,
        )
    return str(sent.id)
