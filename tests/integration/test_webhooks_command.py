"""`short-drama webhooks`, beside a running service."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from short_drama.cli.main import cli
from short_drama.sdk.models import TaskView
from short_drama.sdk.webhooks import Webhooks, WebhookView, WebhookWithSecret

ONE: dict[str, Any] = {
    "webhook_id": "wh_1",
    "url": "https://studio.example/hooks",
    "events": ["task.completed"],
    "label": "[剪辑]",
    "state": "unverified",
    "created_at": 1.0,
}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """What was asked of the client, which is not asked anything else."""
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    view = WebhookView.model_validate(ONE)
    secret = WebhookWithSecret.model_validate({**ONE, "secret": "whsec_AAAA"})
    urls = {"self": "", "events": "", "cancel": ""}
    task = TaskView.model_validate(
        {
            "task_id": "t1", "status": "failed", "kind": "face-mask", "job_type": "/", "urls": urls,
            "created_at": 1.0, "updated_at": 1.0, "version": 1, "request": {},
            "notifications": [
                {"webhook_id": "wh_1", "event": "task.failed", "state": "waiting", "tries": 0}
            ],
        }
    )  # fmt: skip
    answers = {
        "create": secret, "rotate": secret, "verify": view, "delete": view, "list": [view],
        "replay": task,
    }  # fmt: skip

    def answering(name: str) -> Any:
        def answer(_: Webhooks, *words: Any, **options: Any) -> Any:
            calls.append((name, words, options))
            return answers[name]

        return answer

    for name in answers:
        monkeypatch.setattr(Webhooks, name, answering(name))
    return calls


def run(*words: str) -> str:
    done = CliRunner().invoke(cli, ["webhooks", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_secret_is_shown_when_it_is_made(called: list[Any]) -> None:
    said = run("create", ONE["url"], "--event", "task.completed", "--label", "x")
    assert "wh_1 whsec_AAAA" in said
    assert "webhooks verify wh_1" in said
    assert "whsec_AAAA" in run("rotate", "wh_1")
    assert called == [
        ("create", (ONE["url"],), {"events": ("task.completed",), "label": "x"}),
        ("rotate", ("wh_1",), {}),
    ]


def test_lists_and_single_ones_never_show_it(called: list[Any]) -> None:
    for words in (["ls"], ["ls", "--json"], ["verify", "wh_1"], ["rm", "wh_1", "--json"]):
        said = run(*words)
        assert "whsec" not in said
        assert "wh_1" in said
    assert json.loads(run("ls", "--json"))["label"] == "[剪辑]"
    assert len(called) == 5


def test_a_replay_says_how_many_are_told(called: list[Any]) -> None:
    assert "1 to be told of t1" in run("replay", "t1", "--webhook", "wh_1")
    assert called == [("replay", ("t1",), {"webhook_id": "wh_1"})]
