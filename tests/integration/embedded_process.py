"""Another process on the same data directory: `python embedded_process.py DIRECTORY COMMAND`.

Commands: `create` creates tasks without end and prints the id of each one acknowledged;
`obey` does what each line of its input says and prints it back once done:
`send BODY`, or `cancel TASK`.
"""

import asyncio
import sys
import uuid
from pathlib import Path

from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task
from short_drama.newest import advance


async def create(store: EmbeddedTaskStore) -> None:
    while True:
        task_id = uuid.uuid4().hex
        await store.create(
            Task(
                task_id=task_id,
                kind="camera-angle",
                lane=Lane.GPU,
                owner="local",
                request={"image_url": "asset:k", "zoom": 1},
                request_hash="",
                created_at=1.0,
                updated_at=1.0,
            )
        )
        print(task_id, flush=True)


async def obey(store: EmbeddedTaskStore, queue: EmbeddedTaskQueue) -> None:
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        verb, _, subject = line.strip().partition(" ")
        if verb == "send":
            await queue.send(subject)
        elif (task := await store.get(subject)) is not None:
            await advance(store, task, lambda found: found.cancel(now=2.0))
        print(line.strip(), flush=True)


async def main(root: Path, command: str) -> None:
    async with Database(root / "tasks.db") as database, Wakeups(root) as wakeups:
        store = EmbeddedTaskStore(database, wakeups)
        if command == "create":
            await asyncio.gather(*(create(store) for _ in range(8)))
        else:
            await obey(store, EmbeddedTaskQueue(database, wakeups, Lane.GPU.queue))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
