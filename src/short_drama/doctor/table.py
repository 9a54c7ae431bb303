"""The task table on DynamoDB: its key, its indexes, and what keeps it small and safe."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from short_drama.backends.aws.rightless import NotAllowed, NotOffered
from short_drama.doctor.account import EMBEDDED
from short_drama.doctor.finding import Finding, not_applicable, together, warning, wrong
from short_drama.doctor.site import Site

if TYPE_CHECKING:  # AWS's own packages are an extra
    from short_drama.backends.aws.survey import Survey

_PROVISION = "Run `short-drama provision`, or check AWS_REGION and SHORT_DRAMA_NAME_PREFIX."


async def table(site: Site) -> Finding:
    if not site.on_aws:
        return not_applicable(EMBEDDED)
    from short_drama.backends.aws.resources import TASKS

    survey, name = await site.survey(), site.settings.name_prefix + site.settings.table
    try:
        found = await survey.table(name)
    except NotAllowed as refused:
        said = refused.said or refused.action
        return not_applicable(f"this role may not look at it ({said}): ask as an operator")
    if found is None:
        return wrong(f"there is no table {name}", _PROVISION)
    faults = [*shape(name, found, TASKS.shape), *await _upkeep(survey, name)]
    indexes = ", ".join(index.name for index in TASKS.indexes)
    return together(faults, otherwise=f"{name} is there with {indexes}")


def shape(name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Finding]:
    """What its description lacks of what the product asks of it.

    Args:
        found: as DescribeTable tells. wanted: as CreateTable is told.
    """
    if found["KeySchema"] != wanted["KeySchema"]:
        yield wrong(
            f"the key of {name} is not task_id",
            "It is another program's: set SHORT_DRAMA_TABLE or SHORT_DRAMA_NAME_PREFIX.",
        )
        return
    if found["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield warning(f"{name} is {found['TableStatus']}", "Wait until it is ACTIVE.")
    there = {each["IndexName"]: each for each in found.get("GlobalSecondaryIndexes", ())}
    for index in wanted["GlobalSecondaryIndexes"]:
        yield from _index(name, there.get(index["IndexName"]), index)


def _index(
    name: str, found: Mapping[str, Any] | None, wanted: Mapping[str, Any]
) -> Iterator[Finding]:
    called = f"the index {wanted['IndexName']} of {name}"
    keys = " and ".join(f"{key['AttributeName']} ({key['KeyType']})" for key in wanted["KeySchema"])
    add = (
        f"Add it, on {keys}: `aws dynamodb update-table` or the console; without it tasks are "
        "neither listed nor swept. A table that holds nothing may be deleted and provisioned anew."
    )
    if found is None:
        yield wrong(f"{called} is missing", add)
    elif found["KeySchema"] != wanted["KeySchema"]:
        yield wrong(f"{called} is on other attributes", f"Delete it. {add}")
    elif found.get("IndexStatus", "ACTIVE") != "ACTIVE":
        yield warning(f"{called} is {found['IndexStatus']}", "Wait until it is ACTIVE.")
    elif lacking := _shown(wanted) - _shown(found) if _partly(found) else set():
        yield wrong(f"{called} does not show {', '.join(sorted(lacking))}", f"Delete it. {add}")


def _partly(index: Mapping[str, Any]) -> bool:
    return bool(index["Projection"]["ProjectionType"] != "ALL")


def _shown(index: Mapping[str, Any]) -> set[str]:
    return set(index["Projection"].get("NonKeyAttributes", ()))


async def _upkeep(survey: Survey, name: str) -> list[Finding]:
    """What one may not look at, or a server that is not AWS's does not have, is no fault."""
    faults = []
    with contextlib.suppress(NotAllowed, NotOffered):
        if not await survey.expires(name):
            faults.append(
                warning(
                    f"{name} keeps ended tasks for ever: its time to live is off",
                    f"Run: aws dynamodb update-time-to-live --table-name {name} "
                    "--time-to-live-specification Enabled=true,AttributeName=expires_at",
                )
            )
    with contextlib.suppress(NotAllowed, NotOffered):
        if not await survey.backed_up(name):
            faults.append(
                warning(
                    f"{name} cannot be had as it was yesterday: point-in-time recovery is off",
                    f"Run: aws dynamodb update-continuous-backups --table-name {name} "
                    "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
                )
            )
    return faults
