"""Who did what: every route that changes something, and what was not let do it."""

import asyncio
import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from short_drama.backends.embedded.audit_log import EmbeddedAuditLog
from short_drama.backends.embedded.database import Database
from short_drama.domain.api_keys import Given, make
from short_drama.domain.audit import AuditFilter, AuditLine, verified
from short_drama.domain.errors import Unavailable
from short_drama.domain.lifetimes import Lifetimes
from short_drama.domain.principal import Scope
from short_drama.web.door import ROUTES
from short_drama.web.trail import ACTIONS, Refusals
from short_drama.wiring.components import Component
from short_drama.wiring.stack import Stack, open_stack
from tests.noop_engine import NOOP
from tests.samples import png
from tests.stack import stack_settings
from tests.unit.web.asgi import Answer, answered

ADDRESSES = {component: f"http://127.0.0.1:{9000 + n}" for n, component in enumerate(Component)}
PROMPT = "make her smile"


class Site:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.app = stack.apps[Component.ORCHESTRATOR]

    async def key(self, scopes: Iterable[Scope] = Scope, owner: str = "lin") -> Given:
        key, given = make(owner=owner, scopes=scopes, now=time.time())
        await self.stack.backend.keys.add(key)
        return given

    async def ask(
        self, method: str, path: str, key: Given | str | None, body: bytes = b"", **more: str
    ) -> Answer:
        more.setdefault("Content_Type", "application/json")
        headers = [("Host", "localhost")]
        headers += [(name.replace("_", "-"), value) for name, value in more.items()]
        if key is not None:
            headers.append(("Authorization", f"Bearer {key}"))
        return await answered(self.app, path, method=method, headers=headers, body=body)

    async def send_picture(self, key: Given) -> Answer:
        return await self.ask("POST", "/api/v1/assets", key, png(), Content_Type="image/png")

    async def upload(self, key: Given) -> str:
        answer = await self.send_picture(key)
        assert answer.status == 201, answer.json
        return str(answer.json["key"])

    async def submit(self, key: Given, image: str, **more: str) -> Answer:
        request = {"image_url": f"asset:{image}", "prompt": PROMPT}
        body = json.dumps(request).encode()
        return await self.ask("POST", "/api/v1/qwen-image-edit/tasks", key, body, **more)

    async def lines(self, **where: Any) -> list[AuditLine]:
        """Oldest first."""
        page = await self.stack.backend.audit.list(AuditFilter(**where), cursor=None, limit=200)
        return [entry.line for entry in page.entries][::-1]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    settings = stack_settings(tmp_path, require_keys=True)
    async with open_stack(settings, ADDRESSES, engines=NOOP) as stack:
        yield Site(stack)


def told(lines: Iterable[AuditLine]) -> list[tuple[str, str, str]]:
    return [(line.action, line.target, line.outcome) for line in lines]


async def test_each_change_has_one_line_that_says_who_what_and_from_where(site: Site) -> None:
    key = await site.key()
    image = await site.upload(key)
    task = (await site.submit(key, image)).json["task_id"]
    assert (await site.ask("POST", f"/api/v1/tasks/{task}/cancel", key)).status == 200
    again = (await site.ask("POST", f"/api/v1/tasks/{task}/retry", key)).json["task_id"]
    lines = await site.lines()
    assert told(lines) == [
        ("asset.upload", image, "done"),
        ("task.submit", task, "done"),
        ("task.cancel", task, "done"),
        ("task.retry", again, "done"),
    ]
    for line in lines:
        assert (line.owner, line.key_id, line.origin) == ("lin", key.key_id, "127.0.0.1")
        assert time.time() - 60 < line.at <= time.time()
    assert [line.about for line in lines[1:3]] == ["qwen-image-edit"] * 2
    assert task in lines[3].about


async def test_a_repeated_submit_does_nothing_and_has_no_line(site: Site) -> None:
    key = await site.key()
    image = await site.upload(key)
    first, second = [await site.submit(key, image, Idempotency_Key="k1") for _ in range(2)]
    assert first.json["task_id"] == second.json["task_id"]
    assert len(await site.lines(action="task.submit")) == 1


