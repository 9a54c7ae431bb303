"""Which message of a queue is next, so that nobody's many delay another's first.

It is one of the owner who has the fewest tasks running; of several such owners, of the one who was
served the longest ago; and of an owner's, the one that came first. Indexes lead from each owner to
the next, and to their first message, so that a choice costs a look for each owner, however many
messages they have.
"""

import sqlite3
from collections.abc import Collection

_NEXT = """
WITH RECURSIVE owners (owner) AS (
    SELECT min(owner) FROM messages WHERE queue = :queue
    UNION ALL
    SELECT (SELECT min(owner) FROM messages WHERE queue = :queue AND owner > owners.owner)
    FROM owners WHERE owners.owner IS NOT NULL
),
firsts (owner, id) AS (
    SELECT owner, (SELECT id FROM messages
        WHERE queue = :queue AND owner = owners.owner AND visible_at <= :now
        ORDER BY visible_at, id LIMIT 1)
    FROM owners WHERE owner IS NOT NULL
),
lines (id, running, turn) AS (
    SELECT id,
        (SELECT count(*) FROM messages
            WHERE queue = :queue AND owner = firsts.owner AND visible_at > :now AND is_held),
        (SELECT number FROM served WHERE queue = :queue AND owner = firsts.owner)
    FROM firsts WHERE id IS NOT NULL
)
SELECT id, owner, body, receives FROM lines JOIN messages USING (id)
WHERE running < :most ORDER BY running, turn, visible_at, id
"""
_SERVED = "INSERT OR REPLACE INTO served (queue, owner) VALUES (?, ?)"
"""Its number is then the highest."""
_NO_LIMIT = 2**62


def next_message(
    db: sqlite3.Connection,
    queue: str,
    *,
    now: float,
    most: int | None = None,
    but: Collection[str] = (),
) -> sqlite3.Row | None:
    """`most`: tasks of one owner that may run at a time. `but`: whose not."""
    asked = {"queue": queue, "now": now, "most": _NO_LIMIT if most is None else most}
    rows = db.execute(_NEXT, asked)
    return next((row for row in rows if row["owner"] not in but), None)


def note_served(db: sqlite3.Connection, queue: str, owner: str) -> None:
    db.execute(_SERVED, (queue, owner))
