"""The queues on SQS: are they there, and are they as the product needs them?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from short_drama.backends.aws.rightless import NotAllowed
from short_drama.doctor.account import EMBEDDED
from short_drama.doctor.finding import Finding, not_applicable, together, warning, wrong
from short_drama.doctor.site import Site
from short_drama.domain.attempts import MAX_RECEIVES

if TYPE_CHECKING:  # AWS's own packages are an extra
    from short_drama.backends.aws.resources import Queue

Attributes = Mapping[str, str]
_PROVISION = "Run `short-drama provision`, or check AWS_REGION and SHORT_DRAMA_NAME_PREFIX."
_APART = frozenset({"SqsManagedSseEnabled", "RedrivePolicy"})
"""Attributes that are not compared as they are: not every server tells of the first."""


async def queues(site: Site) -> Finding:
    if not site.on_aws:
        return not_applicable(EMBEDDED)
    from short_drama.backends.aws.resources import QUEUES

    faults: list[Finding] = []
    seen = []
    for queue in QUEUES:
        try:
            faults += await _of(site, queue)
            seen.append(queue.name)
        except NotAllowed as refused:
            hidden = refused.said or refused.action
    if not seen:
        return not_applicable(f"this role may not look at them ({hidden}): ask as an operator")
    return together(faults, otherwise=f"{' and '.join(seen)} are as they were made")


async def _of(site: Site, queue: Queue) -> list[Finding]:
    survey, prefix = await site.survey(), site.settings.name_prefix
    name, dead_name = prefix + queue.name, prefix + queue.dead_letters
    found, dead = await survey.queue(name), await survey.queue(dead_name)
    if found is None:
        return [wrong(f"there is no queue {name}", _PROVISION)]
    if dead is None:
        return [wrong(f"{name} has no dead-letter queue: there is no {dead_name}", _PROVISION)]
    wanted = queue.attributes(dead_letter_arn=dead["QueueArn"], max_receives=MAX_RECEIVES)
    return [
        *redrives(name, found, dead_name, dead),
        *differences(name, found, wanted),
        *differences(dead_name, dead, queue.dead_letter_attributes()),
    ]


def redrives(name: str, queue: Attributes, dead_name: str, dead: Attributes) -> Iterator[Finding]:
    """Whether what cannot be delivered gets to the dead-letter queue of the lane."""
    policy = _object(queue.get("RedrivePolicy"))
    target, count = policy.get("deadLetterTargetArn"), policy.get("maxReceiveCount")
    wanted = {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": str(MAX_RECEIVES)}
    cure = _set(name, {"RedrivePolicy": json.dumps(wanted)})
    if target is None:
        yield wrong(
            f"{name} has no dead-letter queue: what cannot be delivered comes back for ever", cure
        )
    elif target != dead["QueueArn"]:
        yield wrong(f"{name} sends its dead letters to {target}, where nobody looks", cure)
    elif str(count) != str(MAX_RECEIVES):
        yield warning(f"{name} gives up after {count} receives, not {MAX_RECEIVES}", cure)
    allowed = _object(dead.get("RedriveAllowPolicy"))
    if allowed.get("redrivePermission") == "denyAll" or (
        allowed.get("redrivePermission") == "byQueue"
        and queue["QueueArn"] not in allowed.get("sourceQueueArns", ())
    ):
        yield wrong(f"{dead_name} takes no dead letters of {name}", _allow(dead_name, queue))
    elif allowed.get("redrivePermission") != "byQueue":
        yield warning(f"{dead_name} takes dead letters of any queue", _allow(dead_name, queue))


def differences(name: str, found: Attributes, wanted: Mapping[Any, str]) -> Iterator[Finding]:
    """Attributes that are not as `provision` makes them."""
    for key, value in wanted.items():
        if key not in _APART and found.get(key) != value:
            yield warning(
                f"{key} of {name} is {found.get(key)}, not {value}", _set(name, {key: value})
            )


def _object(text: str | None) -> Mapping[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _allow(dead_name: str, queue: Attributes) -> str:
    policy = {"redrivePermission": "byQueue", "sourceQueueArns": [queue["QueueArn"]]}
    return _set(dead_name, {"RedriveAllowPolicy": json.dumps(policy)})


def _set(name: str, attributes: Attributes) -> str:
    return (
        f"Run: aws sqs set-queue-attributes --queue-url $(aws sqs get-queue-url --queue-name {name}"
        f" --query QueueUrl --output text) --attributes '{json.dumps(attributes)}'"
    )
