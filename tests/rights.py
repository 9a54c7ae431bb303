"""What a policy says of a call to AWS, as IAM reads it, as far as our policies go."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One right that a request needs. `keys`: the partition keys of the items it asks for."""

    action: str
    resource: str
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Right:
    """An action on the resources of one pattern, as a statement gives it."""

    sid: str
    action: str
    resource: str
    condition: Any

    def covers(self, call: Call) -> bool:
        return (
            self.action == call.action
            and fnmatchcase(call.resource, self.resource)
            and all(
                _holds(operator, values, call.keys)
                for operator, tested in self.condition.items()
                for values in [tested["dynamodb:LeadingKeys"]]
            )
        )


def rights_of(policy: Policy) -> Iterator[Right]:
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            for resource in statement["Resource"]:
                condition = statement.get("Condition", {})
                yield Right(statement["Sid"], action, resource, condition)


def missing(policy: Policy, calls: Iterable[Call]) -> set[Call]:
    """Calls that the policy does not allow."""
    rights = list(rights_of(policy))
    return {call for call in calls if not any(right.covers(call) for right in rights)}


def unused(policy: Policy, calls: Iterable[Call]) -> list[Right]:
    """Rights that none of the calls needs."""
    calls = set(calls)
    return [right for right in rights_of(policy) if not any(right.covers(call) for call in calls)]


def _holds(operator: str, patterns: Sequence[str], keys: Iterable[str]) -> bool:
    """IAM user guide, condition operators for multivalued context keys."""
    matches = [any(fnmatchcase(key, pattern) for pattern in patterns) for key in keys]
    match operator:
        case "ForAllValues:StringLike":
            return all(matches)
        case "ForAllValues:StringNotLike":
            return not any(matches)
    raise AssertionError(f"what {operator} means is not written here")
