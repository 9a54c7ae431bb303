"""Run checks: all at once, each after those that it needs, each for so long at most."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import SecretStr

from short_drama.doctor.check import Check
from short_drama.doctor.checks import CHECKS
from short_drama.doctor.finding import Finding, Verdict, not_applicable, wrong
from short_drama.doctor.site import Site
from short_drama.domain.errors import ShortDramaError
from short_drama.settings import Settings

SECONDS, FAST_SECONDS = 20.0, 1.5
"""For each check."""
_NO_FIX = "Look at the log of whoever said so; docs/doctor.md says what the check asks."
_BUG = "This is a bug of the check itself: please report it, with this line."


@dataclass(frozen=True, slots=True)
class Result:
    """`first`: the check to be mended before this one can be made."""

    check: Check
    finding: Finding
    seconds: float
    first: str | None = None

    @property
    def verdict(self) -> Verdict:
        return self.finding.verdict


def chosen(
    only: Collection[str] = (), *, fast: bool = False, checks: Sequence[Check] = CHECKS
) -> list[Check]:
    """The checks of these names, else those of the form asked for, with what they need."""
    by_name = {check.name: check for check in checks}
    wanted = set(only) or {check.name for check in checks if check.fast or not fast}
    missing = list(wanted)
    while missing:
        more = set(by_name[missing.pop()].needs) - wanted
        wanted |= more
        missing += more
    return [check for check in checks if check.name in wanted]


async def examine(
    site: Site, checks: Iterable[Check], *, seconds: float | None = None
) -> list[Result]:
    """Every check's result, in their order; never raises for what a check does."""
    limit = seconds or (FAST_SECONDS if site.fast else SECONDS)
    running: dict[str, asyncio.Task[Result]] = {}
    for check in checks:  # each after those that it needs, as the table has them
        running[check.name] = asyncio.create_task(_result(check, site, running, limit))
    return list(await asyncio.gather(*running.values()))


async def _result(
    check: Check, site: Site, running: Mapping[str, asyncio.Task[Result]], limit: float
) -> Result:
    first = None
    for name in check.needs:
        if name in running:
            needed = await running[name]
            first = first or (name if needed.verdict is Verdict.WRONG else needed.first)
    if first is not None:
        return Result(check, not_applicable(f"first mend {first}"), 0.0, first)
    started = time.perf_counter()
    finding = _hidden(await _finding(check, site, limit), site.settings)
    return Result(check, finding, time.perf_counter() - started)


async def _finding(check: Check, site: Site, limit: float) -> Finding:
    try:
        async with asyncio.timeout(limit):
            return await check.examine(site)
    except ShortDramaError as error:
        return wrong(error.detail, error.fix or _NO_FIX)
    except TimeoutError:
        return wrong(f"no answer within {limit:g} s", f"Try again: --only {check.name}. {_NO_FIX}")
    except Exception as error:  # one broken check must not hide what the others say
        return wrong(f"the check failed: {type(error).__name__}: {error}"[:300], _BUG)


def _hidden(finding: Finding, settings: Settings) -> Finding:
    """The finding without any secret that the settings hold, whoever repeated it."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    secrets = [each.get_secret_value() for each in values if isinstance(each, SecretStr)]
    found, do = finding.found, finding.do
    for secret in filter(None, secrets):
        found, do = found.replace(secret, "***"), do and do.replace(secret, "***")
    parts = tuple(_hidden(each, settings) for each in finding.parts)
    return replace(finding, found=found, do=do, parts=parts)
