"""Job templates: kept, shown, and filled in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.endpoint.local.services.emr_containers.lab import RELEASE, ROLE, SQL, SUBMIT, Eks, refused

PARAMETRIC: dict[str, Any] = {
    "executionRoleArn": "${role}",
    "releaseLabel": "${release}",
    "jobDriver": {
        "sparkSubmitJobDriver": {
            "entryPoint": "s3://code/${job}.py",
            "entryPointArguments": ["${day}", "--from=${day}", "$day", "${sys:user}"],
            "sparkSubmitParameters": "--conf spark.executor.instances=${executors}",
        }
    },
    "configurationOverrides": {
        "applicationConfiguration": [
            {
                "classification": "spark-defaults",
                "properties": {"spark.${job}": "${day}"},
                "configurations": [{"classification": "export", "properties": {"DAY": "${day}"}}],
            }
        ],
        "monitoringConfiguration": {
            "persistentAppUI": "${ui}",
            "cloudWatchMonitoringConfiguration": {"logGroupName": "/${job}", "logStreamNamePrefix": "${day}"},
        },
    },
    "parameterConfiguration": {
        "executors": {"type": "NUMBER", "defaultValue": "3"},
        "day": {"type": "STRING"},
        "ui": {"defaultValue": "DISABLED"},
    },
    "jobTags": {"day": "${day}", "${job}": "yes"},
}
VALUES = {"role": ROLE, "release": RELEASE, "job": "report", "day": "2024-01-31"}


def test_what_is_asked_for_is_shown(eks: Eks) -> None:
    answer = eks.client.create_job_template(
        name="daily", jobTemplateData=PARAMETRIC, tags={"team": "data"}, clientToken="once"
    )
    arn = f"arn:aws:emr-containers:us-east-1:123456789012:/jobtemplates/{answer['id']}"
    assert (answer["name"], answer["arn"]) == ("daily", arn)
    template = eks.client.describe_job_template(id=answer["id"])["jobTemplate"]
    assert template["jobTemplateData"] == PARAMETRIC
    assert (template["tags"], template["createdAt"]) == ({"team": "data"}, answer["createdAt"])
    again = eks.client.create_job_template(
        name="daily", jobTemplateData=PARAMETRIC, tags={"team": "data"}, clientToken="once"
    )
    assert again["id"] == answer["id"]
    with refused(match="clientToken: once was used"):
        eks.client.create_job_template(name="weekly", jobTemplateData=PARAMETRIC, clientToken="once")


def test_listing_and_deleting(eks: Eks, cluster_id: str) -> None:
    ids = [eks.template() for _ in range(3)]

    def listed(**filters: Any) -> list[str]:
        return [one["id"] for one in eks.client.list_job_templates(**filters)["templates"]]

    assert listed() == ids[::-1]
    assert len(listed(maxResults=2)) == 2
    created = eks.client.describe_job_template(id=ids[0])["jobTemplate"]["createdAt"]
    assert listed(createdAfter=created + timedelta(hours=1)) == []
    assert listed(createdBefore=created + timedelta(hours=1)) == ids[::-1]
    assert eks.client.delete_job_template(id=ids[1])["id"] == ids[1]
    assert listed() == [ids[2], ids[0]]
    with refused("ResourceNotFoundException", "does not exist"):
        eks.client.describe_job_template(id=ids[1])
    with refused("ValidationException", "does not exist"):
        eks.client.delete_job_template(id=ids[1])
    with refused("ResourceNotFoundException", "does not exist"):
        eks.submit(cluster_id, jobTemplateId=ids[1])


def test_every_parameter_is_filled_in(eks: Eks, cluster_id: str) -> None:
    template_id = eks.template(**PARAMETRIC)
    run_id = eks.submit(
        cluster_id, jobTemplateId=template_id, jobTemplateParameters=VALUES, tags={"day": "mine", "x": "y"}
    )
    run = eks.reached(cluster_id, run_id)
    assert (run["executionRoleArn"], run["releaseLabel"]) == (ROLE, RELEASE)
    assert run["jobDriver"] == {
        "sparkSubmitJobDriver": {
            "entryPoint": "s3://code/report.py",
            "entryPointArguments": ["2024-01-31", "--from=2024-01-31", "$day", "${sys:user}"],
            "sparkSubmitParameters": "--conf spark.executor.instances=3",
        }
    }
    assert run["configurationOverrides"]["monitoringConfiguration"] == {
        "persistentAppUI": "DISABLED",
        "cloudWatchMonitoringConfiguration": {"logGroupName": "/report", "logStreamNamePrefix": "2024-01-31"},
    }
    assert run["tags"] == {"day": "mine", "report": "yes", "x": "y"}
    record = eks.record(run_id)
    assert record["classifications"] == {
        "spark-defaults": {"spark.report": "2024-01-31"},
        "spark-defaults.export": {"DAY": "2024-01-31"},
    }
    assert (record["jobTemplateId"], record["jobTemplateParameters"]) == (template_id, VALUES)
    assert record["pods"]["executor_count"] == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"day": None}, r"jobTemplateParameters\.day: is required: job template \S+ has no default"),
        ({"job": None}, r"jobTemplateParameters\.job: is required"),
        (
            {"dya": "x"},
            r"jobTemplateParameters\.dya: job template \S+ has no such parameter; it has day, executors",
        ),
        ({"executors": "many"}, r"jobTemplateParameters\.executors: must be a number, .*NUMBER, not 'many'"),
        ({"ui": "MAYBE"}, r"persistentAppUI.*ENABLED, DISABLED"),
        ({"role": "me"}, "executionRoleArn"),
        ({"release": "emr-1.0.0"}, "releaseLabel: EMR on EKS has no release"),
    ],
)
def test_unusable_values_are_named(eks: Eks, cluster_id: str, values: dict[str, Any], message: str) -> None:
    template_id = eks.template(**PARAMETRIC)
    given = {name: value for name, value in {**VALUES, **values}.items() if value is not None}
    with refused(match=message):
        eks.submit(cluster_id, jobTemplateId=template_id, jobTemplateParameters=given)
    assert eks.emr.eks_job_runs() == []


@pytest.mark.parametrize(
    ("name", "value"), [("jobDriver", SUBMIT), ("executionRoleArn", ROLE), ("releaseLabel", RELEASE)]
)
def test_what_the_template_says_is_not_said_again(eks: Eks, cluster_id: str, name: str, value: Any) -> None:
    template_id = eks.template()
    with refused(match=f"{name}: comes from the job template {template_id}"):
        eks.submit(cluster_id, jobTemplateId=template_id, **{name: value})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"jobDriver": {**SUBMIT, **SQL}}, "jobDriver: must have exactly one of"),
        (
            {"parameterConfiguration": {"n": {"type": "NUMBER", "defaultValue": "x"}}},
            r"jobTemplateData\.parameterConfiguration\.n\.defaultValue: must be a number",
        ),
        ({"jobTags": {"aws:x": "y"}}, "reserved"),
    ],
)
def test_unusable_templates_are_refused(eks: Eks, data: dict[str, Any], message: str) -> None:
    with refused(match=message):
        eks.template(**data)
