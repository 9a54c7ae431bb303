"""The tables of the SQLite file, as each version made them of those of the version before."""

from typing import Final

_SCHEMA = """
CREATE TABLE tasks (
    task_id    TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    status     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    lane       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    created_at REAL NOT NULL,
    ended_at   REAL,
    run_seconds REAL,
    due_at     REAL,
    labels     TEXT NOT NULL,
    record     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tasks_newest ON tasks (created_at, task_id);
CREATE INDEX tasks_by_status ON tasks (lane, status, created_at);
CREATE INDEX tasks_due ON tasks (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_finished ON tasks (kind, ended_at) WHERE run_seconds IS NOT NULL;
CREATE TABLE messages (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    queue      TEXT NOT NULL,
    body       TEXT NOT NULL,
    sent_at    REAL NOT NULL,
    visible_at REAL NOT NULL,
    receives   INTEGER NOT NULL DEFAULT 0,
    receipt    TEXT
);
CREATE INDEX messages_visible ON messages (queue, visible_at);
CREATE INDEX messages_receipt ON messages (receipt) WHERE receipt IS NOT NULL;
PRAGMA user_version = 1;
"""
_SPENDING = """
CREATE TABLE spending (
    account TEXT PRIMARY KEY,
    micros  INTEGER NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = 2;
"""
_NOTICES = """
CREATE TABLE kind_notices (
    kind    TEXT NOT NULL,
    speaker TEXT NOT NULL,
    until   REAL NOT NULL,
    reason  TEXT,
    fix     TEXT,
    PRIMARY KEY (kind, speaker)
) WITHOUT ROWID;
PRAGMA user_version = 3;
"""
_PAGES = """
CREATE TABLE spend_pages (
    task_id    TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    is_open    INTEGER NOT NULL,
    written_at REAL NOT NULL,
    record     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX spend_pages_open ON spend_pages (written_at, task_id) WHERE is_open;
CREATE INDEX spend_pages_written ON spend_pages (written_at, task_id);
INSERT INTO spending (account, micros)
    SELECT 'month/' || substr(account, 5, 7), sum(micros) FROM spending
    WHERE account LIKE 'day/%' GROUP BY 1;
PRAGMA user_version = 4;
"""
_LANES = """
DROP TABLE kind_notices;
CREATE TABLE lane_notices (
    lane    TEXT NOT NULL,
    speaker TEXT NOT NULL,
    until   REAL NOT NULL,
    notice  TEXT NOT NULL,
    PRIMARY KEY (lane, speaker)
) WITHOUT ROWID;
PRAGMA user_version = 5;
"""
_INDEXED = """
DROP INDEX tasks_by_status;
DROP INDEX tasks_due;
DROP INDEX tasks_finished;
ALTER TABLE tasks RENAME TO tasks_of_5;
CREATE TABLE tasks (
    number     INTEGER PRIMARY KEY,
    task_id    TEXT NOT NULL UNIQUE,
    version    INTEGER NOT NULL,
    status     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    lane       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    created_at REAL NOT NULL,
    ended_at   REAL,
    run_seconds REAL,
    due_at     REAL,
    labels     TEXT NOT NULL,
    record     TEXT NOT NULL
);
CREATE INDEX tasks_listed ON tasks (owner, lane, status, created_at);
CREATE INDEX tasks_by_kind ON tasks (owner, kind, status, created_at);
CREATE INDEX tasks_open ON tasks (lane, status, created_at)
    WHERE status = 'pending' OR status = 'processing';
CREATE INDEX tasks_due ON tasks (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_finished ON tasks (kind, ended_at) WHERE run_seconds IS NOT NULL;
CREATE INDEX tasks_ended ON tasks (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE labels (
    owner      TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    created_at REAL NOT NULL,
    number     INTEGER NOT NULL,
    PRIMARY KEY (owner, key, value, created_at, number)
) WITHOUT ROWID;
CREATE TRIGGER task_made AFTER INSERT ON tasks BEGIN
    INSERT INTO labels SELECT new.owner, key, value, new.created_at, new.number
        FROM json_each(new.labels); END;
CREATE TRIGGER task_gone AFTER DELETE ON tasks BEGIN
    DELETE FROM labels
        WHERE (key, value) IN (SELECT key, value FROM json_each(old.labels))
        AND owner = old.owner AND created_at = old.created_at AND number = old.number; END;
CREATE TRIGGER task_relabelled AFTER UPDATE OF labels, owner, created_at ON tasks
    WHEN (old.labels, old.owner, old.created_at) IS NOT (new.labels, new.owner, new.created_at)
    BEGIN
    DELETE FROM labels
        WHERE (key, value) IN (SELECT key, value FROM json_each(old.labels))
        AND owner = old.owner AND created_at = old.created_at AND number = old.number;
    INSERT INTO labels SELECT new.owner, key, value, new.created_at, new.number
        FROM json_each(new.labels); END;
PRAGMA user_version = 6;
"""
"""Triggers keep the labels, whoever writes the tasks: also a process of version 5 that still runs,
which names all its columns. `tasks_of_5` holds what has not been moved yet."""
_KEYS = """
CREATE TABLE IF NOT EXISTS api_keys (
    key_id     TEXT PRIMARY KEY,
    created_at REAL NOT NULL,
    record     TEXT NOT NULL,
    revoked_at REAL,
    used_at    REAL
) WITHOUT ROWID;
PRAGMA user_version = 7;
"""
"""The table is there already in a file that a process of version 5 has set back."""
_FAIR = """
ALTER TABLE messages ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN is_held INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_of_owner ON messages (queue, owner, visible_at);
CREATE INDEX messages_held ON messages (queue, owner, visible_at) WHERE is_held;
CREATE TABLE served (
    number INTEGER PRIMARY KEY,
    queue  TEXT NOT NULL,
    owner  TEXT NOT NULL,
    UNIQUE (queue, owner)
);
PRAGMA user_version = 8;
"""
"""What a process of an earlier version sends is nobody's, and has its turn like an owner's."""
_WEBHOOKS = """
CREATE TABLE IF NOT EXISTS webhooks (
    owner   TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    record  TEXT NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = 9;
"""
_CHARACTERS = """
CREATE TABLE IF NOT EXISTS characters (
    owner   TEXT NOT NULL,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS character_uses (
    owner   TEXT NOT NULL,
    name    TEXT NOT NULL,
    task_id TEXT NOT NULL,
    PRIMARY KEY (owner, name, task_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS character_uses_by_task ON character_uses (task_id);
CREATE TRIGGER IF NOT EXISTS task_uncast AFTER DELETE ON tasks BEGIN
    DELETE FROM character_uses WHERE task_id = old.task_id; END;
PRAGMA user_version = 10;
"""
_AUDIT = """
CREATE TABLE IF NOT EXISTS audit (
    number INTEGER PRIMARY KEY,
    until  INTEGER,
    before TEXT NOT NULL,
    digest TEXT NOT NULL,
    line   TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS line_replaced BEFORE INSERT ON audit
    WHEN EXISTS (SELECT 1 FROM audit WHERE number = new.number)
    BEGIN SELECT RAISE(ABORT, 'a line of the audit is never replaced'); END;
CREATE TRIGGER IF NOT EXISTS line_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'a line of the audit is never changed'); END;
CREATE TRIGGER IF NOT EXISTS line_deleted BEFORE DELETE ON audit
    WHEN old.until IS NULL OR old.until >= CAST(strftime('%s', 'now') AS INTEGER)
    BEGIN SELECT RAISE(ABORT, 'a line of the audit is not deleted before its time'); END;
PRAGMA user_version = 11;
"""
"""SQLite deletes what INSERT OR REPLACE replaces without asking the trigger for deletions, unless
recursive triggers are on (SQLite, CREATE TRIGGER and ON CONFLICT)."""
_SHOTS = """
CREATE TABLE IF NOT EXISTS picks (
    owner      TEXT NOT NULL,
    place      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    written_at REAL NOT NULL,
    record     TEXT NOT NULL,
    PRIMARY KEY (owner, place)
) WITHOUT ROWID;
CREATE TABLE unsearched (number INTEGER PRIMARY KEY);
INSERT INTO unsearched SELECT DISTINCT number FROM labels WHERE key IN ('project', 'shot');
PRAGMA user_version = 12;
"""
"""`unsearched` holds tasks of earlier versions that are not yet found by what shots are found by.
`place` is a shot's."""
VERSIONS: Final = (
    _SCHEMA, _SPENDING, _NOTICES, _PAGES, _LANES, _INDEXED, _KEYS, _FAIR, _WEBHOOKS, _CHARACTERS,
    _AUDIT, _SHOTS,
)  # fmt: skip
"""Each makes of a file of the version before one of its own."""
VERSION: Final = len(VERSIONS)
