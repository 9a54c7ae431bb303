"""What is wrong with queues, tables, settings, budgets and tasks, as values."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from short_drama.backends.aws.resources import TASKS
from short_drama.doctor.bucket import probes
from short_drama.doctor.configuration import addresses, times
from short_drama.doctor.finding import Finding, Verdict
from short_drama.doctor.providers import meaning
from short_drama.doctor.queues import differences, redrives
from short_drama.doctor.table import shape
from short_drama.doctor.work import remaining, standing, waiting
from short_drama.domain.asset_keys import PRIVATE_PREFIXES, PUBLIC_PREFIXES
from short_drama.domain.errors import (
    ChargeUnknown,
    EngineFailed,
    EngineUnavailable,
    InvalidRequest,
    ProviderPaused,
    Throttled,
)
from short_drama.domain.kinds import Lane
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from tests.samples import NOW, a_task

SHAPE = TASKS.shape
OWN, DEAD, OTHER = (f"arn:aws:sqs:us-east-1:1:{name}" for name in ("gpu", "dead", "other"))


def one(found: object) -> Finding | None:
    """The only fault, if there is one."""
    faults: list[Finding] = list(found)  # type: ignore[call-overload]
    assert len(faults) < 2, faults
    return faults[0] if faults else None


# --- Queues -------------------------------------------------------------------------------


def queue(redrive: object) -> dict[str, str]:
    policy = {} if redrive is None else {"RedrivePolicy": json.dumps(redrive)}
    return {"QueueArn": OWN, **policy}


def dead(allow: object) -> dict[str, str]:
    return {
        "QueueArn": DEAD,
        **({} if allow is None else {"RedriveAllowPolicy": json.dumps(allow)}),
    }


TO_DEAD = {"deadLetterTargetArn": DEAD, "maxReceiveCount": 10}
FROM_OWN = {"redrivePermission": "byQueue", "sourceQueueArns": [OWN]}


@pytest.mark.parametrize(
    ("redrive", "allow", "told"),
    [
        (TO_DEAD, FROM_OWN, None),
        ({**TO_DEAD, "maxReceiveCount": "10"}, FROM_OWN, None),
        (None, FROM_OWN, "gpu has no dead-letter queue"),
        ({**TO_DEAD, "deadLetterTargetArn": OTHER}, FROM_OWN, "gpu sends its dead letters to arn:"),
        ({**TO_DEAD, "maxReceiveCount": 3}, FROM_OWN, "gpu gives up after 3 receives, not 10"),
        (TO_DEAD, None, "dead takes dead letters of any queue"),
        (TO_DEAD, {"redrivePermission": "denyAll"}, "dead takes no dead letters of gpu"),
        (TO_DEAD, {**FROM_OWN, "sourceQueueArns": [OTHER]}, "dead takes no dead letters of gpu"),
    ],
)  # fmt: skip
def test_redrives(redrive: object, allow: object, told: str | None) -> None:
    fault = one(redrives("gpu", queue(redrive), "dead", dead(allow)))
    assert (fault is None) == (told is None)
    if fault is not None:
        assert fault.found.startswith(str(told))
        assert "aws sqs set-queue-attributes" in str(fault.do)


def test_attributes_that_differ() -> None:
    wanted = {"VisibilityTimeout": "600", "SqsManagedSseEnabled": "true"}
    assert one(differences("cpu", {"VisibilityTimeout": "600"}, wanted)) is None
    fault = one(differences("cpu", {"VisibilityTimeout": "30"}, wanted))
    assert fault is not None
    assert fault.verdict is Verdict.WARNING
    assert fault.found == "VisibilityTimeout of cpu is 30, not 600"


# --- The table ----------------------------------------------------------------------------


def described(**changes: Any) -> Mapping[str, Any]:
    indexes = [{**each, "IndexStatus": "ACTIVE"} for each in SHAPE["GlobalSecondaryIndexes"]]
    return {**SHAPE, "GlobalSecondaryIndexes": indexes, "TableStatus": "ACTIVE", **changes}


def with_second(**changes: Any) -> Mapping[str, Any]:
    first, second = described()["GlobalSecondaryIndexes"]
    return described(GlobalSecondaryIndexes=[first, {**second, **changes}])


def test_a_table_as_it_is_created_has_no_fault() -> None:
    assert one(shape("t", described(), SHAPE)) is None
    assert one(shape("t", with_second(Projection={"ProjectionType": "ALL"}), SHAPE)) is None


@pytest.mark.parametrize(
    ("found", "verdict", "told"),
    [
        (described(GlobalSecondaryIndexes=described()["GlobalSecondaryIndexes"][:1]),
         Verdict.WRONG, "the index lane-due_at-index of t is missing"),
        (with_second(IndexStatus="CREATING"), Verdict.WARNING,
         "the index lane-due_at-index of t is CREATING"),
        (with_second(KeySchema=SHAPE["KeySchema"]), Verdict.WRONG,
         "the index lane-due_at-index of t is on other attributes"),
        (described(KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}]), Verdict.WRONG,
         "the key of t is not task_id"),
        (described(TableStatus="DELETING"), Verdict.WARNING, "t is DELETING"),
    ],
)  # fmt: skip
def test_tables_that_lack_something(found: Mapping[str, Any], verdict: Verdict, told: str) -> None:
    fault = one(shape("t", found, SHAPE))
    assert fault is not None
    assert (fault.verdict, fault.found) == (verdict, told)
    assert fault.do


def test_an_index_that_shows_too_little() -> None:
    first, second = described()["GlobalSecondaryIndexes"]
    poor = {**first, "Projection": {"ProjectionType": "KEYS_ONLY"}}
    fault = one(shape("t", described(GlobalSecondaryIndexes=[poor, second]), SHAPE))
    assert fault is not None
    assert fault.found.endswith("does not show kind, labels, lane, owner")


# --- The bucket ---------------------------------------------------------------------------


@pytest.mark.parametrize("component", list(Component))
def test_only_where_our_assets_are_is_something_put(component: Component) -> None:
    keys = probes([component])
    assert all(key.startswith((*PUBLIC_PREFIXES, *PRIVATE_PREFIXES)) for key in keys)
    assert bool(keys) == ("adapter" not in component)


# --- Settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, None),
        ({"assets_url": "https://assets.example.com"}, None),
        ({"assets_url": "assets.example.com"}, "SHORT_DRAMA_ASSETS_URL is no address"),
        ({"assets_url": "http://127.0.0.1:8080/assets", "public_hosts": "studio.example.com"},
         "clients elsewhere are told to read results at"),
        ({"backend": "aws"}, "an orchestrator on AWS needs SHORT_DRAMA_SECRET"),
        ({"backend": "aws", "secret": "s" * 32}, None),
        ({"backend": "aws", "secret": "s" * 32, "cloudfront_domain": "a.example.com",
          "assets_url": "https://b.example.com"}, "SHORT_DRAMA_ASSETS_URL leads to b.example.com"),
    ],
)  # fmt: skip
def test_addresses(given: dict[str, Any], told: str | None) -> None:
    fault = one(addresses(Settings(**given), list(Component)))
    assert (fault is None) == (told is None)
    assert fault is None or fault.found.startswith(str(told))


def test_times_that_do_not_go_together() -> None:
    assert one(times(Settings())) is None
    slow = one(times(Settings(progress_seconds=90)))
    assert slow is not None
    assert "SHORT_DRAMA_PROGRESS_SECONDS" in str(slow.do)
    assert len(list(times(Settings(visibility_seconds=30)))) == len(Lane)


# --- Providers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (EngineFailed("it does not take our call"), Verdict.OK),
        (InvalidRequest("it does not take the prompt"), Verdict.OK),
        (ProviderPaused("a bill is overdue", fix="Pay it."), Verdict.WRONG),
        (Throttled("it asks to slow down"), Verdict.WARNING),
        (EngineUnavailable("it cannot be reached"), Verdict.WRONG),
        (ChargeUnknown("it gave no answer"), Verdict.WRONG),
    ],
)
def test_what_a_refusal_of_nothing_means(error: Any, verdict: Verdict) -> None:
    assert meaning(error, "well", setting="SHORT_DRAMA_ARK_API_KEY").verdict is verdict


# --- Work ---------------------------------------------------------------------------------


def test_what_waits() -> None:
    assert waiting({}).verdict is Verdict.OK
    assert waiting({Lane.GPU: 30.0}).found == "the oldest waits for 30 s"
    fault = waiting({Lane.GPU: 30.0, Lane.CPU: 3600.0})
    assert (fault.verdict, fault.found) == (Verdict.WARNING, "the oldest cpu task waits for 60 min")


def test_what_is_left_alone() -> None:
    held = a_task().claim("w", now=NOW, lease=60)
    assert standing([], [held], now=NOW + 10).verdict is Verdict.OK
    assert standing([], [held], now=NOW + 7200).verdict is Verdict.WARNING
    fault = standing([held, a_task("t2")], [], now=NOW + 600)
    assert fault.verdict is Verdict.WRONG
    assert "1 in processing, 1 pending (t1, t2)" in fault.found


@pytest.mark.parametrize(
    ("rest", "verdict"),
    [(9_000_000, Verdict.OK), (500_000, Verdict.WARNING), (0, Verdict.WRONG), (-1, Verdict.WRONG)],
)
def test_what_is_left_of_budgets(rest: int, verdict: Verdict) -> None:
    found = remaining({"day/2026-11-27": (rest, 10_000_000)})
    assert found.verdict is verdict
    assert "10.00 USD for 2026-11-27" in found.found
