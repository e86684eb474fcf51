import copy
import json
import re
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.validate import ParamValidator  # type: ignore[import-untyped]

from campaign_service.netlife.command import parser
from deploy.aws.__main__ import main
from deploy.aws.asl import FILES, HERE, arguments, is_expression, placeholders, problems, render, text_of

VALUES = {
    name: f"arn:aws:test:us-east-1:123456789012:{name}"
    for name in sorted(set().union(*map(placeholders, FILES)))
} | {"Region": "us-east-1", "Bucket": "photo-contacts", "AccountId": "123456789012"}
MACHINE = render("collector.asl.json", VALUES)
ROOT = HERE.parents[1]


def aws_problems(service: str, operation: str, parameters: dict[str, Any]) -> str:
    """What the AWS API's own description has against the parameters of a call."""
    client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    shape = client.meta.service_model.operation_model(operation).input_shape
    return str(ParamValidator().validate(parameters, shape).generate_report())


def test_the_definition_has_no_problem() -> None:
    assert problems(MACHINE) == []
    assert "${" not in json.dumps([render(name, VALUES) for name in FILES])


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["StartAt"], "Nowhere", "StartAt: no state"),
        (["States", "Collect", "Next"], "Nowhere", "Collect: leads to 'Nowhere'"),
        (["States", "Collect", "Next"], None, "Collect: needs either Next or End"),
        (["States", "Collect", "TimeoutSeconds"], None, "Collect: a task that hangs"),
        (["States", "Collect", "Heartbeat"], 5, "Collect: Task has no field Heartbeat"),
        (["States", "Collect", "Resource"], "arn:aws:lambda:x", "Collect: Resource is no service"),
        (["States", "WhatFailed", "Default"], None, "WhatFailed: a choice without Default"),
        (["States", "WhatFailed", "Choices", 0, "Variable"], "attempt", "WhatFailed: not a rule"),
        (["States", "WaitForPortal", "Next"], "Collect", "CountAttempt: is never reached"),
        (["States", "Collected", "Type"], "Done", "Collected: unknown type 'Done'"),
        (
            ["States", "AddDefaults", "Parameters", "request.$"],
            "request",
            "AddDefaults: request.$ is neither",
        ),
    ],
)
def test_mistakes_in_a_definition_are_found(path: list[Any], value: Any, problem: str) -> None:
    machine: Any = copy.deepcopy(MACHINE)
    place = machine
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert [found for found in problems(machine) if found.startswith(problem)]


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("$.a.b[0].c", True),
        ("States.MathAdd($.attempt, 1)", True),
        ("States.Array('a', $.b, true)", True),
        ("$.a..b", False),
        ("States.Nonsense($.a)", False),
        ("States.Array(a)", False),
        ("a", False),
    ],
)
def test_paths_and_intrinsic_calls_are_told_from_text(text: str, is_good: bool) -> None:
    assert is_expression(text) is is_good


def test_the_command_is_one_that_the_collector_takes() -> None:
    (override,) = MACHINE["States"]["Collect"]["Parameters"]["Overrides"]["ContainerOverrides"]
    given = {
        "$.portal": "nowandgen",
        "$.out": "s3://photo-contacts/today.csv",
        "$.audience": "both",
        "$.contact_filter": "any",
    }
    command = [given.get(part, part.strip("'")) for part in arguments(override["Command.$"])]
    options = parser().parse_args(command)
    assert (options.portal, options.out) == ("nowandgen", "s3://photo-contacts/today.csv")
    defaults = MACHINE["States"]["AddDefaults"]["Parameters"]["defaults"]
    assert set(defaults) - {"attempt"} == {"audience", "contact_filter"}


def test_every_documented_exit_code_has_its_own_end() -> None:
    documented = {int(code) for code in re.findall(r"^ +(\d+)  ", parser().epilog or "", re.MULTILINE)}
    rules = json.dumps(MACHINE["States"]["WhatFailed"])
    told_apart = {int(code) for code in re.findall(r'"NumericEquals": (\d+)', rules)}
    assert documented - {0} == told_apart == {10, 20, 30}


def test_the_task_definition_is_what_ecs_takes() -> None:
    definition = render("task-definition.json", VALUES)
    assert aws_problems("ecs", "RegisterTaskDefinition", definition) == ""
    (container,) = definition["containerDefinitions"]
    assert container["entryPoint"] == ["python", "-m", "campaign_service.netlife"]
    assert {secret["name"] for secret in container["secrets"]} == {"NETLIFE_USERNAME", "NETLIFE_PASSWORD"}
    assert not [item for item in container["environment"] if "PASSWORD" in item["name"]]


def test_the_task_is_run_as_ecs_wants_it() -> None:
    parameters = camel(MACHINE["States"]["Collect"]["Parameters"])
    (override,) = parameters["overrides"]["containerOverrides"]
    override["command"] = [override.pop("command.$")]
    assert aws_problems("ecs", "RunTask", parameters) == ""
    (container,) = render("task-definition.json", VALUES)["containerDefinitions"]
    assert override["name"] == container["name"]


def camel(value: Any) -> Any:
    """Keys as ECS spells them: Step Functions begins them with a capital."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: camel(inner) for key, inner in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


def test_the_image_has_the_sdk_of_the_tests() -> None:
    pinned = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
    ours = dict(pinned.findall(text_of("requirements.txt")))
    tested = dict(pinned.findall((ROOT / "requirements-dev.txt").read_text("utf-8")))
    assert "boto3" in ours
    assert ours == {name: tested[name] for name in ours}


def test_filled_in_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "out"), *(f"{k}={v}" for k, v in VALUES.items())]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILES)
    assert main(["--out", str(tmp_path), "Region=us-east-1"]) == 1
    assert "ClusterArn=" in capsys.readouterr().err
