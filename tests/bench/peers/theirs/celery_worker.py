"""Celery: the worker, `celery --app tests.bench.peers.theirs.celery_worker worker`.

Each of its processes has a loop of its own, and with it one engine for all of its tasks.
"""

import asyncio
from typing import Any

from celery.signals import worker_process_init

from tests.bench.peers.theirs.celery_queue import NAME, create_app
from tests.bench.peers.theirs.place import Place
from tests.bench.peers.theirs.work import Worker

place = Place.here()
app = create_app(place.broker, results=True)
worker = Worker(place)
loop = asyncio.Runner()  # begins when it is first used: in the process that has been forked


@worker_process_init.connect
def begin(**_: Any) -> None:
    loop.run(worker.open())


@app.task(name=NAME, bind=True)
def camera_angle(task: Any, body: dict[str, Any]) -> None:
    loop.run(worker.do(task.request.id, body))
