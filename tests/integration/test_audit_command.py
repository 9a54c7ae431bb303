"""`short-drama audit`, and what operators' commands leave in it, on every backend."""

import getpass
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from short_drama.backends.embedded.audit_log import EmbeddedAuditLog
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.retention import Keeper
from short_drama.domain.api_keys import Given
from short_drama.domain.audit import AuditFilter, AuditLine
from short_drama.domain.lifetimes import Lifetimes
from tests.integration.operator_stage import Stage, dead, stage

__all__ = ["stage"]


async def test_operators_leave_lines_of_what_they_begin_and_do(stage: Stage) -> None:
    made = await stage.shell.run("keys", "create", "--owner", "lin", "--json")
    key = Given.of(made.lines[0]["key"])
    assert key is not None
    await stage.shell.run("keys", "revoke", key.key_id)
    assert (await stage.shell.run("keys", "revoke", "aaaaaaaa")).code == 2
    await stage.letter("t1", dead)
    assert (await stage.shell.run("dlq", "redrive", "t1", "--lane", "gpu")).code == 0
    listed = await stage.shell.run("audit", "ls", "--json")
    found = [(one["action"], one.get("target", ""), one["outcome"]) for one in listed.lines[::-1]]
    assert found == [
        ("key.create", key.key_id, "begun"),
        ("key.create", key.key_id, "done"),
        ("key.revoke", key.key_id, "begun"),
        ("key.revoke", key.key_id, "done"),
        ("key.revoke", "aaaaaaaa", "begun"),
        ("key.revoke", "aaaaaaaa", "refused"),
        ("letter.redrive", "", "begun"),
        ("letter.redrive", "t1", "done"),
        ("letter.redrive", "", "done"),
    ]
    for one in listed.lines:
        assert one["origin"].startswith(f"cli:{getpass.getuser()}@")
        assert key.secret not in json.dumps(one)
    exported = await stage.shell.run("audit", "export", "-", "--target", key.key_id)
    assert [json.loads(line)["outcome"] for line in exported.out.splitlines()] == [
        "begun", "done", "begun", "done"
    ]  # fmt: skip
    verified = await stage.shell.run("audit", "verify", "--json")
    assert (verified.code, verified.lines[0]["faults"]) == (0, [])


async def test_a_changed_file_is_found(stage: Stage, tmp_path: Path) -> None:
    """Where lines are in order; on AWS only the roles keep them."""
    if stage.settings.backend == "aws":
        return
    for number in range(3):
        line = AuditLine(at=1e9 + number, action="key.revoke", origin="cli:lin@studio")
        await stage.backend.audit.append(line)
    [sound] = (await stage.shell.run("audit", "verify", "--json")).lines
    table = await stage.shell.run("audit", "ls")
    assert table.out.count("key.revoke") == 3
    out = tmp_path / "audit.jsonl"
    assert (await stage.shell.run("audit", "export", str(out))).code == 0
    assert (len(out.read_text().splitlines()), out.stat().st_mode & 0o777) == (3, 0o600)
    assert (await stage.shell.run("audit", "export", str(out))).code == 2
    with closing(sqlite3.connect(stage.settings.data_dir / "tasks.db")) as other, other:
        other.execute("DROP TRIGGER line_deleted")
        other.execute("DELETE FROM audit WHERE number = 3")
    cut = await stage.shell.run("audit", "verify")
    assert cut.code == 0  # the end alone does not show to whoever noted nothing
    cut = await stage.shell.run("audit", "verify", "--known", sound["head"])
    assert (cut.code, "cut off" in cut.out) == (1, True)
    assert (await stage.shell.run("audit", "verify", "--known", "3")).code == 2


async def test_lines_go_oldest_first_when_their_time_has_come(tmp_path: Path) -> None:
    usual = {"tasks": 1, "uploads": 1}
    async with Database(tmp_path / "tasks.db") as database:
        for days in (1, 1, 0, 1):  # 0 is for ever
            audit = EmbeddedAuditLog(database, lifetimes=Lifetimes(**usual, audit=days))
            await audit.append(AuditLine(at=1e9, action="key.revoke", origin="cli:lin@studio"))
        keeper = Keeper(database, tmp_path, Lifetimes(**usual))
        assert (await keeper.look()).parts["audit"].number == 4
        await keeper.tidy()
        left = await audit.list(AuditFilter(), cursor=None, limit=9)
        assert [entry.number for entry in left.entries] == [4, 3]
