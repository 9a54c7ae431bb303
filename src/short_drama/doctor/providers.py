"""The providers of the face kinds: do they take our key, and would they take our calls?

Each is asked for nothing: a call with the model and neither picture nor words. What has to be
refused is not charged, and how it is refused tells more than a list of models would: key, account,
bill and model are looked at before what is asked for.
"""

from collections.abc import Callable, Mapping
from typing import Any

from short_drama.doctor.finding import Finding, not_applicable, ok, warning, wrong
from short_drama.doctor.here import here
from short_drama.doctor.site import Site
from short_drama.domain.errors import ProviderPaused, RetryableError, ShortDramaError, Throttled
from short_drama.paid_api.providers.calls import CallNotSent, CallRefused, CallUnanswered
from short_drama.paid_api.providers.endpoint import Provider
from short_drama.paid_api.providers.qwen import refusals as qwen_refusals
from short_drama.paid_api.providers.refusals import FailedCall
from short_drama.paid_api.providers.seedream import refusals as seedream_refusals
from short_drama.wiring.components import Component

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 10.0
_NETWORK = "Look at the network, the proxy (HTTPS_PROXY) and the provider's status page."


async def qwen(site: Site) -> Finding:
    given = site.settings
    if given.detector != "qwen":
        return not_applicable("the local engine finds faces")
    if given.dashscope_api_key is None:
        return await _without_key(site, "SHORT_DRAMA_DASHSCOPE_API_KEY")
    provider = _provider(
        "qwen", given.dashscope_base_url, given.dashscope_api_key.get_secret_value()
    )
    nothing = {"model": given.qwen_model, "messages": []}
    async with provider:
        return await _asked(
            provider,
            "/chat/completions",
            nothing,
            qwen_refusals.classify,
            f"{qwen_refusals.NAME} takes our key, with {given.qwen_model}",
            setting="SHORT_DRAMA_DASHSCOPE_API_KEY",
        )


async def seedream(site: Site) -> Finding:
    given = site.settings
    if given.generator != "seedream":
        return not_applicable("the local engine makes faces")
    if given.ark_api_key is None:
        return await _without_key(site, "SHORT_DRAMA_ARK_API_KEY")
    provider = _provider("seedream", given.ark_base_url, given.ark_api_key.get_secret_value())
    async with provider:
        return await _asked(
            provider,
            "/images/generations",
            {"model": given.seedream_model},
            seedream_refusals.classify,
            f"{seedream_refusals.NAME} takes our key, with {given.seedream_model}",
            setting="SHORT_DRAMA_ARK_API_KEY",
        )


def _provider(name: str, base_url: str, key: str) -> Provider:
    return Provider(name, base_url, key, connect=_CONNECT_SECONDS, read=_READ_SECONDS)


async def _without_key(site: Site, setting: str) -> Finding:
    if Component.PAID_API in await here(site):
        return wrong("the provider was chosen without a key for it", f"Set {setting}.")
    return not_applicable("only the Paid API service has the key, and that is not on this machine")


async def _asked(
    provider: Provider,
    path: str,
    nothing: Mapping[str, Any],
    classify: Callable[[FailedCall], ShortDramaError],
    well: str,
    *,
    setting: str,
) -> Finding:
    try:
        await provider.post(path, nothing)
    except (CallRefused, CallNotSent, CallUnanswered) as failed:
        return meaning(classify(failed), well, setting=setting)
    return warning(
        f"{well}, but it answered a call that asks for nothing",
        "Is the base URL the provider's? Something else may answer there.",
    )


def meaning(error: ShortDramaError, well: str, *, setting: str) -> Finding:
    """What it says of the account that an empty call is refused so."""
    match error:
        case ProviderPaused():
            named = setting in (error.fix or "")
            key = "" if named else f" The key is the setting {setting}."
            return wrong(error.detail, f"{error.fix}{key}")
        case Throttled():
            return warning(
                error.detail, "Wait a minute; if it stays so, raise the account's limits."
            )
        case RetryableError():
            return wrong(error.detail, error.fix or _NETWORK)
    return ok(well)  # it is the call that is refused
