"""The door: whether one is needed, and whether somebody has the key."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from short_drama.doctor.finding import Finding, not_applicable, together, warning, wrong
from short_drama.doctor.here import here
from short_drama.doctor.site import Site
from short_drama.domain.api_keys import FIRST_FILE, ApiKey
from short_drama.domain.errors import Unavailable
from short_drama.domain.principal import Scope
from short_drama.settings import Settings
from short_drama.wiring.components import Component

_ORCHESTRATORS: Final = {Component.ORCHESTRATOR, Component.CPU_ORCHESTRATOR}
_DAY: Final = 24 * 60 * 60.0
_UNUSED_DAYS: Final = 90
_ENDS_DAYS: Final = 14


async def keys(site: Site) -> Finding:
    given = site.settings
    if not _ORCHESTRATORS & set(await here(site)):
        return not_applicable("nothing that people sign in to belongs on this machine")
    if not given.demands_keys:
        return together(unlocked(given), otherwise="nobody signs in: it is this machine's own")
    try:
        found = await (await site.backend()).keys.list()
    except Unavailable as error:
        return not_applicable(f"they cannot be looked at: {error.detail}")
    left = await asyncio.to_thread((given.data_dir / FIRST_FILE).exists)
    faults = [*faults_of(found, now=site.clock()), *_outside(given, first_is_left=left)]
    valid = sum(key.is_valid(site.clock()) for key in found)
    return together(faults, otherwise=f"{valid} of {len(found)} keys are valid")


def unlocked(given: Settings) -> Iterator[Finding]:
    """Where no key is demanded."""
    if given.trusted_proxies or given.public_hosts:
        yield warning(
            "whoever comes by the proxy may do everything: no keys are demanded",
            "Set SHORT_DRAMA_REQUIRE_KEYS=true, and make each person a key: short-drama keys "
            "create.",
        )


def faults_of(keys: Sequence[ApiKey], *, now: float) -> Iterator[Finding]:
    valid = [key for key in keys if key.is_valid(now)]
    if not any(Scope.ADMIN in key.scopes for key in valid):
        yield (warning if valid else wrong)(
            "no valid key has the scope admin" if valid else "there is no valid key",
            "Make one: short-drama keys create --owner NAME, with the scopes it needs.",
        )
    unused = [key for key in valid if now - _last_seen(key) > _UNUSED_DAYS * _DAY]
    if unused:
        yield warning(
            f"not used for {_UNUSED_DAYS} days: {_named(unused)}",
            "Revoke what nobody needs: short-drama keys revoke ID.",
        )
    ending = [key for key in valid if (key.expires_at or now * 2) - now < _ENDS_DAYS * _DAY]
    if ending:
        yield warning(
            f"expires within {_ENDS_DAYS} days: {_named(ending)}",
            "Give its owner another one: short-drama keys rotate ID.",
        )


def _outside(given: Settings, *, first_is_left: bool) -> Iterator[Finding]:
    """What opens without a key, or lies about."""
    if first_is_left:
        file = given.data_dir / FIRST_FILE
        yield warning(f"a key with every right is in {file}", "Read it, and delete the file.")
    is_cdn = given.backend == "aws" and given.cloudfront_domain is not None
    if is_cdn and given.cloudfront_key_pair_id is None and not given.public_assets:
        yield warning(
            "CloudFront shows pictures to whoever knows their address",
            "Give it a key pair (docs/aws.md), or say that it may: SHORT_DRAMA_PUBLIC_ASSETS=true.",
        )


def _last_seen(key: ApiKey) -> float:
    return key.last_used_at or key.created_at


def _named(keys: Sequence[ApiKey]) -> str:
    return ", ".join(f"{key.key_id} of {key.owner}" for key in keys)
