"""From a valid request to a durable task: take the images in, write the record, send the message.

The order is the promise: what the task may cost is held before the record is written, and that is
before anything is answered. The record carries `outbox_due` until its message is on the queue, so a
crash in between is mended by the sweeper; what is held for a task that there is not, by settlement.
"""

import hashlib
import hmac
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel
from structlog.contextvars import bound_contextvars

from short_drama import metrics, tracing
from short_drama.consent_gate import ConsentGate
from short_drama.domain.audit import AuditLine
from short_drama.domain.casting import images_of, with_images
from short_drama.domain.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    TaskConflict,
    TaskNotFound,
    Unavailable,
)
from short_drama.domain.image_reference import OF_TASK
from short_drama.domain.kinds import Lane, TaskKind
from short_drama.domain.sizes import Size, check_asked
from short_drama.domain.task import OUTBOX_SECONDS, Task
from short_drama.domain.task_state import TaskStatus
from short_drama.images.sources import Held, ImageSources
from short_drama.images.written import Written
from short_drama.logs.steps import Step, end_of, ids_of
from short_drama.newest import advance
from short_drama.orchestrator import outbox
from short_drama.ports import TaskExists, TaskQueue, TaskStore
from short_drama.random_ids import random_uuid

log = logging.getLogger(__name__)

_in_order = json.JSONEncoder(sort_keys=True).encode

Hold = Callable[[Task], Awaitable[None]]
"""Holds what a task may cost. Repeated, it changes nothing."""
Available = Callable[[str, Lane, str], Awaitable[None]]
"""Judges a kind's name, of a lane, for an owner."""


