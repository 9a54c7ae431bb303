"""The endpoints of each owner: made, proved, changed, and asked for at every submit."""

import asyncio
import hmac
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from short_drama.domain.errors import Unavailable, UrlUnreachable
from short_drama.domain.letters import checked_label
from short_drama.domain.webhooks import Endpoint, Endpoints, chosen, message
from short_drama.orchestrator.webhooks.sender import Sender, Signed
from short_drama.ports import StaleEndpoints, WebhookStore

REMEMBERED_SECONDS: Final = 5.0
"""Within which every orchestrator knows of a new endpoint."""
_PATIENCE_SECONDS: Final = 0.25
"""With a store that does not answer: who submits is about to find that out."""
_MOST: Final = 4096
_TRIES: Final = 20
CHALLENGE: Final = "webhook.challenge"

Change = Callable[[Endpoints], Endpoints]


class Registry:
    """`master`: the installation's secret, of which those of endpoints are made."""

    def __init__(
        self,
        store: WebhookStore,
        sender: Sender,
        *,
        master: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._sender, self._master, self._clock = store, sender, master, clock
        self._known: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    async def told(self, owner: str) -> tuple[str, ...]:
        """Ids of the owner's endpoints that are told anything; may be some seconds old, and older
        while the store does not answer. Raises Unavailable where none were ever known."""
        now = self._clock()
        until, ids = self._known.get(owner, (0.0, ()))
        if now < until <= now + REMEMBERED_SECONDS:  # not after the clock was set back
            return ids
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS if until else None):
                ids = (await self._store.of(owner)).open_ids
        except (TimeoutError, Unavailable):
            if not until:
                raise
        else:
            self._remember(owner, ids, now)
        return ids

    async def all(self, owner: str) -> Sequence[Endpoint]:
        return (await self._store.of(owner)).all

    async def find(self, owner: str, endpoint_id: str) -> Endpoint:
        """Raises WebhookNotFound."""
        return (await self._store.of(owner)).find(endpoint_id)

    async def make(
        self, owner: str, url: str, *, events: Sequence[str], label: str
    ) -> tuple[Endpoint, str]:
        """A new endpoint, which is told nothing before it is verified, and its secret.

        Raises UrlRefused and InvalidRequest."""
        self._sender.check(url)
        endpoint = Endpoint(
            endpoint_id=f"wh_{secrets.token_hex(12)}",
            url=url,
            events=chosen(events),
            label=checked_label(label),
            created_at=self._clock(),
        )
        await self._change(owner, lambda found: found.with_another(endpoint))
        return endpoint, self.secrets_of(endpoint)[0]

    async def change(
        self, owner: str, endpoint_id: str, change: Callable[[Endpoint], Endpoint]
    ) -> Endpoint:
        """Raises WebhookNotFound."""
        changed = await self._change(
            owner, lambda found: found.with_changed(change(found.find(endpoint_id)))
        )
        return changed.find(endpoint_id)

    async def remove(self, owner: str, endpoint_id: str) -> None:
        """Raises WebhookNotFound."""
        await self._change(owner, lambda found: found.without(endpoint_id))

    async def verify(self, owner: str, endpoint_id: str) -> Endpoint:
        """Send the endpoint a challenge, which it proves to have read by giving it back.

        Raises WebhookNotFound, and UrlUnreachable where it does not."""
        endpoint = await self.find(owner, endpoint_id)
        challenge = secrets.token_hex(16)
        body = message(CHALLENGE, at=self._clock(), data={"challenge": challenge})
        signed = Signed(f"msg_{secrets.token_hex(16)}", body, self.secrets_of(endpoint))
        answer, text = await self._sender.send(endpoint.url, signed)
        if not answer.took or not _gives_back(text, challenge):
            raise UrlUnreachable(
                f"the endpoint did not return the challenge: "
                f"{answer.reason or 'its answer does not have it'}",
                field="url",
                fix='Answer with status 200 and {"challenge": ...} as it was sent.',
            )
        now = self._clock()
        return await self.change(owner, endpoint_id, lambda found: found.verified(now=now))

    def secrets_of(self, endpoint: Endpoint) -> Sequence[str]:
        """The present one first."""
        return endpoint.secrets(self._master, now=self._clock())

    async def _change(self, owner: str, change: Change) -> Endpoints:
        for _ in range(_TRIES):
            try:
                stored = await self._store.replace(change(await self._store.of(owner)))
            except StaleEndpoints:
                continue
            self._remember(owner, stored.open_ids, self._clock())
            return stored
        raise Unavailable("the webhooks are being written by too many at once")

    def _remember(self, owner: str, ids: tuple[str, ...], now: float) -> None:
        self._known[owner] = (now + REMEMBERED_SECONDS, ids)
        self._known.move_to_end(owner)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


def _gives_back(text: bytes, challenge: str) -> bool:
    """As the whole answer, or as the member `challenge` of a JSON object."""
    try:
        said = json.loads(text)
    except ValueError:
        said = text.decode(errors="replace").strip()
    if isinstance(said, dict):
        said = said.get("challenge")
    return isinstance(said, str) and hmac.compare_digest(said.encode(), challenge.encode())
