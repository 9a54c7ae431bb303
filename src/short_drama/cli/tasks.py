"""`short-drama tasks ...`."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from short_drama.cli import display, request
from short_drama.cli.connection import connected
from short_drama.cli.submit import finish
from short_drama.cli.terminal import say
from short_drama.sdk.models import Status, TaskCountView, TaskView
from short_drama.sdk.query import Sort, Where


def ls(
    *,
    status: Sequence[Status],
    kind: Sequence[str],
    labels: Sequence[str],
    created_after: float | None,
    created_before: float | None,
    text: str | None,
    derived_from: str | None,
    deleted: bool,
    sort: Sort,
    count: bool,
    limit: int,
    as_json: bool,
    **where: Any,
) -> None:
    wanted: Where = {
        "status": status,
        "kind": kind,
        "label": request.read_pairs("--label", labels),
        "created_after": created_after,
        "created_before": created_before,
        "text": text,
        "derived_from": derived_from,
        "deleted": deleted,
    }
    with connected(**where) as client:
        if count:
            _say_count(client.count(**wanted), as_json=as_json)
            return
        found = client.iterate(sort=sort, **wanted)
        tasks = list(itertools.islice(found, limit))
    if as_json:
        for task in tasks:
            display.print_json(task)
    elif tasks:
        display.print_table(tasks)
    else:
        say("No tasks.", err=True)


def _say_count(found: TaskCountView, *, as_json: bool) -> None:
    if as_json:
        display.print_json(found)
    else:
        say(f"{found.count:,}{' or more' if found.at_least else ''}")


def show(task_id: str, *, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        task = client.get(task_id)
    if as_json:
        display.print_json(task)
    else:
        display.print_details(task)


def wait(task_id: str, *, output: Path | None, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        finish(client, task_id, output=output, as_json=as_json)


def cancel(task_id: str, *, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        task = client.cancel(task_id)
    if as_json:
        display.print_json(task)
    else:
        say(f"{task.kind} {task.task_id} {task.status}")


def rm(task_ids: Sequence[str], *, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        for task_id in task_ids:
            _say_what_became(client.delete(task_id), "deleted", as_json=as_json)


def restore(task_ids: Sequence[str], *, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        for task_id in task_ids:
            _say_what_became(client.restore(task_id), "restored", as_json=as_json)


def _say_what_became(task: TaskView, what: str, *, as_json: bool) -> None:
    if as_json:
        display.print_json(task)
    else:
        say(f"{task.kind} {task.task_id} {what}")


def retry(
    task_id: str,
    *,
    idempotency_key: str | None,
    wait: bool,
    output: Path | None,
    as_json: bool,
    **where: Any,
) -> None:
    with connected(**where) as client:
        accepted = client.retry(task_id, idempotency_key=idempotency_key)
        if wait or output:
            finish(client, accepted.task_id, output=output, as_json=as_json)
        elif as_json:
            display.print_json(accepted)
        else:
            say(accepted.task_id)
