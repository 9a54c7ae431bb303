"""Celery: the settings that the front and the worker share."""

from celery import Celery

NAME = "camera_angle"


def create_app(broker: str, *, results: bool) -> Celery:
    """
    Args:
        results: whether it keeps results, or reads them. An application that only submits does
            better without: it would subscribe to each task's result, which nobody reads there.
    """
    app = Celery("peers", broker=broker, backend=broker if results else None)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_track_started=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
    )
    return app