async def test_what_is_refused_has_a_line_too(site: Site) -> None:
    reader, key = await site.key([Scope.TASKS_READ]), await site.key()
    assert (await site.ask("GET", "/api/v1/tasks", None)).status == 401
    assert (await site.ask("POST", "/api/v1/assets", reader)).status == 403
    assert (await site.ask("POST", "/api/v1/tasks/t9/cancel", key)).status == 404
    assert (await site.ask("GET", "/api/v1/tasks/t9", key)).status == 404
    found = [(line.action, line.target, line.outcome, line.key_id) for line in await site.lines()]
    assert found == [
        ("GET /api/v1/tasks", "", "401", None),
        ("asset.upload", "", "403", reader.key_id),
        ("task.cancel", "t9", "404", key.key_id),
    ]


async def test_what_only_reads_has_none(site: Site) -> None:
    key = await site.key()
    for path in ("/api/v1/tasks", "/health", "/api/v1/kinds"):
        assert (await site.ask("GET", path, key)).status == 200
    task = (await site.submit(key, await site.upload(key))).json["task_id"]
    body = json.dumps({"task_id": task}).encode()
    assert (await site.ask("POST", "/api/v1/tickets", key, body)).status == 201
    assert "POST" not in " ".join(line.action for line in await site.lines())


async def test_no_prompt_and_no_key_is_in_any_line(site: Site) -> None:
    key = await site.key()
    await site.submit(key, await site.upload(key))
    for path in (f"/api/v1/tasks/{key}/cancel", "/api/v1/tasks/make%20her%20smile/cancel"):
        assert (await site.ask("POST", path, key)).status == 404
    everything = [entry.text async for entry in site.stack.backend.audit.every()]
    assert len(everything) == 4
    assert not any(key.secret in text or "smile" in text for text in everything)


async def test_a_flood_of_refusals_is_counted_and_not_written(site: Site) -> None:
    for _ in range(200):
        assert (await site.ask("POST", "/api/v1/assets", "sd_wrong")).status == 401
    assert len(await site.lines()) == 10


def test_refusals_are_few_a_day_however_many_clients_there_are() -> None:
    refusals, written = Refusals(), 0
    for number in range(86_400):
        left_out = refusals.left_out_before(f"198.51.{number % 200}.{number % 7}", float(number))
        written += left_out is not None
    assert 1_000 < written <= 1_540
    assert len(refusals._clients) <= 1024


def test_the_next_line_says_how_many_had_none() -> None:
    refusals = Refusals()
    assert [refusals.left_out_before("a", 0.0) for _ in range(12)] == [0] * 10 + [None] * 2
    assert refusals.left_out_before("a", 601.0) == 2
    assert refusals.left_out_before("b", 601.0) == 0


