"""What the services tell EventBridge, and which rules and targets get it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.endpoint.plugin.eks import Cluster
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/job"
DRIVER = {"sparkSubmit": {"entryPoint": "s3://jobs/etl.py"}}
SERVERLESS = {"source": ["aws.emr-serverless"]}

# The members of the samples in the service's guide.
ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
APPLICATION = {
    *("applicationId", "applicationName", "arn", "releaseLabel", "state", "type", "createdAt", "updatedAt"),
    *("autoStopConfig", "autoStartConfig"),
}
JOB_RUN = {"jobRunId", "applicationId", "arn", "releaseLabel", "createdBy", "updatedAt", "createdAt"}
RETRY = {
    *("previousAttempt", "previousAttemptState", "previousAttemptCreatedAt", "previousAttemptEndedAt"),
    *("newAttempt", "newAttemptCreatedAt"),
}
USAGE = {
    *("applicationId", "jobRunId", "attempt", "mode", "createdAt", "startedAt", "calculatedFrom", "calculatedTo"),
    *("resourceUtilizationFinal", "resourceUtilizationForInterval", "billedResourceUtilizationForInterval"),
    *("totalResourceUtilization", "totalBilledResourceUtilization"),
}


class Queue:
    """A queue that a rule sends events to."""

    def __init__(self, emr: LocalEmr, name: str, pattern: dict[str, Any]) -> None:
        self._sqs, events = emr.client("sqs"), emr.client("events")
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:{emr.region}:123456789012:{name}"
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        self.events: list[dict[str, Any]] = []

    def receive(self) -> list[dict[str, Any]]:
        """All events so far."""
        answer = self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        self.events += [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        return self.events

    def until(self, state: str, count: int = 1) -> list[dict[str, Any]]:
        """All events up to ``count`` of a state."""
        return eventually(
            lambda: [e["detail"].get("state") for e in self.receive()].count(state) >= count and self.events
        )

    def of(self, detail_type: str) -> list[dict[str, Any]]:
        """The details of the events of a type."""
        return [event["detail"] for event in self.events if event["detail-type"] == detail_type]


def _run(emr: LocalEmr, **members: Any) -> tuple[str, str]:
    client = emr.client("emr-serverless")
    application_id = client.create_application(name="etl", releaseLabel="emr-7.9.0", type="SPARK")["applicationId"]
    run = client.start_job_run(
        applicationId=application_id, clientToken="one", executionRoleArn=ROLE, jobDriver=DRIVER, **members
    )
    return application_id, run["jobRunId"]


def test_the_events_have_the_members_of_the_guides_samples(emr: LocalEmr) -> None:
    emr.script(attempts=[ScriptedAttempt(succeeded=False), ScriptedAttempt()])
    queue = Queue(emr, "all", SERVERLESS)
    application_id, job_run_id = _run(emr, retryPolicy={"maxAttempts": 2})
    queue.until("SUCCESS")
    eventually(lambda: queue.receive() and queue.of("EMR Serverless Job Resource Utilization Update"))

    for event in queue.events:
        assert event.keys() == ENVELOPE
        assert (event["source"], event["account"], event["region"]) == (
            "aws.emr-serverless",
            "123456789012",
            emr.region,
        )
    created, *_ = queue.of("EMR Serverless Application State Change")
    assert created.keys() == APPLICATION
    assert (created["applicationId"], created["state"], created["type"]) == (application_id, "CREATING", "SPARK")
    assert created["autoStopConfig"] == {"enabled": True, "idleTimeout": 15}
    first, *later = queue.of("EMR Serverless Job Run State Change")
    assert first.keys() == {*JOB_RUN, "state"}
    assert all(change.keys() == {*JOB_RUN, "state", "previousState"} for change in later)
    assert [(change["previousState"], change["state"]) for change in later][-2:] == [
        ("SCHEDULED", "RUNNING"),
        ("RUNNING", "SUCCESS"),
    ]
    (retry,) = queue.of("EMR Serverless Job Run Retry")
    assert retry.keys() == {*JOB_RUN, *RETRY}
    assert (retry["jobRunId"], retry["previousAttempt"], retry["newAttempt"]) == (job_run_id, 1, 2)
    assert retry["previousAttemptState"] == "FAILED"
    (usage,) = queue.of("EMR Serverless Job Resource Utilization Update")
    assert usage.keys() == USAGE
    assert usage["totalBilledResourceUtilization"].keys() == {"vCPUHour", "memoryGBHour", "storageGBHour"}


def test_the_events_of_emr_on_eks(emr: LocalEmr) -> None:
    queue = Queue(emr, "eks", {"source": ["aws.emr-containers"]})
    cluster = Cluster(emr)
    job_run_id = cluster.job_run("COMPLETED").ids["job_run_id"]
    queue.until("COMPLETED")

    assert {event["detail-type"] for event in queue.events} == {"EMR Job Run State Change"}
    details = queue.of("EMR Job Run State Change")
    assert [detail["state"] for detail in details] == ["PENDING", "SUBMITTED", "RUNNING", "COMPLETED"]
    assert {(detail["virtualClusterId"], detail["id"]) for detail in details} == {(cluster.cluster_id, job_run_id)}


def test_a_rules_pattern_and_state_decide(emr: LocalEmr) -> None:
    ends = Queue(emr, "ends", {**SERVERLESS, "detail": {"state": ["SUCCESS", "FAILED"]}})
    disabled = Queue(emr, "disabled", SERVERLESS)
    emr.client("events").disable_rule(Name="disabled")
    others = Queue(emr, "others", {"source": ["aws.emr-containers"]})
    _run(emr)

    assert [event["detail"]["state"] for event in ends.until("SUCCESS")] == ["SUCCESS"]
    assert disabled.receive() == others.receive() == []


def test_a_target_that_is_not_there_keeps_nothing_from_the_others(emr: LocalEmr) -> None:
    gone = Queue(emr, "gone", SERVERLESS)
    emr.client("sqs").delete_queue(QueueUrl=gone.url)
    queue = Queue(emr, "there", SERVERLESS)
    _run(emr)

    queue.until("SUCCESS")


UPDATE = "EMR Serverless Job Resource Utilization Update"


def test_a_job_run_that_never_ran_has_its_final_update_too(emr: LocalEmr) -> None:
    emr.configure(scheduling_seconds=60)
    queue = Queue(emr, "all", {**SERVERLESS, "detail-type": [UPDATE]})
    application_id, job_run_id = _run(emr)
    emr.client("emr-serverless").cancel_job_run(applicationId=application_id, jobRunId=job_run_id)
    eventually(queue.receive)

    (event,) = queue.events
    assert event["detail"].keys() == USAGE - {"startedAt"}
    assert event["detail"]["resourceUtilizationFinal"] is True
    assert set(event["detail"]["totalBilledResourceUtilization"].values()) == {0}
    assert [run["arn"] for run in emr.job_runs()] == event["resources"]


def test_a_running_job_run_is_told_of_each_half_hour(emr: LocalEmr) -> None:
    emr.configure(seconds_per_minute=0.01)
    emr.script(attempts=[ScriptedAttempt(hold=True)])
    queue = Queue(emr, "all", {**SERVERLESS, "detail-type": [UPDATE]})
    application_id, job_run_id = _run(emr, executionTimeoutMinutes=10000)
    eventually(lambda: len(queue.receive()) >= 2)
    emr.finish(job_run_id)
    eventually(lambda: any(detail["resourceUtilizationFinal"] for detail in queue.receive() and queue.of(UPDATE)))

    *updates, last = sorted(queue.of(UPDATE), key=lambda detail: detail["calculatedTo"])
    assert [detail["resourceUtilizationFinal"] for detail in updates] == [False] * len(updates)
    assert updates[0].keys() == last.keys() == USAGE
    assert updates[0]["calculatedFrom"] == last["createdAt"]
    for before, after in zip(updates, [*updates[1:], last], strict=True):
        assert after["calculatedFrom"] == before["calculatedTo"]
    for interval, total, member in (
        ("resourceUtilizationForInterval", "totalResourceUtilization", "totalResourceUtilization"),
        ("billedResourceUtilizationForInterval", "totalBilledResourceUtilization", "billedResourceUtilization"),
    ):
        assert sum(detail[interval]["vCPUHour"] for detail in [*updates, last]) == pytest.approx(
            last[total]["vCPUHour"], abs=0.001
        )
        run = emr.client("emr-serverless").get_job_run(applicationId=application_id, jobRunId=job_run_id)["jobRun"]
        assert last[total] == run[member]
    # A minute of each worker is billed however short it runs: all of it in the first interval.
    assert updates[0]["billedResourceUtilizationForInterval"]["vCPUHour"] > 0
    assert updates[1]["billedResourceUtilizationForInterval"]["vCPUHour"] == 0
