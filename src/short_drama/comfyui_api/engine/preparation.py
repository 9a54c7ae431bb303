"""What is looked at before the engine takes work: for each kind, whether the server has what it
needs, and whether it runs."""

from collections.abc import Collection, Iterator, Mapping

from short_drama.comfyui_api.abilities import Abilities
from short_drama.comfyui_api.engine.engine import Engine
from short_drama.comfyui_api.engine.warm_up import WarmUp
from short_drama.comfyui_api.workflows.library import Library
from short_drama.comfyui_api.workflows.server_facts import ServerFacts
from short_drama.comfyui_api.workflows.shortcomings import shortcomings
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import EngineNotReady


class Preparation:
    """Of the kinds that `abilities` is about.

    Args:
        warmed: those that run once before they count as able.
    """

    def __init__(
        self,
        engine: Engine,
        workflows: Library,
        abilities: Abilities,
        warm_up: WarmUp,
        *,
        warmed: Collection[str],
    ) -> None:
        self._engine, self._workflows, self._abilities = engine, workflows, abilities
        self._warm_up, self._warmed = warm_up, warmed
        self._drops: int | None = None

    async def run(self) -> None:
        """Find out which kinds can run. Safe to repeat, also while others of them run.

        Raises EngineNotReady when none can, and a retryable error when the server goes away.
        """
        abilities, comfyui = self._abilities, self._engine.comfyui
        facts = ServerFacts(await comfyui.object_info(), await comfyui.system_stats())
        if self._drops != self._engine.drops:  # another process, perhaps
            self._drops = self._engine.drops
            abilities.forget_failures()
            self._workflows.choose(facts)
        else:  # jobs of those that are able may be running
            able = abilities.able
            self._workflows.choose(facts, [kind for kind in abilities.kinds if kind not in able])
        workflows = {kind: self._workflows[kind] for kind in abilities.kinds}
        abilities.missing(dict(_lacking(workflows, facts)))
        for kind in abilities.kinds:
            if abilities.may_try(kind) and await self._wants_a_run(kind):
                await self._try(kind)
        if abilities.kinds and not abilities.able:
            abilities.check(abilities.kinds[0])

    async def _wants_a_run(self, kind: str) -> bool:
        if self._abilities.is_due(kind):
            return True
        if self._engine.health.needs_restart and not self._engine.works:
            return True  # it was ill: a prompt of our own shows whether it is well now
        return kind in self._warmed and not await self._warm_up.is_warm(kind)

    async def _try(self, kind: str) -> None:
        try:
            await self._warm_up.run(kind)
        except EngineNotReady as error:
            self._abilities.fails(kind, error)
        else:
            self._abilities.works(kind)


def _lacking(
    workflows: Mapping[str, Workflow], facts: ServerFacts
) -> Iterator[tuple[str, EngineNotReady]]:
    """The kinds that the server lacks something for, and what."""
    for kind, workflow in workflows.items():
        found = shortcomings(workflow, facts)
        if found:
            more = f" (and {len(found) - 1} more faults)" if len(found) > 1 else ""
            yield kind, EngineNotReady(f"{kind}: {found[0].message}{more}", fix=found[0].fix)
