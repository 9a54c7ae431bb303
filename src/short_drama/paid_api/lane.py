"""The CPU lane with providers: clients, limits and the pipeline, put together."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Work
from short_drama.paid_api.detectors import Detector, LocalDetector, QwenDetector
from short_drama.paid_api.generators import Generator, LocalGenerator, SeeDreamGenerator
from short_drama.paid_api.local_faces import LocalFaces
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.limits import ProviderLimits
from short_drama.paid_api.paying.prices import Prices
from short_drama.paid_api.provider_work import Pipeline, provider_works
from short_drama.paid_api.providers.endpoint import Provider
from short_drama.paid_api.providers.qwen.client import QwenVL
from short_drama.paid_api.providers.seedream.client import SeeDream
from short_drama.ports import AssetStore

QWEN_READ_SECONDS, SEEDREAM_READ_SECONDS = 120.0, 300.0
"""A detection takes seconds; a picture has been seen to take 48, and the provider's own client
waits for 600."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    """How one provider is reached, and how fast it may be asked."""

    base_url: str
    key: str
    model: str
    in_flight: int
    per_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """`qwen` and `seedream`: None where the local engine does that step."""

    models: Path
    qwen: ProviderAccount | None
    seedream: ProviderAccount | None
    prices: Path | None = None
    watermark: bool = False
    expand: float = 1.0
    feather: float = 0.0


@contextlib.asynccontextmanager
async def open_providers(
    options: ProviderOptions, sources: ImageSources, assets: AssetStore, budgets: Budgets
) -> AsyncIterator[Mapping[str, Work[Any, Any]]]:
    """Asks nobody anything yet. Raises InvalidRequest for a table of prices that is wrong."""
    prices, faces = Prices.load(options.prices), LocalFaces(options.models)
    async with contextlib.AsyncExitStack() as opened:
        detector: Detector = LocalDetector(faces)
        generator: Generator = LocalGenerator(faces)
        if options.qwen is not None:
            provider = await _opened(opened, "qwen", options.qwen, read=QWEN_READ_SECONDS)
            qwen = QwenVL(provider, options.qwen.model)
            limits = _limits("qwen", options.qwen)
            detector = QwenDetector(qwen, limits, prices, expand=options.expand)
        if options.seedream is not None:
            account = options.seedream
            provider = await _opened(opened, "seedream", account, read=SEEDREAM_READ_SECONDS)
            seedream = await opened.enter_async_context(
                SeeDream(provider, account.model, watermark=options.watermark)
            )
            generator = SeeDreamGenerator(seedream, _limits("seedream", account), prices, assets)
        yield provider_works(
            Pipeline(
                detector=detector,
                generator=generator,
                sources=sources,
                assets=assets,
                budgets=budgets,
                feather=options.feather,
            )
        )


def _limits(name: str, account: ProviderAccount) -> ProviderLimits:
    return ProviderLimits(name, in_flight=account.in_flight, per_minute=account.per_minute)


async def _opened(
    opened: contextlib.AsyncExitStack, name: str, account: ProviderAccount, *, read: float
) -> Provider:
    return await opened.enter_async_context(
        Provider(name, account.base_url, account.key, read=read)
    )
