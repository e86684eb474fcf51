"""The state machine in an interpreter of the States Language.

Moto runs everything but the ECS task itself, so what the task came to is put in its place.
"""

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from moto import mock_aws

from deploy.aws.asl import FILES, placeholders, render

INPUT = {"portal": "nowandgen", "out": "s3://photo-contacts/today.csv", "audience": "buyers"}


@pytest.fixture(scope="module")
def values() -> Iterator[dict[str, str]]:
    """An account with what the definitions name."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
            yield account()


def account() -> dict[str, str]:
    ec2, ecs, iam = (boto3.client(name) for name in ("ec2", "ecs", "iam"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    role = iam.create_role(RoleName="collector", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    group = ec2.create_security_group(GroupName="collector", Description="collector", VpcId=vpc)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]
    made = {name: "x" for file in FILES for name in placeholders(file)} | {
        "ExecutionRoleArn": role,
        "TaskRoleArn": role,
        "Region": "us-east-1",
        "SubnetId": subnet["SubnetId"],
        "SecurityGroupId": group["GroupId"],
        "ClusterArn": ecs.create_cluster(clusterName="collector")["cluster"]["clusterArn"],
    }
    task = ecs.register_task_definition(**render("task-definition.json", made))
    return made | {"TaskDefinitionArn": task["taskDefinition"]["taskDefinitionArn"]}


def run(machine: dict[str, Any], values: dict[str, str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The execution, once it has ended, and its history."""
    client = boto3.client("stepfunctions")
    name = f"collector-{time.monotonic_ns()}"
    created = client.create_state_machine(
        name=name, definition=json.dumps(machine), roleArn=values["TaskRoleArn"]
    )
    execution = client.start_execution(stateMachineArn=created["stateMachineArn"], input=json.dumps(INPUT))
    arn = execution["executionArn"]
    while True:
        ended = client.describe_execution(executionArn=arn)
        if ended["status"] != "RUNNING":
            return ended, client.get_execution_history(executionArn=arn)["events"]
        time.sleep(0.02)


def test_the_input_becomes_the_collectors_command(values: dict[str, str]) -> None:
    ended, history = run(render("collector.asl.json", values), values)
    (scheduled,) = [event for event in history if event["type"] == "TaskScheduled"]
    asked = json.loads(scheduled["taskScheduledEventDetails"]["parameters"])
    command = f"collect --portal nowandgen --out {INPUT['out']} --audience buyers --contact-filter any"
    overrides = [{"Name": "collector", "Command": command.split()}]
    assert asked["Overrides"]["ContainerOverrides"] == overrides
    assert asked["TaskDefinition"] == values["TaskDefinitionArn"]
    # The interpreter cannot run the task; that ends as any task does which was not started.
    assert (ended["status"], ended["error"]) == ("FAILED", "Collector.NotStarted")


def with_task_replaced(values: dict[str, str], containers: list[dict[str, int]]) -> dict[str, Any]:
    """The machine, whose task has just failed, and which waits for no portal."""
    machine = copy.deepcopy(render("collector.asl.json", values))
    cause = json.dumps({"Containers": containers, "StoppedReason": "Essential container exited"})
    machine["States"]["Collect"] = {
        "Type": "Pass",
        "Result": {"Error": "States.TaskFailed", "Cause": cause},
        "ResultPath": "$.failure",
        "Next": "ReadExitCode",
    }
    machine["States"]["WaitForPortal"]["Seconds"] = 0
    return machine


@pytest.mark.parametrize(
    ("containers", "error", "attempts"),
    [
        ([{"ExitCode": 10}], "Collector.Contract", 1),
        ([{"ExitCode": 20}], "Collector.Upstream", 3),
        ([{"ExitCode": 30}], "Collector.Output", 1),
        ([{"ExitCode": 137}], "Collector.Failed", 1),
        ([{}], "Collector.NotStarted", 1),
    ],
)
def test_exit_codes_say_how_it_ends_and_a_portal_gets_three_chances(
    values: dict[str, str], containers: list[dict[str, int]], error: str, attempts: int
) -> None:
    ended, history = run(with_task_replaced(values, containers), values)
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    entered = [event["stateEnteredEventDetails"]["name"] for event in history if "Entered" in event["type"]]
    assert entered.count("Collect") == attempts


def test_a_collection_that_ended_well_ends_the_machine_well(values: dict[str, str]) -> None:
    machine = with_task_replaced(values, [])
    machine["States"]["Collect"] |= {
        "Result": {"stopped_at": "now"},
        "ResultPath": "$.task",
        "Next": "Collected",
    }
    ended, _ = run(machine, values)
    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"])["portal"] == "nowandgen"
