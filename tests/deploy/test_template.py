"""The template as text: what it declares is what the product needs, and nothing else."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from short_drama import metrics
from short_drama.backends.aws.resources import (
    ABORTED,
    CLOSED,
    OWNERSHIP,
    QUEUES,
    TABLES,
    TASKS,
    lifecycle,
)
from short_drama.domain.asset_keys import PUBLIC_PREFIXES
from short_drama.domain.attempts import MAX_RECEIVES
from short_drama.domain.kinds import Lane
from short_drama.domain.lifetimes import USUAL
from short_drama.settings import Settings
from short_drama.wiring.components import PROCESSES, Component
from tests.aws_calls import ACCOUNT
from tests.deploy.template import FILE, FOLDER, NAME, Stack, exported, template
from tests.emulators.account import REGION
from tests.emulators.server import ROOT

PREFIX = "test-"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{PREFIX}{{}}"
GROUPS = {
    "Gpu": {Component.GPU_ADAPTER, Component.COMFYUI_API},
    "Cpu": {Component.CPU_ADAPTER, Component.PAID_API},
    "Orchestrator": {Component.ORCHESTRATOR, Component.CPU_ORCHESTRATOR},
}
"""Which of our processes each group's instances run."""
AGENT = json.loads((ROOT / "deploy/cloudwatch/agent.json").read_text())


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Stack({"Prefix": PREFIX, "BucketName": "assets", "Release": "1.2.3"})


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_cfn_lint_has_nothing_to_remark(path: Path) -> None:
    program = ROOT / ".deploy/bin/cfn-lint"
    assert program.exists(), "make deploy-tools"
    ended = subprocess.run([program, path], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stdout
    assert "cfn-lint" not in path.read_text(), "no rule is ignored"


def test_it_needs_no_bucket_to_be_deployed_from() -> None:
    """CloudFormation takes 51,200 bytes in the request itself."""
    assert len(FILE.read_bytes()) < 51_200


# --- What resources.py says ----------------------------------------------------------------


def parsed(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """SQS's attributes, which are strings, or CloudFormation's properties: one form for both."""

    def plain(value: Any) -> Any:
        match value:
            case bool():
                return str(value).lower()
            case dict():
                return {key: plain(part) for key, part in value.items()}
            case list():
                return [plain(part) for part in value]
            case str() if value.startswith("{"):
                return plain(json.loads(value))
        return str(value)

    return {name: plain(value) for name, value in attributes.items()}


def test_its_queues_are_those_of_the_table(stack: Stack) -> None:
    wanted = {}
    for queue in QUEUES:
        attributes = queue.attributes(
            dead_letter_arn=QUEUE_ARN.format(queue.dead_letters), max_receives=MAX_RECEIVES
        )
        letters = {
            **queue.dead_letter_attributes(),
            **queue.letters_from(QUEUE_ARN.format(queue.name)),
        }
        wanted[PREFIX + queue.name] = parsed(attributes)
        wanted[PREFIX + queue.dead_letters] = parsed(letters)
    declared = stack.of_type("AWS::SQS::Queue").values()
    found = {one["QueueName"]: parsed(one) for one in declared}
    for name, properties in found.items():
        assert properties.pop("QueueName") == name
    assert found == wanted


def test_its_tables_are_those_of_the_table(stack: Stack) -> None:
    wanted = {
        PREFIX + table.name: {
            **table.shape,
            "TimeToLiveSpecification": {"AttributeName": table.expires, "Enabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        }
        for table in TABLES
    }
    declared = stack.of_type("AWS::DynamoDB::Table").values()
    found = {one["TableName"]: dict(one) for one in declared}
    for name, properties in found.items():
        assert properties.pop("TableName") == name
    assert found == wanted


def test_its_bucket_is_that_of_the_table(stack: Stack) -> None:
    rules: list[dict[str, Any]] = [
        {"Id": name, "Status": "Enabled", "Prefix": prefix, "ExpirationInDays": days}
        for name, (prefix, days) in lifecycle(USUAL).items()
    ]
    name, days = ABORTED
    aborted = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}}
    rules.append({"Id": name, "Status": "Enabled", **aborted})
    assert list(stack.of_type("AWS::S3::Bucket").values()) == [
        {
            "BucketName": "assets",
            "OwnershipControls": {"Rules": [{"ObjectOwnership": OWNERSHIP}]},
            "PublicAccessBlockConfiguration": CLOSED,
            "LifecycleConfiguration": {"Rules": rules},
        }
    ]


def test_processes_look_for_what_it_makes() -> None:
    parameters, settings = template()["Parameters"], Settings.model_fields
    assert settings["table"].default == TASKS.name
    assert settings["bucket"].default == parameters["BucketName"]["Default"]
    assert settings["name_prefix"].default == parameters["Prefix"]["Default"]


def test_what_was_made_with_money_outlives_the_stack(stack: Stack) -> None:
    for name in ("TaskStore", "Assets"):
        resource = stack.resources[name]
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
        assert resource["UpdateReplacePolicy"] == "Retain", name


def test_others_read_pictures_by_the_cdn_only(stack: Stack) -> None:
    ((_, policy),) = stack.of_type("AWS::S3::BucketPolicy").items()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert statement["Action"] == "s3:GetObject"
    assert sorted(statement["Resource"]) == [
        f"arn:aws:s3:::assets/{prefix}*" for prefix in sorted(PUBLIC_PREFIXES)
    ]
    assert statement["Condition"] == {
        "StringEquals": {"AWS:SourceArn": "arn:aws:cloudfront::000000000000:distribution/Cdn"}
    }


# --- Roles and instances -------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_each_unit_has_its_processes_role_and_no_other(stack: Stack, group: str) -> None:
    user_data = stack.resources[f"{group}Launch"]["Properties"]["LaunchTemplateData"]["UserData"]
    units = dict(unit.split("=") for unit in exported(user_data)["UNITS"].split())
    processes = [PROCESSES[component] for component in GROUPS[group]]
    assert units == {one.unit: arn(one.role) for one in processes}
    policy = stack.resources[f"{group}InstancePolicy"]["Properties"]["PolicyDocument"]
    (assume,) = [one for one in policy["Statement"] if "sts:AssumeRole" in one["Action"]]
    allowed = assume["Resource"]
    assert set(allowed if isinstance(allowed, list) else [allowed]) == set(units.values())
    for process in processes:
        role = stack.resources[role_id(process.role)]["Properties"]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{group}InstanceRole"}


def arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{role_id(role)}"


def role_id(role: str) -> str:
    return "".join(word.capitalize() for word in role.split("-")) + "Role"


def test_every_process_runs_in_a_group_and_every_role_is_told(stack: Stack) -> None:
    assert set().union(*GROUPS.values()) == set(Component)
    roles = {process.role for process in PROCESSES.values()} | {"operator", "provisioner"}
    outputs = {name for name in template()["Outputs"] if name.endswith("RoleArn")}
    assert outputs == {f"{role_id(role)}Arn" for role in roles}
    made = {name for name in stack.of_type("AWS::IAM::Role") if "Instance" not in name}
    assert made == {role_id(role) for role in roles}


@pytest.mark.parametrize(
    ("group", "gigabytes", "kind"),
    [("Gpu", 100, "g4dn.xlarge"), ("Cpu", 30, "t3.medium"), ("Orchestrator", 30, "t3.small")],
)
def test_instances_are_launched_safely(stack: Stack, group: str, gigabytes: int, kind: str) -> None:
    data = stack.resources[f"{group}Launch"]["Properties"]["LaunchTemplateData"]
    assert data["InstanceType"] == kind
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    (disk,) = data["BlockDeviceMappings"]
    assert disk["Ebs"] == {"VolumeType": "gp3", "VolumeSize": gigabytes, "Encrypted": True}
    assert "22.04" in data["ImageId"]
    assert "KeyName" not in data
    variables = exported(data["UserData"])
    assert (variables["GROUP"], variables["LOGICAL_ID"]) == (group.lower(), f"{group}Group")


def test_the_gpu_lane_is_spot_unless_it_is_told_otherwise(stack: Stack) -> None:
    def market(found: Stack) -> Any:
        data = found.resources["GpuLaunch"]["Properties"]["LaunchTemplateData"]
        return data.get("InstanceMarketOptions")

    assert market(stack) == {"MarketType": "spot"}
    assert market(Stack({"GpuOnSpot": "false"})) is None


def test_nothing_starts_before_there_is_a_release() -> None:
    groups = Stack().of_type("AWS::AutoScaling::AutoScalingGroup")
    assert {name: one["MinSize"] for name, one in groups.items()} == dict.fromkeys(groups, "0")
    assert groups["GpuGroup"]["MaxSize"] == groups["CpuGroup"]["MaxSize"] == "0"


def test_instances_end_those_of_their_own_stack_only(stack: Stack) -> None:
    (policy,) = stack.of_type("AWS::IAM::ManagedPolicy").values()
    statements = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    ended = {arn.rpartition("/")[2] for arn in statements["SayThatItIsDrained"]["Resource"]}
    groups = stack.of_type("AWS::AutoScaling::AutoScalingGroup").values()
    assert ended == {group["AutoScalingGroupName"] for group in groups}


def test_only_the_load_balancer_gets_in(stack: Stack) -> None:
    doors = stack.of_type("AWS::EC2::SecurityGroup")
    assert not [name for name, one in doors.items() if "SecurityGroupIngress" in one]
    public = Stack({"ClientCidr": "192.0.2.0/24"}).of_type("AWS::EC2::SecurityGroup")
    ways_in = {name: one.get("SecurityGroupIngress", []) for name, one in public.items()}
    assert ways_in.pop("LaneDoor") == []
    for name, (way,) in ways_in.items():
        assert (way["FromPort"], way["ToPort"]) == (443, 443), name
    assert ways_in["OrchestratorDoor"][0]["SourceSecurityGroupId"] == "BalancerDoor.GroupId"
    assert ways_in["BalancerDoor"][0]["CidrIp"] == "192.0.2.0/24"


# --- Scaling -------------------------------------------------------------------------------


def test_the_gpu_lane_follows_its_backlog_from_none_and_back(stack: Stack) -> None:
    group = stack.resources["GpuGroup"]["Properties"]
    assert (group["MinSize"], group["MaxSize"]) == ("0", "1")
    (collected,) = group["MetricsCollection"]
    assert set(collected["Metrics"]) == {"GroupInServiceInstances", "GroupDesiredCapacity"}
    policy = stack.resources["GpuFollowsBacklog"]["Properties"]["TargetTrackingConfiguration"]
    target = float(policy["TargetValue"])
    backlog = policy["CustomizedMetricSpecification"]["Metrics"][-1]["Expression"]
    assert backlog == f"IF(instances > 0, (waiting + running) / instances, {target:.0f})"
    alarm = stack.resources["GpuIsWanted"]["Properties"]
    assert alarm["AlarmActions"] == ["GpuFromZero"]
    assert alarm["Metrics"][-1]["Expression"] == "IF(FILL(wanted, 0) < 1, waiting, 0)"
    step = stack.resources["GpuFromZero"]["Properties"]
    assert step["AdjustmentType"] == "ChangeInCapacity"
    assert step["StepAdjustments"] == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]


def test_a_lane_that_may_have_no_instance_is_not_asked_for_one() -> None:
    assert "GpuIsWanted" not in Stack({"Release": "1.2.3", "GpuMaxSize": "0"}).resources


def test_every_group_has_its_hook(stack: Stack) -> None:
    hooks = stack.of_type("AWS::AutoScaling::LifecycleHook")
    assert set(hooks) == {f"{group}Drain" for group in GROUPS}
    groups = stack.of_type("AWS::AutoScaling::AutoScalingGroup")
    assert set(groups) == {f"{group}Group" for group in GROUPS}


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_taken_away_may_finish_first(stack: Stack, group: str) -> None:
    hook = stack.resources[f"{group}Drain"]["Properties"]
    name = stack.resources[f"{group}Group"]["Properties"]["AutoScalingGroupName"]
    assert (hook["AutoScalingGroupName"], hook["LifecycleHookName"]) == (name, f"{name}-drain")
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    units = {component.process.unit for component in GROUPS[group]}
    assert hook["HeartbeatTimeout"] > sum(map(stop_seconds, units)), "they stop one after the other"


def stop_seconds(unit: str) -> float:
    """As much as systemd gives it."""
    folder = ROOT / "deploy/systemd"
    text = (folder / "common.conf").read_text() + (folder / f"{unit}.service").read_text()
    said = re.findall(r"^TimeoutStopSec=(?:(\d+)min)? ?(?:(\d+)s)?$", text, re.MULTILINE)
    minutes, seconds = said[-1] if said else ("", "90")
    return 60 * int(minutes or 0) + int(seconds or 0)


# --- Alarms --------------------------------------------------------------------------------


def test_every_queue_is_watched(stack: Stack) -> None:
    alarms = [
        one for one in stack.of_type("AWS::CloudWatch::Alarm").values() if "Metrics" not in one
    ]
    watched = {
        (one["MetricName"], one["Dimensions"][0]["Value"])
        for one in alarms
        if one["Namespace"] == "AWS/SQS"
    }
    ages = {("ApproximateAgeOfOldestMessage", PREFIX + queue.name) for queue in QUEUES}
    letters = {("ApproximateNumberOfMessagesVisible", PREFIX + one.dead_letters) for one in QUEUES}
    assert watched == ages | letters
    assert {tuple(one["AlarmActions"]) for one in alarms} == {("Alarms",)}


def test_alarms_of_our_own_metrics_look_where_the_agent_puts_them(stack: Stack) -> None:
    declared = AGENT["logs"]["metrics_collected"]["prometheus"]["emf_processor"]
    sent = {}
    for one in declared["metric_declaration"]:
        for selector in one["metric_selectors"]:
            sent[selector.strip("^$")] = {tuple(names) for names in one["dimensions"]}
    looked_for = {
        one["MetricName"]: {tuple(each["Name"] for each in one["Dimensions"])}
        for one in stack.of_type("AWS::CloudWatch::Alarm").values()
        if one.get("Namespace") == declared["metric_namespace"]
    }
    assert looked_for == sent


def test_what_the_agent_sends_is_a_metric_of_ours() -> None:
    shown = re.findall(r"^# TYPE (\S+)", metrics.render().decode(), re.MULTILINE)
    declared = AGENT["logs"]["metrics_collected"]["prometheus"]["emf_processor"]
    for one in declared["metric_declaration"]:
        for selector in one["metric_selectors"]:
            assert selector.strip("^$") in shown


def test_the_agent_scrapes_and_reads_every_process() -> None:
    scrape = yaml.safe_load((ROOT / "deploy/cloudwatch/prometheus.yml").read_text())
    (config,) = scrape["scrape_configs"]
    (static,) = config["static_configs"]
    defaults = {
        process.port: Settings.model_fields[process.port].default for process in PROCESSES.values()
    }
    assert sorted(static["targets"]) == sorted(f"127.0.0.1:{port}" for port in defaults.values())
    (journal,) = AGENT["logs"]["logs_collected"]["journald"]["collect_list"]
    assert set(journal["units"]) == {one.unit for one in PROCESSES.values()} | {"comfyui"}


def test_logs_go_to_groups_of_the_stack_and_are_forgotten(stack: Stack) -> None:
    groups = stack.of_type("AWS::Logs::LogGroup")
    assert all(one["RetentionInDays"] for one in groups.values())
    (journal,) = AGENT["logs"]["logs_collected"]["journald"]["collect_list"]
    metrics = AGENT["logs"]["metrics_collected"]["prometheus"]
    named = {one["log_group_name"].replace("@STACK@", NAME) for one in (journal, metrics)}
    assert {one["LogGroupName"] for one in groups.values()} == named


def test_every_lane_has_its_queue() -> None:
    assert {queue.name for queue in QUEUES} >= {lane.queue for lane in Lane}


def test_the_page_about_it_names_all_that_can_be_set_and_all_that_it_tells() -> None:
    page = (ROOT / "docs/aws.md").read_text()
    alarms = list(Stack({"Release": "1"}).of_type("AWS::CloudWatch::Alarm"))
    for name in (*template()["Parameters"], *template()["Outputs"], *alarms):
        assert f"`{name}`" in page, name
