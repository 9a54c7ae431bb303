"""What adapters say of their lanes, as a row for each of them and each lane."""

import json
import sqlite3
from collections.abc import Sequence

from short_drama.backends.embedded.database import Database
from short_drama.backends.left_out import LEFT_OUT
from short_drama.domain import formats
from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import LaneNotice

_KEPT_SECONDS = 86_400.0
"""How long after its end a row of an adapter that is gone may stay."""
_SAY = """
INSERT INTO lane_notices (lane, speaker, until, notice) VALUES (?, ?, ?, ?)
ON CONFLICT (lane, speaker) DO UPDATE SET until = excluded.until, notice = excluded.notice
"""


class EmbeddedLaneNotices:
    """Implements `ports.LaneNotices`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def say(self, lane: Lane, notice: LaneNotice) -> None:
        row = (lane, notice.speaker, notice.until, json.dumps(notice.to_json()))

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM lane_notices WHERE until < ?", (notice.until - _KEPT_SECONDS,))
            db.execute(_SAY, row)

        await self._database.write(write)

    async def said(self, lane: Lane, *, since: float) -> Sequence[LaneNotice]:
        rows = self._database.look(
            lambda db: db.execute(
                "SELECT speaker, notice FROM lane_notices WHERE lane = ? AND until > ?",
                (lane, since),
            ).fetchall()
        )
        return list(LEFT_OUT.readable(formats.NOTICE, rows, _notice))


def _notice(row: sqlite3.Row) -> LaneNotice:
    return LaneNotice.from_json(row["speaker"], json.loads(row["notice"]))
