"""The table of rights, and the policies in deploy/iam that are rendered of it."""

import json
import re
from pathlib import Path

import pytest

from short_drama.backends.aws.rights import ROLES, Names, policy
from short_drama.wiring.components import PROCESSES
from tests.rights import Call, missing, rights_of, unused

POLICIES = Path(__file__).parents[2] / "deploy" / "iam"
MINE = Names("us-east-1", "123456789012", "mine-", "my-assets")
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/mine-task_store"

OTHERS = ("t1", "spend#task/t1", "key#x", "used#x")


def files() -> dict[str, str]:
    return {f"{role}.json": json.dumps(policy(role), indent=2) + "\n" for role in ROLES}


def test_the_files_say_what_the_table_says() -> None:
    found = {file.name: file.read_text() for file in POLICIES.glob("*.json")}
    assert found == files(), "renew them: python -m tests.unit.test_rights"


def test_every_process_has_its_role() -> None:
    assert {process.role for process in PROCESSES.values()} < set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_allowed_on_everything(role: str) -> None:
    for right in rights_of(policy(role, MINE)):
        assert re.fullmatch(r"(sqs|dynamodb|s3):[A-Z][A-Za-z]+", right.action)
        assert "mine-" in right.resource or "my-assets" in right.resource
        assert not right.resource.endswith(("task_store*", "my-assets*", "my-assets/*", "/index/*"))


@pytest.mark.parametrize("role", ROLES)
def test_no_right_is_given_twice(role: str) -> None:
    given = [(right.action, right.resource) for right in rights_of(policy(role, MINE))]
    assert len(given) == len(set(given))
    sids = [statement.sid for statement in ROLES[role]]
    assert len(sids) == len(set(sids))
    assert all(sid.isalnum() for sid in sids)


@pytest.mark.parametrize("role", ROLES)
def test_only_an_orchestrator_deletes_more_than_messages(role: str) -> None:
    """And no more than purging characters takes: never a task, a page of the ledger, or a key."""
    rights = [right for right in rights_of(policy(role, MINE)) if "Delete" in right.action]
    if role != "orchestrator":
        assert {right.action for right in rights} <= {"sqs:DeleteMessage"}
        return
    items = {key: Call("dynamodb:DeleteItem", TABLE, frozenset({key})) for key in OTHERS}
    assert missing(policy(role, MINE), items.values()) == set(items.values())
    purged = Call("dynamodb:DeleteItem", TABLE, frozenset({"character#lin/x"}))
    assert missing(policy(role, MINE), [purged]) == set()
    objects = {right.resource.partition("/")[2] for right in rights if right.action[:2] == "s3"}
    assert objects == {"faces/*", "uploads/*", "images/face_swap/*", "seedream/*", "jobs/*"}


@pytest.mark.parametrize("role", ["gpu-adapter", "cpu-adapter"])
def test_an_adapter_has_nothing_to_do_with_money(role: str) -> None:
    rights = policy(role, MINE)
    for action in ("dynamodb:GetItem", "dynamodb:PutItem"):
        task, page = (Call(action, TABLE, frozenset({key})) for key in ("t1", "spend#task/t1"))
        assert missing(rights, [task, page]) == {page}


@pytest.mark.parametrize("role", ROLES)
def test_nobody_changes_or_deletes_a_line_of_the_audit(role: str) -> None:
    rights, line = policy(role, MINE), frozenset({"audit#x"})
    for action in ("dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:PartiQLUpdate"):
        assert missing(rights, [Call(action, TABLE, line)])
    writes = not missing(rights, [Call("dynamodb:PutItem", TABLE, line)])
    assert writes == (role in ("orchestrator", "operator"))


def test_the_paid_service_has_only_to_do_with_money() -> None:
    rights = policy("paid-api", MINE)
    for action in ("dynamodb:GetItem", "dynamodb:UpdateItem"):
        task, page = (Call(action, TABLE, frozenset({key})) for key in ("t1", "spend#task/t1"))
        both = Call(action, TABLE, frozenset({"t1", "spend#task/t1"}))
        assert missing(rights, [task, page, both]) == {task, both}


def test_rights_that_nobody_uses_are_found() -> None:
    rights = policy("paid-api", MINE)
    calls = [
        Call(right.action, right.resource.replace("*", "x"), frozenset({"spend#x"}))
        for right in rights_of(rights)
    ]
    assert unused(rights, calls) == []
    [left] = unused(rights, calls[1:])
    assert (left.action, left.resource) == (calls[0].action, "arn:aws:s3:::my-assets/uploads/*")


if __name__ == "__main__":
    for name, text in files().items():
        (POLICIES / name).write_text(text)
