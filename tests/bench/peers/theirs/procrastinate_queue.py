"""procrastinate: the application, for its command line, the front and the worker.

`procrastinate --app tests.bench.peers.theirs.procrastinate_queue.app worker`
"""

from typing import Any

from procrastinate import App, JobContext, PsycopgConnector

from tests.bench.peers.theirs.place import Place
from tests.bench.peers.theirs.work import Worker

place = Place.here()
app = App(connector=PsycopgConnector(conninfo=place.broker))
_workers: list[Worker] = []


@app.task(name="camera_angle", pass_context=True)
async def camera_angle(context: JobContext, body: dict[str, Any]) -> None:
    if not _workers:  # there is no signal for the start of a worker
        _workers.append(Worker(place))
        await _workers[0].open()
    await _workers[0].do(str(context.job.id), body)
