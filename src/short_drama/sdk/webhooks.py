"""Webhooks: the shapes of their API, its client, and the check of what arrives.

event = read_webhook(secret, request.headers, request.body)
if event.type == "task.completed":
    ...
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict, TypeVar, Unpack

from pydantic import BaseModel

from short_drama.sdk.models import Shape, TaskView
from short_drama.sdk.transport import Call

T = TypeVar("T", bound=BaseModel)
A = TypeVar("A")

EventName = Literal["task.completed", "task.failed", "task.cancelled"]
"""What an endpoint can be told of."""


class WebhookView(Shape):
    """An endpoint. Times are Unix seconds. `state`: `unverified` until it has returned a challenge,
    then `open`; `disabled` since it has answered with status 410, or its owner said so."""

    webhook_id: str
    url: str
    events: list[str]
    label: str = ""
    state: Literal["unverified", "open", "disabled"]
    created_at: float
    verified_at: float | None = None
    disabled_at: float | None = None
    disabled_because: str | None = None


class WebhookWithSecret(WebhookView):
    """`secret`: what its messages are signed with; it is shown only here."""

    secret: str


class WebhookList(Shape):
    webhooks: list[WebhookView]


class WebhookEvent(Shape):
    """A message. `data`: of a task its id, kind, status, labels, error and address; of a challenge
    what is to be given back."""

    type: str
    timestamp: str
    data: dict[str, Any]

    @property
    def challenge(self) -> str | None:
        """What a new endpoint answers with, as `{"challenge": ...}`; None for other messages."""
        return self.data["challenge"] if self.type == "webhook.challenge" else None


def read_webhook(
    secret: str | Sequence[str], headers: Mapping[str, str], body: bytes | str
) -> WebhookEvent:
    """The message, if it was signed with the secret, or one of several, within five minutes.

    Raises standardwebhooks.WebhookVerificationError: answer with status 400, and do nothing else.
    """
    from standardwebhooks.webhooks import Webhook, WebhookVerificationError

    secrets = [secret] if isinstance(secret, str) else secret
    failure = WebhookVerificationError("there is no secret")
    for one in secrets:
        try:
            return WebhookEvent.model_validate(Webhook(one).verify(body, dict(headers)))
        except WebhookVerificationError as error:
            failure = error
    raise failure


class Changes(TypedDict, total=False):
    """`disabled`: true; a disabled endpoint opens again by being verified."""

    events: list[EventName]
    label: str
    disabled: Literal[True]


class _Ask(Protocol):
    async def __call__(self, shape: type[T], call: Call) -> T: ...


class AsyncWebhooks:
    """`AsyncClient.webhooks`: the caller's endpoints."""

    def __init__(self, ask: _Ask, call: Callable[..., Call]) -> None:
        self._ask, self._call = ask, call

    async def create(
        self, url: str, *, events: Sequence[EventName] = (), label: str = ""
    ) -> WebhookWithSecret:
        """A new endpoint: give its server the secret, then `verify`. `events`: none for all."""
        body = {"url": url, "events": [*events], "label": label}
        return await self._ask(WebhookWithSecret, self._to("POST", "", json=body))

    async def verify(self, webhook_id: str) -> WebhookView:
        """Have it asked to return a challenge; told of tasks that are submitted from then on."""
        return await self._ask(WebhookView, self._to("POST", f"/{webhook_id}/verify"))

    async def list(self) -> Sequence[WebhookView]:
        return (await self._ask(WebhookList, self._to("GET", "", repeatable=True))).webhooks

    async def get(self, webhook_id: str) -> WebhookView:
        return await self._ask(WebhookView, self._to("GET", f"/{webhook_id}", repeatable=True))

    async def change(self, webhook_id: str, **changes: Unpack[Changes]) -> WebhookView:
        """What is left out stays. A disabled one opens again with `verify`."""
        call = self._to("PATCH", f"/{webhook_id}", json=dict(changes), repeatable=True)
        return await self._ask(WebhookView, call)

    async def rotate(self, webhook_id: str) -> WebhookWithSecret:
        """A new secret; for a day messages are signed with the earlier one as well."""
        return await self._ask(WebhookWithSecret, self._to("POST", f"/{webhook_id}/rotate"))

    async def delete(self, webhook_id: str) -> WebhookView:
        """What it was."""
        return await self._ask(WebhookView, self._to("DELETE", f"/{webhook_id}"))

    async def replay(self, task_id: str, *, webhook_id: str | None = None) -> TaskView:
        """Tell every endpoint that was told of the task's end, or this one, once more."""
        body = {} if webhook_id is None else {"webhook_id": webhook_id}
        path = f"/api/v1/tasks/{task_id}/webhooks/replay"
        return await self._ask(TaskView, self._call("POST", path, json=body, repeatable=False))

    def _to(self, method: str, path: str, *, repeatable: bool = False, **parts: Any) -> Call:
        return self._call(method, f"/api/v1/webhooks{path}", repeatable=repeatable, **parts)


class Run(Protocol):
    """Carries a coroutine to the client's loop and back."""

    def __call__(self, work: Coroutine[Any, Any, A]) -> A: ...


class Webhooks:
    """`Client.webhooks`: as `AsyncWebhooks`, blocking."""

    def __init__(self, run: Run, webhooks: AsyncWebhooks) -> None:
        self._run, self._webhooks = run, webhooks

    def create(
        self, url: str, *, events: Sequence[EventName] = (), label: str = ""
    ) -> WebhookWithSecret:
        return self._run(self._webhooks.create(url, events=events, label=label))

    def verify(self, webhook_id: str) -> WebhookView:
        return self._run(self._webhooks.verify(webhook_id))

    def list(self) -> Sequence[WebhookView]:
        return self._run(self._webhooks.list())

    def get(self, webhook_id: str) -> WebhookView:
        return self._run(self._webhooks.get(webhook_id))

    def change(self, webhook_id: str, **changes: Unpack[Changes]) -> WebhookView:
        return self._run(self._webhooks.change(webhook_id, **changes))

    def rotate(self, webhook_id: str) -> WebhookWithSecret:
        return self._run(self._webhooks.rotate(webhook_id))

    def delete(self, webhook_id: str) -> WebhookView:
        return self._run(self._webhooks.delete(webhook_id))

    def replay(self, task_id: str, *, webhook_id: str | None = None) -> TaskView:
        return self._run(self._webhooks.replay(task_id, webhook_id=webhook_id))
