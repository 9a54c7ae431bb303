"""Characters over HTTP: made, agreed to, used, revoked and deleted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from short_drama.cli.main import cli
from short_drama.domain.kinds import Lane
from short_drama.sdk.client import AsyncClient
from short_drama.sdk.errors import ApiError
from short_drama.sdk.models import TaskView
from tests.noop_engine import NOOP
from tests.patience import SOON
from tests.samples import png
from tests.stack import RunningStack, running_stack

FULL, SWAP = "full-face-swap", "face-swap"
LABELS = {"project": "Nightfall"}
CONSENT: dict[str, Any] = {
    "subject": "Lin Wei",
    "recorded_by": "casting",
    "scope": {"projects": ["Nightfall"], "kinds": [FULL]},
    "evidence_sha256": "ab" * 32,
}

GIVEN = {"granted_by": "Lin Wei", "recorded_by": "casting"}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[RunningStack]:
    async with running_stack(tmp_path, NOOP, consent_required=True) as opened:
        yield opened


@pytest.fixture
async def client(stack: RunningStack) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as opened:
        yield opened


async def made(client: AsyncClient, name: str = "lin", **more: Any) -> None:
    colour = (10 * len(name), 80, 90)
    faces = [png(colour=colour), png(colour=(90, 80, 70))]
    await client.characters.create(name, faces, **{"consent": CONSENT, **more})


async def swapped(client: AsyncClient, face: str = "character:lin", **options: Any) -> TaskView:
    body = {"source_image_url": png(), "target_face_url": face}
    accepted = await client.submit(FULL, body, **{"labels": LABELS, **options})
    task = await client.wait(accepted.task_id, timeout=SOON)
    assert task.status == "completed", task.error
    return task


async def refusal(call: Any) -> tuple[int, str, str | None]:
    with pytest.raises(ApiError) as caught:
        await call
    problem = caught.value.problem
    return problem.status, problem.code, problem.field


async def test_a_character_is_kept_as_it_was_made(client: AsyncClient, stack: RunningStack) -> None:
    await made(client, title="林薇", portraits={"seedance": "asset-20260401"})
    lin = await client.characters.get("lin")
    assert (lin.title, len(lin.faces), lin.portraits) == ("林薇", 2, {"seedance": "asset-20260401"})
    assert lin.consent is not None
    assert lin.consent.model_dump(by_alias=True).items() >= CONSENT.items()
    assert lin.consent_problem is None
    assert [one.name for one in await client.characters.list()] == ["lin"]
    again = client.characters.create("lin", [png()])
    assert await refusal(again) == (409, "character_conflict", "name")
    assert (await refusal(client.characters.get("zhou")))[:2] == (404, "character_not_found")
    async with stack.http.get(stack.gpu + lin.faces[1].url) as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert answer.headers["Cache-Control"] == "private, no-store"
    async with stack.http.get(stack.gpu + lin.faces[1].url.replace("/2", "/3")) as answer:
        assert answer.status == 404


async def test_what_is_changed_replaces_what_there_was(client: AsyncClient) -> None:
    await made(client)
    before = await client.characters.get("lin")
    after = await client.characters.change("lin", title="Lin", faces=[2, png(colour=(1, 2, 3))])
    assert after.faces[0].sha256 == before.faces[1].sha256
    assert (after.title, len(after.faces)) == ("Lin", 2)
    assert after.consents == before.consents
    beyond = client.characters.change("lin", faces=[3])
    assert await refusal(beyond) == (422, "invalid_request", "faces.0")


async def test_a_face_comes_in_by_its_characters_name(client: AsyncClient) -> None:
    await made(client)
    lin = await client.characters.get("lin")
    assert lin.consent is not None
    task = await swapped(client, "character:lin/2")
    assert task.characters == {"lin": lin.consent.consent_id}
    assert task.sources["target_face_url"] == "character:lin/2"
    assert lin.faces[1].sha256 in task.request["target_face_url"]
    assert task.provenance is not None
    assert task.provenance["characters"] == task.characters
    assert [one.task_id async for one in client.characters.tasks("lin")] == [task.task_id]


UNCOVERED: list[tuple[dict[str, Any] | None, str]] = [
    ({"scope": {"projects": ["Nightfall"], "kinds": [SWAP]}}, "target_face_url"),
    ({"scope": {"projects": ["Dawn"]}}, "labels.project"),
    ({"from": 4e9}, "target_face_url"),
    ({"until": 5.0}, "target_face_url"),
    (None, "target_face_url"),
]


async def test_without_a_consent_that_covers_it_nothing_is_made(client: AsyncClient) -> None:
    for number, (changes, field) in enumerate(UNCOVERED):
        name = f"lin-{number}"
        await made(client, name, consent=None if changes is None else {**CONSENT, **changes})
        body = {"source_image_url": png(), "target_face_url": f"character:{name}"}
        with pytest.raises(ApiError) as caught:
            await client.submit(FULL, body, labels=LABELS)
        problem = caught.value.problem
        assert (problem.status, problem.code, problem.field) == (403, "consent_missing", field)
        assert "consent" in (problem.fix or "")
        assert [one async for one in client.characters.tasks(name)] == []


NO_FACES = {
    "character:zhou": (422, "character_not_found"),
    "character:lin/3": (422, "invalid_request"),
    "character:Lin": (422, "invalid_request"),
    "asset://asset-20260401": (422, "invalid_request"),
    "asset:faces/local/lin/x.png": (403, "consent_missing"),
}


async def test_a_reference_that_is_no_face_is_told_plainly(client: AsyncClient) -> None:
    await made(client)
    for face, expected in NO_FACES.items():
        body = {"source_image_url": png(), "target_face_url": face}
        submitted = client.submit(FULL, body, labels=LABELS, consent=GIVEN)
        assert await refusal(submitted) == (*expected, "target_face_url"), face


async def test_a_face_without_a_character_needs_a_consent_of_its_own(client: AsyncClient) -> None:
    await made(client)
    url = (await client.upload(png())).image_url
    body: dict[str, Any] = {"source_image_url": url, "target_face_url": url}
    assert await refusal(client.submit(FULL, body)) == (422, "invalid_request", "consent")
    cast = {"source_image_url": url, "cast": {"0": "lin", "1": url}}
    assert await refusal(client.submit(FULL, cast, labels=LABELS)) == (
        422, "invalid_request", "consent",
    )  # fmt: skip
    await swapped(client, url, consent=GIVEN)


async def test_a_revoked_consent_stops_what_waits_and_what_comes(tmp_path: Path) -> None:
    engines = {Lane.GPU: NOOP[Lane.GPU], Lane.CPU: lambda *_: {}}
    async with (
        running_stack(tmp_path, engines) as stack,
        AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client,
    ):
        await made(client)
        body = {"source_image_url": png(), "target_face_url": "character:lin"}
        waiting = await client.submit(FULL, body, labels=LABELS)
        told = await client.characters.revoke("lin")
        assert told.stopped == [waiting.task_id]
        assert told.character.consent is not None
        assert told.character.consent.revoked_at is not None
        task = await client.get(waiting.task_id)
        assert task.error is not None
        assert (task.status, task.error.code) == ("failed", "consent_missing")
        assert (await refusal(client.submit(FULL, body, labels=LABELS)))[:2] == (
            403, "consent_missing",
        )  # fmt: skip
        assert (await refusal(client.retry(waiting.task_id)))[:2] == (403, "consent_missing")
        await client.characters.record_consent("lin", CONSENT)
        assert (await client.retry(waiting.task_id)).status == "pending"


async def test_what_was_made_is_deleted_and_told(client: AsyncClient, stack: RunningStack) -> None:
    await made(client)
    task = await swapped(client)
    assert await refusal(client.characters.purge("lin")) == (409, "character_conflict", None)
    assert await refusal(client.characters.delete("lin")) == (409, "character_conflict", None)
    await client.characters.revoke("lin")
    purged = await client.characters.purge("lin")
    assert purged.left == []
    keys = {one["key"] for one in purged.deleted}
    assert len(keys) == 5  # two pictures of the person, the uploads they came from, the result
    assert {one["task_id"] for one in purged.deleted if "task_id" in one} == {task.task_id}
    assert all(len(one["sha256"]) == 64 for one in purged.deleted)
    files = stack.settings.data_dir / "assets/files"
    assert not [key for key in keys if (files / key).exists()]

    after = await client.get(task.task_id)
    assert (after.status, after.result_url) == ("completed", None)
    assert after.purged is not None
    assert [one["key"] for one in after.purged["deleted"]] == [task.provenance["result_key"]]  # type: ignore[index]
    lin = await client.characters.get("lin")
    assert (lin.faces, len(lin.purges)) == ([], 1)
    assert (await client.characters.purge("lin")).deleted == []  # safe to repeat
    await client.characters.delete("lin")
    assert await client.characters.list() == []


async def test_a_file_that_a_killed_purge_left_is_deleted_by_the_next(
    client: AsyncClient, stack: RunningStack
) -> None:
    await made(client)
    task = await swapped(client)
    await client.characters.revoke("lin")
    assert task.provenance is not None
    result = stack.settings.data_dir / "assets/files" / task.provenance["result_key"]
    data = result.read_bytes()
    await client.characters.purge("lin")
    result.write_bytes(data)
    assert (await client.characters.purge("lin")).deleted == []
    assert not result.exists()
    assert (await client.get(task.task_id)).purged == (await client.get(task.task_id)).purged


async def test_two_at_once_lose_nothing(client: AsyncClient) -> None:
    await made(client)
    given = [{**CONSENT, "subject": f"number {number}"} for number in range(6)]
    await asyncio.gather(*(client.characters.record_consent("lin", one) for one in given))
    lin = await client.characters.get("lin")
    assert {one.subject for one in lin.consents} >= {one["subject"] for one in given}
    assert lin.consent == lin.consents[-1]


async def test_the_command_keeps_characters(stack: RunningStack, tmp_path: Path) -> None:
    picture = tmp_path / "lin.png"
    picture.write_bytes(png())
    where = ("--url", stack.gpu, "--cpu-url", stack.cpu)

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, [*words, *where])
        assert done.exit_code == code, (words, done.output, done.exception)
        return done.output

    def play() -> None:
        face = ("--face", str(picture))
        made = run("characters", "create", "lin", *face, "--title", "林薇")
        assert "nobody has recorded a consent for lin" in made
        said = ("--subject", "Lin Wei", "--recorded-by", "casting", "--project", "Nightfall")
        assert "may be used" in run("characters", "consent", "lin", *said, "--until", "2999-01-01")
        assert "林薇" in run("characters", "ls")
        still = ("--image", str(picture), "--face", "character:lin")
        run("submit", FULL, *still, "--label", "project=Nightfall", "--wait")
        assert '"until":32472144000.0' in run("characters", "show", "lin", "--json")
        assert "0 tasks are stopped" in run("characters", "revoke", "lin")
        assert FULL in run("characters", "tasks", "lin")
        deleted = run("characters", "purge", "lin", "--yes")
        assert "images/face_swap/" in deleted
        assert "faces/local/lin/" in deleted
        assert "lin is deleted" in run("characters", "rm", "lin")
        assert "No characters" in run("characters", "ls")

    await asyncio.to_thread(play)
