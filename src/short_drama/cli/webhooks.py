"""`short-drama webhooks ...`."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from short_drama.cli import display
from short_drama.cli.connection import connected
from short_drama.cli.terminal import say
from short_drama.sdk.webhooks import EventName, WebhookView, WebhookWithSecret


def create(
    address: str, *, events: Sequence[EventName], label: str, as_json: bool, **where: Any
) -> None:
    with connected(**where) as client:
        made = client.webhooks.create(address, events=events, label=label)
    _show_secret(made, as_json=as_json)
    if not as_json:
        say(f"When its server knows the secret: short-drama webhooks verify {made.webhook_id}")


def verify(webhook_id: str, *, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        _show(client.webhooks.verify(webhook_id), as_json=as_json)


def ls(*, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        found = client.webhooks.list()
    if as_json:
        for one in found:
            display.print_json(one)
        return
    if not found:
        say("No webhooks.", err=True)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("id", "url", "events", "label", "state"):
        table.add_column(heading)
    for one in found:
        cells = [one.webhook_id, one.url, " ".join(one.events), one.label, one.state]
        table.add_row(*map(escape, cells))
    display.console().print(table)


def rotate(webhook_id: str, *, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        _show_secret(client.webhooks.rotate(webhook_id), as_json=as_json)


def rm(webhook_id: str, *, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        gone = client.webhooks.delete(webhook_id)
    if as_json:
        display.print_json(gone)
    else:
        say(f"{gone.webhook_id} is forgotten; {gone.url} is told nothing more.")


def replay(task_id: str, *, webhook_id: str | None, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        task = client.webhooks.replay(task_id, webhook_id=webhook_id)
    if as_json:
        display.print_json(task)
    else:
        waiting = sum(one.state == "waiting" for one in task.notifications)
        say(f"{waiting} to be told of {task.task_id}")


def _show(one: WebhookView, *, as_json: bool) -> None:
    if as_json:
        display.print_json(one)
    else:
        say(f"{one.webhook_id} {one.state} {one.url}")


def _show_secret(made: WebhookWithSecret, *, as_json: bool) -> None:
    if as_json:
        display.print_json(made)
        return
    say(f"{made.webhook_id} {made.secret}")
    say("The secret is shown only now. Keep it where nobody else reads it.", err=True)
