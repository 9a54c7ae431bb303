"""Checks are run together, each for itself."""

import asyncio
from typing import Any

from short_drama.doctor.check import Check, Examine
from short_drama.doctor.checks import CHECKS
from short_drama.doctor.examination import Result, chosen, examine
from short_drama.doctor.finding import (
    Finding,
    Verdict,
    not_applicable,
    ok,
    together,
    warning,
    wrong,
)
from short_drama.doctor.site import Site
from short_drama.domain.errors import Unavailable
from short_drama.settings import Settings


def check(name: str, examine: Examine, **members: Any) -> Check:
    return Check(name=name, examine=examine, **members)


def finds(finding: Finding) -> Examine:
    async def examine(_: Site) -> Finding:
        return finding

    return examine


def raises(error: BaseException) -> Examine:
    async def examine(_: Site) -> Finding:
        raise error

    return examine


async def sleeps(_: Site) -> Finding:
    await asyncio.sleep(60)
    return ok("awake")


async def results(*checks: Check, seconds: float = 5.0, **settings: Any) -> dict[str, Result]:
    async with Site(Settings(**settings)) as site:
        found = await examine(site, checks, seconds=seconds)
    return {each.check.name: each for each in found}


async def test_a_check_that_crashes_is_told_of_and_stops_nobody() -> None:
    found = await results(
        check("broken", raises(KeyError("x"))), check("well", finds(ok("it is well")))
    )
    assert found["broken"].verdict is Verdict.WRONG
    assert "the check failed: KeyError" in found["broken"].finding.found
    assert found["well"].finding == ok("it is well")


async def test_a_check_that_hangs_is_given_up() -> None:
    found = await results(check("slow", sleeps), check("well", finds(ok(""))), seconds=0.01)
    assert "no answer within 0.01 s" in found["slow"].finding.found
    assert found["well"].verdict is Verdict.OK


async def test_an_error_of_ours_is_a_finding_with_its_fix() -> None:
    gone = Unavailable("it is away", fix="Start it.")
    found = await results(check("gone", raises(gone)))
    assert found["gone"].finding == wrong("it is away", "Start it.")


async def test_what_needs_something_that_is_wrong_is_not_tried() -> None:
    found = await results(
        check("first", finds(wrong("broken", "Mend it."))),
        check("second", raises(AssertionError()), needs=("first",)),
        check("third", raises(AssertionError()), needs=("second",)),
    )
    assert found["second"].finding == not_applicable("first mend first")
    assert found["third"].finding == not_applicable("first mend first")


async def test_what_needs_something_that_is_merely_not_well_is_tried() -> None:
    found = await results(
        check("first", finds(warning("not well", "Look at it."))),
        check("second", finds(ok("well")), needs=("first",)),
    )
    assert found["second"].verdict is Verdict.OK


async def test_no_finding_has_a_secret() -> None:
    key = "sk-very-secret"
    told = wrong(f"the key {key} is refused", f"Change {key}.")
    found = await results(check("leaky", finds(told)), dashscope_api_key=key)
    assert key not in str(found["leaky"].finding)
    assert found["leaky"].finding.found == "the key *** is refused"


async def test_what_several_ask_is_asked_once() -> None:
    asked = []

    async def ask() -> int:
        asked.append(1)
        return 7

    async with Site(Settings()) as site:
        answers = await asyncio.gather(*(site.once("number", ask) for _ in range(3)))
    assert (answers, asked) == ([7, 7, 7], [1])


def test_the_worst_of_several_faults_counts() -> None:
    found = together([ok("a"), warning("b", "B."), wrong("c", "C.")], otherwise="well")
    assert (found.verdict, found.found, found.do) == (Verdict.WRONG, "c; b", "C. B.")
    assert together([ok("a")], otherwise="well") == ok("well")


def test_what_a_check_needs_is_chosen_too() -> None:
    names = [each.name for each in chosen(["cdn"])]
    assert names == ["python", "credentials", "region", "bucket", "cdn"]


def test_the_fast_form_needs_nothing_slow() -> None:
    assert all(each.fast for each in chosen(fast=True))
    assert chosen(fast=True)


def test_checks_stand_behind_what_they_need() -> None:
    seen: set[str] = set()
    for each in CHECKS:
        assert set(each.needs) <= seen, each.name
        assert each.name not in seen
        seen.add(each.name)
