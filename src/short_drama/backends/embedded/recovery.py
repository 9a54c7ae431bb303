"""After a crash of everything: no worker is left, so nothing needs to wait for its lease."""

import sqlite3
import time

from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.newest import advance


async def take_over(database: Database, store: EmbeddedTaskStore) -> int:
    """End every lease and show every hidden message; returns the number of tasks freed.

    Only for a process that knows it is alone on the data directory.
    """
    now = time.time()
    held = await store.held()
    for task in held:
        await advance(store, task, lambda found: found.orphaned(now=now))

    def show(db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE messages SET visible_at = ?1 WHERE receipt IS NOT NULL AND visible_at > ?1",
            (now,),
        )

    await database.write(show)
    return len(held)
