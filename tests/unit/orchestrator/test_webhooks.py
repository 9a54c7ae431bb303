"""What the courier does when endpoints, the store or the courier itself are not well."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from short_drama.domain.errors import TaskConflict, Unavailable, UrlRefused
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.domain.webhooks import HOLD_SECONDS, Answer, Endpoint, Endpoints, Event
from short_drama.images.guard import Guard
from short_drama.orchestrator.webhooks import courier as module
from short_drama.orchestrator.webhooks.courier import Courier
from short_drama.orchestrator.webhooks.registry import REMEMBERED_SECONDS, Registry
from short_drama.orchestrator.webhooks.sender import Sender, Signed
from tests.protocol.memory import MemoryStore, MemoryWebhooks
from tests.samples import NOW, a_task

MASTER = b"m" * 32


class Post(Sender):
    """Answers as it is told to, when it is told to."""

    def __init__(self, answer: Answer | None = None) -> None:
        super().__init__(Guard())
        self.answer, self.sent = answer or Answer(status=200), list[tuple[str, Signed]]()
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, url: str, message: Signed) -> tuple[Answer, bytes]:
        self.sent.append((url, message))
        await self.open.wait()
        return self.answer, b""


class Office:
    """Everything but the sweeper, at a time that stands still."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.now = NOW + 10
        self.store, self.webhooks = MemoryStore(self.clock), MemoryWebhooks()
        self.post = Post(answer)
        self.registry = Registry(self.webhooks, self.post, master=MASTER, clock=self.clock)
        self.courier = Courier(
            self.store, self.registry, self.post, clock=self.clock, chance=lambda: 0.5
        )

    def clock(self) -> float:
        return self.now

    async def register(self, *ids: str) -> None:
        made = tuple(
            Endpoint(
                endpoint_id=one,
                url=f"https://{one}.example/",
                events=tuple(Event),
                created_at=NOW,
                verified_at=NOW,
            )
            for one in ids
        )
        await self.webhooks.replace(Endpoints("local", made))

    async def ended(self, task_id: str = "t1", webhooks: Sequence[str] = ("wh1",)) -> Task:
        task = await self.store.create(a_task(task_id, webhooks=tuple(webhooks)))
        task = await self.store.replace(task.claim("alice", now=NOW, lease=60.0))
        return await self.store.replace(task.complete("alice", 1, now=NOW + 5, outcome=Outcome()))

    async def found(self, task_id: str = "t1") -> Task:
        task = await self.store.get(task_id)
        assert task is not None
        return task


async def test_a_try_is_written_down_before_it_is_made() -> None:
    office = Office()
    await office.register("wh1")
    office.post.open.clear()
    await office.courier.tell(await office.ended())
    (one,) = (await office.found()).notifications
    assert (one.tries, one.due_at, one.state) == (1, office.now + HOLD_SECONDS, "waiting")
    office.post.open.set()
    await office.courier.settled()
    assert (await office.found()).notifications[0].state == "delivered"


async def test_what_a_courier_leaves_is_due_again_under_the_same_id() -> None:
    office = Office()
    await office.register("wh1")
    office.post.open.clear()
    async with office.courier:
        await office.courier.tell(await office.ended())
        await asyncio.sleep(0)  # the try begins, and is cut off
    left = await office.found()
    assert left.notifications[0].state == "waiting"
    office.now += HOLD_SECONDS
    office.post.open.set()
    await office.courier.tell(left)
    await office.courier.settled()
    assert (await office.found()).notifications[0].tries == 2
    ids = [message.message_id for _, message in office.post.sent]
    assert len(set(ids)) == 1


async def test_of_two_couriers_one_tells() -> None:
    office = Office()
    await office.register("wh1")
    task = await office.ended()
    await office.courier.tell(task)
    with pytest.raises(TaskConflict):
        await office.courier.tell(task)
    await office.courier.settled()
    assert len(office.post.sent) == 1


async def test_an_endpoint_that_is_gone_from_the_list_is_told_nothing() -> None:
    office = Office()
    await office.courier.tell(await office.ended())
    await office.courier.settled()
    (one,) = (await office.found()).notifications
    assert (one.state, one.tries, office.post.sent) == ("given_up", 1, [])


