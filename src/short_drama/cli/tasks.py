"""`short-drama tasks ...`."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from short_drama.cli import display, request
from short_drama.cli.connection import connected
from short_drama.cli.submit import finish
from short_drama.cli.terminal import say
from short_drama.sdk.models import Status


def ls(
    *,
    status: Sequence[Status],
    kind: Sequence[str],
    labels: Sequence[str],
    created_after: float | None,
    created_before: float | None,
    limit: int,
    as_json: bool,
    **where: Any,
) -> None:
    given = request.read_pairs("--label", labels)
    with connected(**where) as client:
        found = client.iterate(
            status=status,
            kind=kind,
            label=given,
            created_after=created_after,
            created_before=created_before,
        )
        tasks = list(itertools.islice(found, limit))
    if as_json:
        for task in tasks:
            display.print_json(task)
    elif tasks:
        display.print_table(tasks)
    else:
        say("No tasks.", err=True)


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