class Submitter:
    """Accepts tasks for every lane whose queue it is given.

    Args:
        secret: makes task ids of idempotency keys unguessable; the same in every orchestrator.
        gate: that characters' faces go through.
        hold: raises BudgetExceeded for a task that would cost too much.
        available: raises KindNotAvailable for a task that would wait for a person, and QueueFull.
    """

    def __init__(
        self,
        store: TaskStore,
        queues: Mapping[Lane, TaskQueue],
        sources: ImageSources,
        *,
        secret: bytes,
        gate: ConsentGate,
        hold: Hold | None = None,
        available: Available | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._queues, self._sources = store, queues, sources
        self._secret, self._clock = secret, clock
        self._gate, self._hold, self._available = gate, hold, available

    async def submit(
        self,
        kind: TaskKind,
        body: BaseModel,
        *,
        owner: str,
        key: str | None,
        key_id: str | None = None,
        webhooks: Sequence[str] = (),
        line: AuditLine | None = None,
    ) -> Task:
        """The new task, or the one an earlier submit with the same key made.

        `key`: the idempotency key; `key_id`: of the API key that it came with; `webhooks`: ids of
        the endpoints that are told of its end; `line`: for the audit, of a new task.

        Raises IdempotencyKeyReused, InvalidRequest, CharacterNotFound, ConsentMissing,
        BudgetExceeded, KindNotAvailable, and what taking an image in raises.
        """
        given = body.model_dump(mode="json", exclude_none=True)
        fingerprint = _fingerprint(kind, body)
        task_id = self._task_id(owner, key)
        if key is not None and (earlier := await self._store.get(task_id)) is not None:
            if earlier.request_hash == _early_fingerprint(kind, body, earlier.request):
                return earlier
            return _replayed(earlier, fingerprint)
        self._gate.require_consent(kind, given)
        await self._check_available(kind.name, kind.lane, owner)
        made = partial(Task, task_id=task_id, owner=owner, key_id=key_id, webhooks=tuple(webhooks))
        task = await self._new_task(
            kind, given, partial(made, request_hash=fingerprint), owner=owner
        )
        return await self._store_and_send(task, line and line.on(task_id, kind.name))

    async def retry(
        self,
        task: Task,
        *,
        key: str | None = None,
        key_id: str | None = None,
        webhooks: Sequence[str] = (),
        line: AuditLine | None = None,
    ) -> Task:
        """A new task with the same request, labels and consent, or the one that an earlier retry of
        the task with the same key made.

        Raises IdempotencyKeyReused, TaskConflict while the task has not ended, ConsentMissing,
        BudgetExceeded, KindNotAvailable."""
        task_id, fingerprint = self._task_id(task.owner, key), _fingerprint_of_retry(task)
        if key is not None and (earlier := await self._store.get(task_id)) is not None:
            return _replayed(earlier, fingerprint)
        if not task.status.is_terminal:
            raise TaskConflict(
                f"the task is still {task.status}", fix="Wait for its end, or cancel it first."
            )
        await self._check_available(task.kind, task.lane, task.owner)
        admitted = await self._gate.admit(
            task.sources, owner=task.owner, kind=task.kind, labels=task.labels
        )
        for field, reference in images_of(task.request).items():
            await self._sources.renew(reference, field=field)
        again = replace(
            self._again(task),
            task_id=task_id,
            request_hash=fingerprint,
            key_id=key_id,
            webhooks=tuple(webhooks),
            characters=admitted.consents,
        )
        told = line and line.on(task_id, f"{task.kind}, as {task.task_id}")
        return await self._store_and_send(again, told)

    async def cancel(self, task: Task, *, line: AuditLine | None = None) -> Task:
        """Final at once; a worker that holds the task learns it and stops the engine.

        Raises TaskConflict when the task has ended."""
        line = line and line.on(task.task_id, task.kind)
        cancelled = await advance(
            self._store, task, lambda found: found.cancel(now=self._clock()), line=line
        )
        metrics.ended(cancelled)
        log.info(Step.CANCELLED, extra=ids_of(cancelled) | end_of(cancelled))
        return cancelled

    async def find(self, task_id: str) -> Task:
        """Anybody's. Raises TaskNotFound."""
        task = await self._store.get(task_id)
        if task is None:
            raise not_found(task_id)
        return task

    # --- Steps -----------------------------------------------------------------------------

    def _task_id(self, owner: str, key: str | None) -> str:
        if key is None:
            return str(random_uuid())
        digest = hmac.digest(self._secret, f"{owner}\0{key}".encode(), "sha256")
        return str(uuid.UUID(bytes=digest[:16], version=4))

    async def _check_available(self, kind: str, lane: Lane, owner: str) -> None:
        if self._available is not None:
            await self._available(kind, lane, owner)

    async def _new_task(
        self, kind: TaskKind, given: Mapping[str, Any], made: Callable[..., Task], *, owner: str
    ) -> Task:
        """`made`: with what the request itself does not tell."""
        request = {name: given[name] for name in kind.request.model_fields if name in given}
        images, labels = images_of(request), given.get("labels", {})
        admitted = await self._gate.admit(images, owner=owner, kind=kind.name, labels=labels)
        held = {
            field: await self._held(reference, admitted.faces.get(field), owner, field)
            for field, reference in images.items()
        }
        request = with_images(request, {field: one.reference for field, one in held.items()})
        sizes = {field: one.size for field, one in held.items()}
        _check_sizes(kind, request, sizes)
        now, deadline = self._clock(), given.get("deadline_seconds")
        return made(
            kind=kind.name,
            lane=kind.lane,
            request=request,
            created_at=now,
            updated_at=now,
            labels=labels,
            traceparent=tracing.current(),
            consent=given.get("consent"),
            characters=admitted.consents,
            sources={field: Written.of(image).address for field, image in images.items()},
            inputs={field: size.to_json() for field, size in sizes.items()},
            derived_from=_origins(held),
            deadline=None if deadline is None else now + deadline,
            outbox_due=now + OUTBOX_SECONDS,
        )

    def _again(self, task: Task) -> Task:
        """As it was handed in, now."""
        now = self._clock()
        span = None if task.deadline is None else task.deadline - task.created_at
        return Task(
            task_id=task.task_id,
            kind=task.kind,
            lane=task.lane,
            owner=task.owner,
            request=task.request,
            request_hash=task.request_hash,
            created_at=now,
            updated_at=now,
            labels=task.labels,
            retry_of=None if task.status is TaskStatus.COMPLETED else task.task_id,
            traceparent=tracing.current(),
            consent=task.consent,
            sources=task.sources,
            inputs=task.inputs,
            derived_from=task.derived_from,
            deadline=None if span is None else now + span,
            outbox_due=now + OUTBOX_SECONDS,
        )

    async def _held(self, reference: str, face: str | None, owner: str, field: str) -> Held:
        if face is not None:
            return await self._sources.take_in(face, owner=owner, field=field, is_face=True)
        if reference.startswith(OF_TASK):
            return await self._result(reference.removeprefix(OF_TASK), owner, field)
        return await self._sources.take_in(reference, owner=owner, field=field)

    async def _result(self, task_id: str, owner: str, field: str) -> Held:
        """Of a task, as a picture that we hold."""
        task = await self._store.get(task_id)
        if task is None or task.owner != owner:
            raise not_found(task_id).about(field)
        if task.outcome is None or task.outcome.result_key is None:
            raise InvalidRequest(
                f"{field}: task {task_id} is {task.status} and has no result",
                field=field,
                fix="Wait for its end, or name another task's result.",
            )
        key = f"asset:{task.outcome.result_key}"
        held = await self._sources.take_in(key, owner=owner, field=field)
        return replace(held, task_id=task_id)

    async def _store_and_send(self, task: Task, line: AuditLine | None) -> Task:
        with bound_contextvars(**ids_of(task)):
            return await self._stored_and_sent(task, line)

    async def _stored_and_sent(self, task: Task, line: AuditLine | None) -> Task:
        if self._hold is not None:
            await self._hold(task)
        await self._gate.note(task)
        try:
            stored = await self._store.create(task, line=line)
        except TaskExists as exists:  # a concurrent submit with the same key was first
            return _replayed(exists.task, task.request_hash)
        metrics.SUBMITTED.labels(task.kind).inc()
        _tell_submitted(stored)
        if stored.outbox_due is None:
            return stored
        queue = self._queues[stored.lane]
        try:
            sent = await outbox.send(stored, now=self._clock(), queue=queue, store=self._store)
        except Unavailable as error:  # accepted all the same: the sweeper sends it when due
            log.warning("a message is sent later: %s", error.detail)
            return stored
        log.info(Step.SENT)
        return sent


def _tell_submitted(task: Task) -> None:
    """As of when that was: a worker may have been quicker to tell of it than we are."""
    facts = {"at": task.created_at, "sent": task.outbox_due is None, "retry_of": task.retry_of}
    log.info(Step.SUBMITTED, extra={name: fact for name, fact in facts.items() if fact is not None})


def not_found(task_id: str) -> TaskNotFound:
    return TaskNotFound(
        f"there is no task {task_id[:80]!r}",
        fix="List yours: /api/v1/tasks; what ended long ago is deleted.",
    )


def _origins(held: Mapping[str, Held]) -> tuple[Mapping[str, str], ...]:
    """The tasks that made what goes in, by the fields that it goes into."""
    return tuple(
        {"task_id": one.task_id, "field": field}
        for field, one in held.items()
        if one.task_id is not None
    )


def _check_sizes(kind: TaskKind, request: Mapping[str, Any], sizes: Mapping[str, Size]) -> None:
    if kind.still is not None:
        kind.still.check(sizes[kind.still.field])
        check_asked(request["size"], sizes[kind.still.field])


def _replayed(earlier: Task, fingerprint: str) -> Task:
    if earlier.request_hash != fingerprint:
        raise IdempotencyKeyReused(
            f"this key made task {earlier.task_id} from a different request",
            field="Idempotency-Key",
            fix="Use a new key for a new request.",
        )
    return earlier


def _fingerprint(kind: TaskKind, body: BaseModel) -> str:
    """Of what was asked for, without defaults: a release that adds a field knows the request again,
    and who names a default asks for nothing else than who does not."""
    asked = body.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return _hash(kind, {name: value for name, value in asked.items() if value != {}})


def _early_fingerprint(kind: TaskKind, body: BaseModel, recorded: Mapping[str, Any]) -> str:
    """As the first releases made it, with the defaults of their time: the record tells these."""
    given = body.model_fields_set
    filled_in = {name: value for name, value in recorded.items() if name not in given}
    asked = body.model_dump(mode="json", exclude_none=True, include=given | {"labels"})
    return _hash(kind, {**filled_in, **asked})


def _hash(kind: TaskKind, asked: Mapping[str, Any]) -> str:
    canonical = _in_order([kind.name, asked])
    return hashlib.sha256(canonical.encode()).hexdigest()


def _fingerprint_of_retry(task: Task) -> str:
    """Another than that of any submit: a key belongs to what it was first used for."""
    return hashlib.sha256(f"retry {task.task_id}".encode()).hexdigest()
