"""Stacks of the template in an account, which may be the emulator's."""

import asyncio
from typing import TYPE_CHECKING, Any

from tests.deploy.template import FILE

if TYPE_CHECKING:
    from types_aiobotocore_cloudformation import CloudFormationClient


class Stacks:
    def __init__(self, cloudformation: "CloudFormationClient") -> None:
        self._ask = cloudformation

    async def create(self, name: str, **parameters: str) -> dict[str, str]:
        """Its outputs."""
        await self._ask.create_stack(
            StackName=name,
            TemplateBody=FILE.read_text(),
            Parameters=listed(parameters),
            Capabilities=["CAPABILITY_IAM"],
        )
        return await self.outputs(name, "CREATE_COMPLETE")

    async def outputs(self, name: str, status: str) -> dict[str, str]:
        for _ in range(1000):
            stack: Any = (await self._ask.describe_stacks(StackName=name))["Stacks"][0]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                break
            await asyncio.sleep(0.1)
        assert stack["StackStatus"] == status, await self._reasons(name)
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    async def _reasons(self, name: str) -> list[str]:
        events = (await self._ask.describe_stack_events(StackName=name))["StackEvents"]
        return [
            f"{one.get('LogicalResourceId')}: {one.get('ResourceStatusReason')}"
            for one in events
            if one.get("ResourceStatus", "").endswith("FAILED")
        ]

    async def resources(self, name: str) -> dict[str, str]:
        """Physical ids by logical ones."""
        found = await self._ask.describe_stack_resources(StackName=name)
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found["StackResources"]
        }

    async def changes(self, name: str, **parameters: str) -> list[str]:
        """Which resources an update with other parameters changes; and it is done."""
        await self._ask.create_change_set(
            StackName=name,
            ChangeSetName="change",
            TemplateBody=FILE.read_text(),
            Parameters=listed(parameters),
            Capabilities=["CAPABILITY_IAM"],
        )
        for _ in range(1000):
            found: Any = await self._ask.describe_change_set(StackName=name, ChangeSetName="change")
            if found["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                break
            await asyncio.sleep(0.1)
        assert found["Status"] == "CREATE_COMPLETE", found.get("StatusReason")
        await self._ask.execute_change_set(StackName=name, ChangeSetName="change")
        await self.outputs(name, "UPDATE_COMPLETE")
        return sorted(one["ResourceChange"]["LogicalResourceId"] for one in found["Changes"])

    async def delete(self, name: str) -> None:
        await self._ask.delete_stack(StackName=name)
        for _ in range(1000):
            found = await self._ask.list_stacks()
            statuses = [
                one["StackStatus"] for one in found["StackSummaries"] if one["StackName"] == name
            ]
            if statuses == ["DELETE_COMPLETE"]:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(statuses)


def listed(parameters: dict[str, str]) -> list[Any]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
