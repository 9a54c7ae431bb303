"""Where the queue cannot choose by owner, the adapter does: no more of one owner run than may."""

from short_drama.domain.task_state import TaskStatus
from short_drama.orchestrator import outbox
from tests.integration.adapter_line import WorkedLine


async def test_what_may_not_run_yet_waits_with_no_attempt_counted(line: WorkedLine) -> None:
    running = await line.task("a1", owner="a")
    await line.store.replace(running.claim("bob", now=running.created_at, lease=60))
    waiting = await line.task("a2", owner="a")
    await line.task("b1", owner="b")
    await line.consumer(deliveries=3, most_each=1, store=line.store)
    parked = await line.until(lambda task: task.parked, "a2")
    assert parked.status is TaskStatus.PENDING
    assert (parked.attempt, parked.attempts_left) == (0, waiting.attempts_left)
    assert parked.waits_for is not None
    assert parked.waits_for.code == "queue_full"
    assert parked.outbox_due is not None  # the sweeper sends another message
    await line.until(lambda task: task.attempt == 1, "b1")


async def test_it_goes_on_when_another_of_its_owner_has_ended(line: WorkedLine) -> None:
    running = await line.task("a1", owner="a")
    held = await line.store.replace(running.claim("bob", now=running.created_at, lease=60))
    await line.task("a2", owner="a")
    await line.consumer(deliveries=3, most_each=1, store=line.store)
    parked = await line.until(lambda task: task.parked, "a2")
    await line.store.replace(held.cancel(now=parked.updated_at))
    due = await line.store.replace(parked.sending(now=parked.updated_at))
    await outbox.send(due, now=parked.updated_at, queue=line.apart, store=line.store)
    claimed = await line.until(lambda task: task.attempt == 1, "a2")
    assert (claimed.parked, claimed.waits_for) == (False, None)
