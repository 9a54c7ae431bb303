"""The CPU lane: engines, their limits and the pipeline, put together."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Work
from short_drama.paid_api.cast_work import works
from short_drama.paid_api.detectors import Detector, LocalDetector, QwenDetector
from short_drama.paid_api.face_work import Pipeline
from short_drama.paid_api.generators import Generator, LocalGenerator, SeeDreamGenerator
from short_drama.paid_api.local_faces import LocalFaces
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.limits import ProviderLimits
from short_drama.paid_api.paying.prices import Prices
from short_drama.paid_api.providers.endpoint import Provider
from short_drama.paid_api.providers.qwen.client import QwenVL
from short_drama.paid_api.providers.seedream.client import SeeDream
from short_drama.ports import AssetStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    """How one provider is reached, how fast it may be asked, and how long an answer is waited
    for. `endpoint`: what to ask for instead of the model that is behind it. `secrets`: what no
    answer may hold, beside the key."""

    base_url: str
    key: str
    model: str
    in_flight: int
    per_minute: int
    read_seconds: float
    endpoint: str | None = None
    secrets: Sequence[str] = ()

    def provider(self, name: str) -> Provider:
        return Provider(name, self.base_url, self.key, secrets=self.secrets, read=self.read_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceOptions:
    """`qwen` and `seedream`: None where the local engine does that step. `whole_frames`: SeeDream's
    are the results, and not their faces in the stills."""

    models: Path
    qwen: ProviderAccount | None
    seedream: ProviderAccount | None
    prices: Prices
    watermark: bool = False
    whole_frames: bool = False
    expand: float = 1.0
    feather: float = 0.0


@contextlib.asynccontextmanager
async def open_faces(
    options: FaceOptions, sources: ImageSources, assets: AssetStore, budgets: Budgets
) -> AsyncIterator[Mapping[str, Work[Any, Any]]]:
    """Asks nobody anything yet."""
    faces = LocalFaces(options.models)
    async with contextlib.AsyncExitStack() as opened:
        detector: Detector = LocalDetector(faces)
        generator: Generator = LocalGenerator(faces)
        if options.qwen is not None:
            detector = await opened.enter_async_context(_qwen(options.qwen, options))
        if options.seedream is not None:
            generator = await opened.enter_async_context(
                _seedream(options.seedream, options, assets)
            )
        yield works(
            Pipeline(
                detector=detector,
                generator=generator,
                sources=sources,
                assets=assets,
                budgets=budgets,
                feather=options.feather,
            )
        )


@contextlib.asynccontextmanager
async def _qwen(account: ProviderAccount, options: FaceOptions) -> AsyncIterator[QwenDetector]:
    async with account.provider("qwen") as provider:
        qwen = QwenVL(provider, account.model)
        yield QwenDetector(qwen, _limits("qwen", account), options.prices, expand=options.expand)


@contextlib.asynccontextmanager
async def _seedream(
    account: ProviderAccount, options: FaceOptions, assets: AssetStore
) -> AsyncIterator[SeeDreamGenerator]:
    async with (
        account.provider("seedream") as provider,
        SeeDream(
            provider, account.model, endpoint=account.endpoint, watermark=options.watermark
        ) as seedream,
    ):
        yield SeeDreamGenerator(
            seedream,
            _limits("seedream", account),
            options.prices,
            assets,
            frames=options.whole_frames,
        )


def _limits(name: str, account: ProviderAccount) -> ProviderLimits:
    return ProviderLimits(name, in_flight=account.in_flight, per_minute=account.per_minute)
