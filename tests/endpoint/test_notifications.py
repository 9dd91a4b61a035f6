"""The queue that tells of changes of state: what makes it, and what its messages say."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.notifications import (
    EVENT_PATTERN,
    create_notification_queue,
    queue_policy,
    read_notification,
)

# As in the service's guide.
JOB_RUN_EVENT = {
    "version": "0",
    "id": "00df3ec6-5da1-36e6-ab71-20f0de68f8a0",
    "detail-type": "EMR Serverless Job Run State Change",
    "source": "aws.emr-serverless",
    "account": "123456789012",
    "time": "2022-05-31T21:07:42Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {
        "jobRunId": "00f1cbn5g4bb0c01",
        "applicationId": "00f1982r1uukb925",
        "arn": "arn:aws:emr-serverless:us-east-1:123456789012:/applications/00f1982r1uukb925/jobruns/00f1cbn5g4bb0c01",
        "releaseLabel": "emr-6.6.0",
        "state": "RUNNING",
        "previousState": "SCHEDULED",
        "updatedAt": "2022-05-31T21:07:42.299487Z",
        "createdAt": "2022-05-31T21:07:25.325900Z",
    },
}


class _Intrinsics(yaml.SafeLoader):
    """Reads a template with what ``!Ref`` and ``!GetAtt`` name in their places."""


_Intrinsics.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))


def everything(emr: LocalEmr, queue_url: str) -> dict[str, Any]:
    """What AWS knows of a queue and of the rules that there are."""
    events = emr.client("events")
    attributes = emr.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
    rules = events.list_rules()["Rules"]
    return {
        "queues": emr.client("sqs").list_queues()["QueueUrls"],
        "attributes": {name: value for name, value in attributes.items() if name != "LastModifiedTimestamp"},
        "rules": rules,
        "targets": [events.list_targets_by_rule(Rule=rule["Name"])["Targets"] for rule in rules],
    }


def test_the_queue_gets_the_events_of_its_rule_and_of_nobody_else(emr: LocalEmr) -> None:
    made = everything(emr, create_notification_queue())

    (rule,) = made["rules"]
    assert (rule["Name"], rule["State"], json.loads(rule["EventPattern"])) == (
        "airflow-emrs-ext",
        "ENABLED",
        dict(EVENT_PATTERN),
    )
    queue_arn = made["attributes"]["QueueArn"]
    assert made["targets"] == [[{"Id": "notification-queue", "Arn": queue_arn}]]
    (statement,) = json.loads(made["attributes"]["Policy"])["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Resource"] == queue_arn
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rule["Arn"]}}


def test_to_make_it_again_changes_nothing(emr: LocalEmr) -> None:
    first = create_notification_queue("mine", rule_name="changes")
    made = everything(emr, first)

    assert create_notification_queue("mine", rule_name="changes") == first
    assert everything(emr, first) == made
    assert [rule["Name"] for rule in made["rules"]] == ["changes"]


def test_the_guides_template_makes_the_same(emr: LocalEmr) -> None:
    guide = (Path(__file__).parents[2] / "docs/guides/notifications.md").read_text()
    (template,) = re.findall(r"```yaml\n(.*?)```", guide, flags=re.DOTALL)
    emr.client("cloudformation").create_stack(StackName="notifications", TemplateBody=template)
    (stack,) = emr.client("cloudformation").describe_stacks(StackName="notifications")["Stacks"]
    by_template = everything(emr, stack["Outputs"][0]["OutputValue"])
    emr.reset()
    by_function = everything(emr, create_notification_queue())

    for made in (by_template, by_function):
        # moto's CloudFormation does not give a queue its policy.
        made["attributes"].pop("Policy", None)
        made["attributes"].pop("CreatedTimestamp")
        for rule in made["rules"]:
            rule["EventPattern"] = json.loads(rule["EventPattern"])
            rule.pop("Description", None)
    assert by_template == by_function
    policy = yaml.load(template, _Intrinsics)["Resources"]["QueuePolicy"]["Properties"]
    assert policy == {"Queues": ["Queue"], "PolicyDocument": queue_policy("Queue.Arn", "Rule.Arn")}


def test_a_session_says_where(emr: LocalEmr) -> None:
    url = create_notification_queue(session=boto3.session.Session(region_name="eu-west-1"))

    elsewhere = boto3.client("sqs", region_name="eu-west-1")
    attributes = elsewhere.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    assert attributes["QueueArn"] == "arn:aws:sqs:eu-west-1:123456789012:airflow-emrs-ext"
    assert "QueueUrls" not in emr.client("sqs").list_queues()


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_the_command_prints_the_url(
    emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["-m", "--queue-name", "mine"])
    runpy.run_module("airflow_emrs_ext.notifications", run_name="__main__")

    *_, printed = capsys.readouterr().out.splitlines()
    assert printed == emr.client("sqs").get_queue_url(QueueName="mine")["QueueUrl"]


def test_what_an_event_says() -> None:
    assert read_notification(json.dumps(JOB_RUN_EVENT)) == (
        "job_run",
        {"application_id": "00f1982r1uukb925", "job_run_id": "00f1cbn5g4bb0c01"},
        "RUNNING",
    )
    application = {"applicationId": "00f1982r1uukb925", "state": "STARTED", "type": "SPARK"}
    assert read_notification(
        json.dumps({**JOB_RUN_EVENT, "detail-type": "EMR Serverless Application State Change", "detail": application})
    ) == ("application", {"application_id": "00f1982r1uukb925"}, "STARTED")
    on_eks = {"id": "0000000abc", "virtualClusterId": "abc", "state": "COMPLETED"}
    assert read_notification(
        json.dumps({"source": "aws.emr-containers", "detail-type": "EMR Job Run State Change", "detail": on_eks})
    ) == ("eks_job_run", {"virtual_cluster_id": "abc", "job_run_id": "0000000abc"}, "COMPLETED")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        json.dumps({**JOB_RUN_EVENT, "source": "aws.emr"}),
        json.dumps({**JOB_RUN_EVENT, "detail-type": "EMR Serverless Job Run Retry"}),
        json.dumps({**JOB_RUN_EVENT, "detail": {"state": "SUCCESS"}}),
        json.dumps({**JOB_RUN_EVENT, "detail": {**JOB_RUN_EVENT["detail"], "jobRunId": []}}),  # type: ignore[dict-item]
        json.dumps({**JOB_RUN_EVENT, "source": ["aws.emr-serverless"]}),
        *(json.dumps({**JOB_RUN_EVENT, "detail": detail}) for detail in (None, 1, "state", ["state"], JOB_RUN_EVENT)),
        # By way of SNS, and as what another event tells.
        json.dumps({"Type": "Notification", "Message": json.dumps(JOB_RUN_EVENT)}),
        json.dumps(json.dumps(JOB_RUN_EVENT)),
        json.dumps({"Records": [{"body": json.dumps(JOB_RUN_EVENT)}]}),
        "[" * 200_000,
        '{"detail":' * 200_000,
        json.dumps(JOB_RUN_EVENT).replace('"RUNNING"', "[" * 200_000 + "]" * 200_000),
        json.dumps({**JOB_RUN_EVENT, "version": 0}).replace(" 0,", f" {'1' * 10_000},"),
    ],
    ids=lambda body: body[:40],
)
def test_what_is_no_change_of_state_says_nothing(body: str) -> None:
    assert read_notification(body) is None
