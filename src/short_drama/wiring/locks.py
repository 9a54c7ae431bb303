"""What opens the doors of the components."""

import hmac
import secrets

from short_drama.domain.errors import InvalidRequest
from short_drama.settings import Settings
from short_drama.web.door import Lock
from short_drama.web.key_ring import KeyRing
from short_drama.web.signed_urls import Signatures
from short_drama.web.tickets import Tickets
from short_drama.wiring.addresses import cdn
from short_drama.wiring.backend import Backend


def front_lock(settings: Settings, backend: Backend) -> Lock:
    """An orchestrator's: people's keys."""
    tickets = Tickets(backend.secret or secrets.token_bytes(32))
    return Lock(KeyRing(backend.keys), tickets, demanded=settings.demands_keys, audit=backend.audit)


def inner_lock(settings: Settings, backend: Backend) -> Lock:
    """An API service's or an adapter's: what our processes show each other, and on the embedded
    backend the keys and the audit as well; on AWS these processes have no right to either."""
    is_embedded = settings.backend == "embedded"
    ring = KeyRing(backend.keys if is_embedded else None, service=service_token(settings, backend))
    return Lock(
        ring,
        Tickets(secrets.token_bytes(32)),
        demanded=settings.demands_keys,
        audit=backend.audit if is_embedded else None,
    )


def asset_signatures(settings: Settings, backend: Backend) -> Signatures | None:
    """None where every address of an asset opens it: without keys, where they are to be public; and
    where a CDN shows them, which has signatures of its own."""
    if not settings.demands_keys or settings.public_assets or cdn(settings) is not None:
        return None
    secret = backend.secret or secrets.token_bytes(32)
    return Signatures(secret, hours=settings.asset_url_hours)


def service_token(settings: Settings, backend: Backend) -> str | None:
    """What adapters show to API services: processes that share a data directory need not be told.

    Raises InvalidRequest where it is needed and there is none.
    """
    if settings.service_token is not None:
        return settings.service_token.get_secret_value()
    if settings.backend == "embedded" and backend.secret is not None:
        return hmac.digest(backend.secret, b"service token", "sha256").hex()
    if settings.demands_keys:
        raise InvalidRequest(
            "where keys are needed, adapters and API services on AWS need a token of their own",
            field="SHORT_DRAMA_SERVICE_TOKEN",
            fix="Set SHORT_DRAMA_SERVICE_TOKEN to 32 random characters or more, the same for each.",
        )
    return None