async def test_a_slow_endpoint_does_not_take_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE_EACH", 2)
    office = Office()
    await office.register("slow", "quick")
    office.post.open.clear()
    for number in range(4):
        await office.courier.tell(await office.ended(f"t{number}", ["slow"]))
    await office.courier.tell(await office.ended("t9", ["quick"]))
    await asyncio.sleep(0)
    assert [url for url, _ in office.post.sent] == 2 * ["https://slow.example/"] + [
        "https://quick.example/"
    ]
    (put_off,) = (await office.found("t3")).notifications
    assert put_off.tries == 0
    assert put_off.due_at == pytest.approx(office.now + 7.5)
    office.post.open.set()
    await office.courier.settled()


async def test_a_store_that_does_not_answer_leaves_it_due(monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office()
    await office.register("wh1")
    office.post.open.clear()
    await office.courier.tell(await office.ended())
    await asyncio.sleep(0)

    async def refuse(task: Task) -> Task:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(office.store, "replace", refuse)
        office.post.open.set()
        await office.courier.settled()
    assert (await office.found()).due_at == office.now + HOLD_SECONDS


async def test_what_was_asked_for_anew_meanwhile_is_not_overwritten() -> None:
    office = Office(Answer(status=410))
    await office.register("wh1")
    office.post.open.clear()
    await office.courier.tell(await office.ended())
    await asyncio.sleep(0)
    again = module.replayed(await office.found(), "wh1", now=office.now)
    await office.store.replace(again)
    office.post.open.set()
    await office.courier.settled()
    assert (await office.found()).notifications == again.notifications


async def test_who_registers_is_known_within_seconds() -> None:
    office = Office()
    assert await office.registry.told("local") == ()
    await office.register("wh1")
    assert await office.registry.told("local") == ()
    office.now += REMEMBERED_SECONDS
    assert await office.registry.told("local") == ("wh1",)


async def test_while_the_store_is_away_what_was_known_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = Office()
    await office.register("wh1")
    assert await office.registry.told("local") == ("wh1",)
    office.now += REMEMBERED_SECONDS

    async def refuse(owner: str) -> Endpoints:
        raise Unavailable("away")

    async def never(owner: str) -> Endpoints:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(office.webhooks, "of", refuse)
    assert await office.registry.told("local") == ("wh1",)
    with pytest.raises(Unavailable):
        await office.registry.told("lin")
    monkeypatch.setattr(office.webhooks, "of", never)
    assert await office.registry.told("local") == ("wh1",)


async def test_an_owners_lists_that_change_at_once_are_both_kept() -> None:
    office = Office()
    wanted = [
        office.registry.make("local", f"https://{name}.example/", events=[], label="")
        for name in ("a", "b", "c")
    ]
    await asyncio.gather(*wanted)
    assert len(await office.registry.all("local")) == 3


def test_beyond_a_laptop_only_https_is_called() -> None:
    sender = Sender(Guard())
    assert sender.check("https://studio.example/hook") == "https://studio.example/hook"
    with pytest.raises(UrlRefused) as refused:
        sender.check("http://studio.example/hook")
    assert refused.value.field == "url"


async def test_a_name_that_leads_inside_is_not_called() -> None:
    async def inside(host: str, port: int) -> list[str]:
        return ["10.0.0.7"]

    async with Sender(Guard(), lookup=inside) as sender:
        signed = Signed("msg_1", {"type": "x"}, ["whsec_AAAA"])
        answer, text = await sender.send("https://studio.example/", signed)
    assert (answer.status, text) == (None, b"")
    assert answer.reason is not None
    assert "10.0.0.7" not in answer.reason


def test_a_verified_endpoint_keeps_its_place() -> None:
    made = [
        Endpoint(endpoint_id=one, url="https://a.example/", events=(), created_at=NOW)
        for one in ("a", "b")
    ]
    endpoints = Endpoints("lin", tuple(made)).with_changed(replace(made[0], label="x"))
    assert [one.endpoint_id for one in endpoints.all] == ["a", "b"]