async def test_without_its_line_nothing_is_done(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task and its line are one write; an upload is not answered."""
    key = await site.key()
    image = await site.upload(key)
    database = "short_drama.backends.embedded"

    def full(*_: object) -> None:
        raise Unavailable("the audit cannot be written")

    monkeypatch.setattr(f"{database}.task_store.write_line", full)
    monkeypatch.setattr(f"{database}.audit_log.write_line", full)
    assert (await site.submit(key, image)).status == 503
    assert (await site.ask("GET", "/api/v1/tasks", key)).json["tasks"] == []
    answer = await site.send_picture(key)
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert (await site.ask("GET", "/api/v1/tasks", "sd_wrong")).status == 401


def test_every_address_that_is_named_is_the_doors() -> None:
    assert set(ACTIONS) <= set(ROUTES)


async def test_administrators_read_it_page_by_page(site: Site) -> None:
    key = await site.key()
    image = await site.upload(key)
    tasks = [(await site.submit(key, image)).json["task_id"] for _ in range(3)]
    where = "action=task.submit&limit=2"
    first = (await site.ask("GET", f"/api/v1/audit?{where}", key)).json
    assert [line["target"] for line in first["lines"]] == tasks[:0:-1]
    assert first["lines"][0]["digest"]
    more = f"{where}&cursor={first['next_cursor']}"
    second = (await site.ask("GET", f"/api/v1/audit?{more}", key)).json
    assert [line["target"] for line in second["lines"]] == tasks[:1]
    assert second["next_cursor"] is None or not second["lines"][1:]
    operator = await site.key([Scope.OPERATE])
    assert (await site.ask("GET", "/api/v1/audit", operator)).status == 403


# --- The file -----------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def written(path: Path, *, until: int | None = None) -> AsyncIterator[sqlite3.Connection]:
    """A file with three lines, for somebody with another program."""
    async with Database(path) as database:
        lifetimes = Lifetimes(tasks=1, uploads=1, audit=until or 0)
        audit = EmbeddedAuditLog(database, lifetimes=lifetimes)
        for number in range(3):
            await audit.append(AuditLine(at=1e9 + number, action="key.revoke", origin="cli:lin"))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            yield other


CHANGES = (
    "UPDATE audit SET line = '{}' WHERE number = 2",
    "UPDATE audit SET until = 1",
    "DELETE FROM audit WHERE number = 2",
    "DELETE FROM audit",
    "INSERT OR REPLACE INTO audit (number, before, digest, line) VALUES (2, '', '', '{}')",
    "REPLACE INTO audit (number, before, digest, line) VALUES (2, '', '', '{}')",
)


@pytest.mark.parametrize("change", CHANGES)
async def test_the_table_refuses_every_change_and_without_triggers_it_shows(
    change: str, tmp_path: Path
) -> None:
    async with written(tmp_path / "tasks.db") as other:
        with pytest.raises(sqlite3.IntegrityError, match="a line of the audit"):
            other.execute(change)
        for trigger in ("line_replaced", "line_changed", "line_deleted"):
            other.execute(f"DROP TRIGGER {trigger}")
        other.execute(change)
    async with Database(tmp_path / "tasks.db") as database:
        verdict = await verified(EmbeddedAuditLog(database).every(), known=f"3:{'0' * 64}")
        assert verdict.faults


KILLED = """
import asyncio, os, pathlib, signal, sys
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.audit import AuditLine
from tests.samples import a_task

async def main(root):
    async with Database(root / "tasks.db") as database, Wakeups(root) as wakeups:
        store = EmbeddedTaskStore(database, wakeups)
        for number in range(50):
            line = AuditLine(at=1e9, action="task.submit", origin="::1", target=f"t{number}")
            await store.create(a_task(f"t{number}"), line=line)
        print("answered", flush=True)
        writes = [store.create(a_task(f"x{n}"), line=line.on(f"x{n}")) for n in range(200)]
        asyncio.get_running_loop().call_later(0.005, os.kill, os.getpid(), signal.SIGKILL)
        await asyncio.gather(*writes)
        await asyncio.sleep(60)

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


async def test_a_kill_leaves_no_task_without_its_line_and_no_line_without_its_task(
    tmp_path: Path,
) -> None:
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"answered\n")
    async with Database(tmp_path / "tasks.db") as database:
        entries = [entry async for entry in EmbeddedAuditLog(database).every()]
        ids = database.look(lambda db: db.execute("SELECT task_id FROM tasks").fetchall())
        assert {entry.line.target for entry in entries} == {row["task_id"] for row in ids}
        assert len(entries) >= 50


async def test_a_line_goes_when_its_own_time_has_come_and_no_sooner(tmp_path: Path) -> None:
    async with written(tmp_path / "tasks.db", until=1) as other:
        assert other.execute("DELETE FROM audit WHERE number = 1").rowcount == 1
    async with written(tmp_path / "others.db", until=36_500) as other:
        with pytest.raises(sqlite3.IntegrityError, match="before its time"):
            other.execute("DELETE FROM audit WHERE number = 1")
