"""Models and prices of each kind, by the settings."""

from collections.abc import Mapping, Sequence

from short_drama.domain.kinds import Catalogue, Lane
from short_drama.orchestrator.kind_facts import KindFacts
from short_drama.settings import Settings
from short_drama.wiring.accounts import open_estimate
from short_drama.wiring.engines import open_workflows
from short_drama.wiring.prices import seedream_model


def kind_facts(settings: Settings, catalogue: Catalogue) -> dict[str, KindFacts]:
    """Raises InvalidRequest for settings that say nothing that can be meant."""
    models = {**_of_workflows(settings, catalogue), **_of_providers(settings)}
    estimate = open_estimate(settings)
    return {
        kind: KindFacts(
            models=models.get(kind, ()),
            most_micros=sum(estimate(kind, {}).values()) if estimate else 0,
        )
        for kind in catalogue
    }


def _of_workflows(settings: Settings, catalogue: Catalogue) -> Mapping[str, Sequence[str]]:
    if settings.comfyui_url is None and settings.comfy_v2_url is None:
        return {}
    workflows = open_workflows(settings)
    return {
        kind.name: [each.model_set or "own" for each in workflows.candidates(kind.name)]
        for kind in catalogue.of(Lane.GPU)
        if kind.name in workflows
    }


def _of_providers(settings: Settings) -> Mapping[str, Sequence[str]]:
    find = [] if settings.detector == "local" else [settings.qwen_model]
    make = [] if settings.generator == "local" else [seedream_model(settings)]
    return {"face-mask": find, "face-swap": make, "full-face-swap": [*find, *make]}
