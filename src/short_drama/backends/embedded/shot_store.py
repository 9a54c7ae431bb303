"""Shots, by what the table of labels has of their tasks; and a row for what was picked of each."""

import heapq
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from short_drama.backends.cursor import read_places, write_places
from short_drama.backends.embedded.database import Database, Reads
from short_drama.backends.embedded.search_labels import OF_SHOT
from short_drama.backends.embedded.task_store import tasks_of
from short_drama.domain.picks import Picks, picks_of, record_of_picks
from short_drama.domain.shots import Shot, path, within
from short_drama.domain.task import Task
from short_drama.ports import ShotPage, StalePicks

_PLACES = """
WITH RECURSIVE shots (place) AS (
    SELECT min(value) FROM labels WHERE owner = :owner AND key = :key AND value > :after
        AND value < :last
    UNION ALL
    SELECT (SELECT min(value) FROM labels WHERE owner = :owner AND key = :key
            AND value > shots.place AND value < :last)
        FROM shots WHERE place IS NOT NULL
)
SELECT place FROM shots WHERE place IS NOT NULL LIMIT :limit
"""
"""A step in the table for each shot, not for each task."""
_PICKED = """
SELECT place FROM picks WHERE owner = :owner AND place > :after AND place < :last
ORDER BY place LIMIT :limit
"""
_TAKES = """
SELECT record FROM labels CROSS JOIN tasks USING (number)
WHERE labels.owner = ? AND labels.key = ? AND labels.value = ?
ORDER BY labels.created_at DESC, labels.number DESC LIMIT ?
"""
_ONE = "SELECT version, record FROM picks WHERE owner = ? AND place = ?"
_ADD = """
INSERT OR IGNORE INTO picks (record, version, written_at, owner, place) VALUES (?, ?, ?, ?, ?)
"""
_REPLACE = """
UPDATE picks SET record = ?, version = ?, written_at = ?
WHERE owner = ? AND place = ? AND version = ?
"""


class EmbeddedShotStore:
    """Implements `ports.ShotStore`."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    async def list(
        self, owner: str, project: str, episode: str | None, *, cursor: str | None, limit: int
    ) -> ShotPage:
        first, last = within(path(project, episode))
        after = first if cursor is None else max(first, read_places(cursor, 1)[0])
        span = {"owner": owner, "after": after, "last": last, "limit": limit + 1}

        def look(db: sqlite3.Connection) -> list[str]:
            return list(itertools.islice(_places(db, span), limit + 1))

        places = await self._database.read(look, by=Reads.LISTS)
        more = write_places(places[limit - 1]) if len(places) > limit else None
        return ShotPage([Shot.at(place) for place in places[:limit]], more)

    async def takes(
        self, owner: str, shots: Sequence[Shot], *, most: int
    ) -> Mapping[Shot, Sequence[Task]]:
        def look(db: sqlite3.Connection) -> Mapping[Shot, Sequence[Task]]:
            return {
                shot: [
                    *tasks_of(
                        row[0] for row in db.execute(_TAKES, (owner, OF_SHOT, shot.place, most))
                    )
                ]
                for shot in shots
            }

        return await self._database.read(look, by=Reads.LISTS)

    async def picks(self, owner: str, shots: Sequence[Shot]) -> Mapping[Shot, Picks]:
        def look(db: sqlite3.Connection) -> Mapping[Shot, Picks]:
            return {shot: _read(db, owner, shot) for shot in shots}

        return await self._database.read(look)

    async def write(self, picks: Picks) -> Picks:
        stored = replace(picks, version=picks.version + 1)
        record = json.dumps(record_of_picks(stored), ensure_ascii=False)
        row = (record, stored.version, self._clock(), picks.owner, picks.shot.place)

        def put(db: sqlite3.Connection) -> int:
            if picks.version:
                return db.execute(_REPLACE, (*row, picks.version)).rowcount
            return db.execute(_ADD, row).rowcount

        if not await self._database.write(put):
            raise StalePicks(picks.shot.place)
        return stored


def _places(db: sqlite3.Connection, span: Mapping[str, object]) -> Iterator[str]:
    """In order, each once."""
    streams = (db.execute(_PLACES, {**span, "key": OF_SHOT}), db.execute(_PICKED, span))
    merged = heapq.merge(*([row[0] for row in rows] for rows in streams))
    return (place for place, _ in itertools.groupby(merged))


def _read(db: sqlite3.Connection, owner: str, shot: Shot) -> Picks:
    row = db.execute(_ONE, (owner, shot.place)).fetchone()
    if row is None:
        return Picks(owner=owner, shot=shot)
    return picks_of(json.loads(row[1]), owner=owner, shot=shot, version=row[0])
