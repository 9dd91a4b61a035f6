"""Job runs: from PENDING to their end, and everything that is said of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import ScriptedAttempt
from tests.endpoint.local.services.emr_containers.lab import (
    FAIL,
    HOLD,
    PASS,
    RELEASE,
    ROLE,
    SQL,
    SUBMIT,
    Eks,
    needs_scheduler,
    refused,
)
from tests.polling import eventually


@pytest.mark.parametrize("driver", [SUBMIT, SQL])
def test_the_way_to_success(eks: Eks, cluster_id: str, driver: dict[str, Any]) -> None:
    eks.emr.script([HOLD], "held")
    answer = eks.client.start_job_run(
        virtualClusterId=cluster_id,
        name="held",
        clientToken="mine",
        executionRoleArn=ROLE,
        releaseLabel=RELEASE,
        jobDriver=driver,
        tags={"team": "data"},
    )
    run_id = answer["id"]
    arn = f"arn:aws:emr-containers:us-east-1:123456789012:/virtualclusters/{cluster_id}/jobruns/{run_id}"
    assert (answer["name"], answer["arn"], answer["virtualClusterId"]) == ("held", arn, cluster_id)
    assert (len(run_id), run_id[:6]) == (19, "000000")
    run = eks.reached(cluster_id, run_id, "RUNNING")
    assert run.keys().isdisjoint({"finishedAt", "failureReason", "retryPolicyExecution"})
    eks.emr.write(run_id, stdout="hello")
    eks.emr.finish(run_id)
    run = eks.reached(cluster_id, run_id)
    assert eks.path(run_id) == ["PENDING", "SUBMITTED", "RUNNING", "COMPLETED"]
    assert run["finishedAt"] >= run["createdAt"]
    assert (run["executionRoleArn"], run["releaseLabel"], run["jobDriver"]) == (ROLE, RELEASE, driver)
    assert (run["clientToken"], run["tags"], run["createdBy"]) == (
        "mine",
        {"team": "data"},
        "arn:aws:iam::123456789012:user/emrs-local",
    )
    (attempt,) = eks.record(run_id)["attempts"]
    assert (attempt["attempt"], attempt["state"]) == (1, "COMPLETED")
    assert attempt["startedAt"] < attempt["endedAt"]


def test_a_failure_says_why(eks: Eks, cluster_id: str) -> None:
    eks.emr.script([FAIL])
    run = eks.reached(cluster_id, eks.submit(cluster_id))
    assert (run["state"], run["failureReason"], run["stateDetails"]) == ("FAILED", "USER_ERROR", "boom")
    assert "finishedAt" in run


def test_a_driver_that_fails_before_it_runs(eks: Eks, cluster_id: str) -> None:
    eks.emr.script([ScriptedAttempt(running_after=1, ends_after=0, succeeded=False, details="no image")])
    run = eks.reached(cluster_id, run_id := eks.submit(cluster_id))
    assert (run["state"], run["stateDetails"]) == ("FAILED", "no image")
    assert eks.path(run_id) == ["PENDING", "SUBMITTED", "FAILED"]


def test_retries_until_success(eks: Eks, cluster_id: str) -> None:
    eks.emr.configure(eks_retry_seconds=0.05)
    eks.emr.script([FAIL, FAIL, HOLD])
    run_id = eks.submit(cluster_id, retryPolicyConfiguration={"maxAttempts": 5})

    def third_runs() -> bool:
        return [one["state"] for one in eks.record(run_id)["attempts"]] == ["FAILED", "FAILED", "RUNNING"]

    eventually(third_runs)
    run = eks.run(cluster_id, run_id)
    assert (run["state"], run["retryPolicyExecution"]) == ("RUNNING", {"currentAttemptCount": 3})
    eks.emr.finish(run_id)
    assert eks.reached(cluster_id, run_id)["state"] == "COMPLETED"
    assert eks.path(run_id) == ["PENDING", "SUBMITTED", "RUNNING", "COMPLETED"]
    paths = [attempt["logPath"] for attempt in eks.record(run_id)["attempts"]]
    assert len(set(paths)) == 3


def test_the_pause_doubles(eks: Eks, cluster_id: str) -> None:
    eks.emr.configure(eks_retry_seconds=0.1)
    eks.emr.script([FAIL])
    run_id = eks.submit(cluster_id, retryPolicyConfiguration={"maxAttempts": 3})
    assert eks.reached(cluster_id, run_id)["retryPolicyExecution"] == {"currentAttemptCount": 3}
    attempts = eks.record(run_id)["attempts"]
    starts, ends = [one["startedAt"] for one in attempts], [one["endedAt"] for one in attempts]
    first, second = (seconds_between(end, start) for end, start in zip(ends, starts[1:], strict=False))
    assert first >= 0.1
    assert second >= 0.2


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_without_a_policy_there_is_one_attempt(eks: Eks, cluster_id: str) -> None:
    eks.emr.script([FAIL, PASS])
    run = eks.reached(cluster_id, run_id := eks.submit(cluster_id))
    assert run["state"] == "FAILED"
    assert len(eks.record(run_id)["attempts"]) == 1
    assert "retryPolicyExecution" not in run


@pytest.mark.parametrize("attempts", [[HOLD], [FAIL, HOLD]])
def test_cancelling(eks: Eks, cluster_id: str, attempts: list[ScriptedAttempt]) -> None:
    """While it runs, or while it waits for its next attempt."""
    eks.emr.configure(eks_retry_seconds=600)
    eks.emr.script(attempts)
    run_id = eks.submit(cluster_id, retryPolicyConfiguration={"maxAttempts": 2})
    eks.reached(cluster_id, run_id, "RUNNING")
    answer = eks.client.cancel_job_run(virtualClusterId=cluster_id, id=run_id)
    assert (answer["id"], answer["virtualClusterId"]) == (run_id, cluster_id)
    run = eks.reached(cluster_id, run_id)
    assert (run["state"], run["stateDetails"]) == ("CANCELLED", "Job run cancelled by request (CancelJobRun).")
    assert eks.path(run_id)[-2:] == ["CANCEL_PENDING", "CANCELLED"]
    with refused(match="is CANCELLED and cannot be cancelled"):
        eks.client.cancel_job_run(virtualClusterId=cluster_id, id=run_id)


def test_a_driver_may_take_its_time_to_end(eks: Eks, cluster_id: str) -> None:
    eks.emr.script([ScriptedAttempt(running_after=0, hold=True, stops_after=600)])
    run_id = eks.submit(cluster_id)
    eks.reached(cluster_id, run_id, "RUNNING")
    for _ in range(2):
        eks.client.cancel_job_run(virtualClusterId=cluster_id, id=run_id)
        assert eks.run(cluster_id, run_id)["state"] == "CANCEL_PENDING"
    eks.emr.finish(run_id)
    assert eks.reached(cluster_id, run_id)["state"] == "CANCELLED"
    assert eks.record(run_id)["attempts"][0]["state"] == "CANCELLED"


def test_one_that_waits_is_cancelled_without_a_driver(eks: Eks, cluster_id: str) -> None:
    eks.emr.configure(scheduling_seconds=600)
    run_id = eks.submit(cluster_id)
    eks.client.cancel_job_run(virtualClusterId=cluster_id, id=run_id)
    assert eks.reached(cluster_id, run_id)["state"] == "CANCELLED"
    assert eks.record(run_id)["attempts"] == []


@needs_scheduler
def test_the_scheduler_lets_so_many_run_and_so_many_wait(eks: Eks) -> None:
    cluster_id = eks.cluster(schedulerConfiguration={"maxConcurrentJobRuns": 1, "maxInQueueJobRuns": 100})
    eks.emr.script([HOLD])
    first = eks.submit(cluster_id)
    eks.reached(cluster_id, first, "RUNNING")
    waiting = [eks.submit(cluster_id) for _ in range(100)]
    with refused(match="100 job runs in its queue"):
        eks.submit(cluster_id)
    assert eks.cluster_view(cluster_id)["schedulerStatus"] == {
        "currentInQueueJobRuns": 100,
        "currentConcurrentJobRuns": 1,
    }
    assert {eks.record(run_id)["state"] for run_id in waiting[:3]} == {"PENDING"}
    eks.emr.finish(first)
    eks.reached(cluster_id, waiting[0], "RUNNING")
    assert eks.run(cluster_id, waiting[1])["state"] == "PENDING"
    updated = eks.client.update_virtual_cluster(id=cluster_id, schedulerConfiguration={"maxConcurrentJobRuns": 2})
    assert updated["virtualCluster"]["schedulerConfiguration"] == {"maxConcurrentJobRuns": 2}
    eks.reached(cluster_id, waiting[1], "RUNNING")


def test_listing(eks: Eks, cluster_id: str) -> None:
    other = eks.cluster("other")
    eks.emr.script([FAIL], "bad")
    good, bad = eks.submit(cluster_id, name="good"), eks.submit(cluster_id, name="bad")
    eks.submit(other)
    for run_id in (good, bad):
        eks.reached(cluster_id, run_id)

    def listed(**filters: Any) -> list[str]:
        return [one["id"] for one in eks.client.list_job_runs(virtualClusterId=cluster_id, **filters)["jobRuns"]]

    assert listed() == [bad, good]
    assert listed(name="good") == [good]
    assert listed(states=["FAILED", "RUNNING"]) == [bad]
    created = eks.run(cluster_id, bad)["createdAt"]
    assert listed(createdAfter=created + timedelta(hours=1)) == []
    assert listed(createdBefore=created + timedelta(hours=1)) == [bad, good]
    page = eks.client.list_job_runs(virtualClusterId=cluster_id, maxResults=1)
    assert listed(maxResults=1, nextToken=page["nextToken"]) == [good]
    (shown,) = page["jobRuns"]
    assert shown == eks.run(cluster_id, bad)
    assert [one["virtualClusterId"] for one in eks.emr.eks_job_runs(other)] == [other]
    assert len(eks.emr.eks_job_runs()) == 3


def test_a_client_token_is_good_for_one_job_run(eks: Eks, cluster_id: str) -> None:
    first = eks.submit(cluster_id, clientToken="once", name="a")
    assert eks.submit(cluster_id, clientToken="once", name="a") == first
    with refused(match="clientToken: once was used"):
        eks.submit(cluster_id, clientToken="once", name="b")
    eks.reached(cluster_id, first)
    eks.client.delete_virtual_cluster(id=cluster_id)
    # What was answered stays the answer.
    assert eks.submit(cluster_id, clientToken="once", name="a") == first


def test_unknown_ones(eks: Eks, cluster_id: str) -> None:
    run_id = eks.submit(cluster_id)
    other = eks.cluster("other")
    with refused("ResourceNotFoundException", f"Job run {run_id} of virtual cluster {other} does not exist"):
        eks.run(other, run_id)
    with refused("ValidationException", "Job run nothere"):
        eks.client.cancel_job_run(virtualClusterId=cluster_id, id="nothere")
    with refused("ValidationException", "Virtual cluster nothere"):
        eks.client.list_job_runs(virtualClusterId="nothere")
    with refused("ResourceNotFoundException", "Virtual cluster nothere"):
        eks.submit("nothere")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"releaseLabel": "emr-6.8.0-latest", "retryPolicyConfiguration": {"maxAttempts": 2}},
            "from release emr-6.9.0",
        ),
        ({"retryPolicyConfiguration": {"maxAttempts": 0}}, "maxAttempts: must be at least 1"),
        ({"releaseLabel": "emr-6.1.0-latest"}, "EMR on EKS has no release emr-6.1.0-latest; the first is emr-5.32.0"),
        ({"releaseLabel": "latest"}, "is no release label, emr-X.Y.Z-latest"),
        ({"jobDriver": {}}, "jobDriver: must have exactly one of sparkSubmitJobDriver and sparkSqlJobDriver"),
        ({"jobDriver": {**SUBMIT, **SQL}}, "jobDriver: must have exactly one of"),
        ({"jobTemplateParameters": {"a": "b"}}, "jobTemplateParameters: are for a job template"),
        ({"tags": {"aws:x": "y"}}, r"tags\.aws:x"),
        (
            {"jobDriver": {"sparkSubmitJobDriver": {"entryPoint": "x.py", "sparkSubmitParameters": "--conf 'a"}}},
            r"jobDriver\.sparkSubmitJobDriver\.sparkSubmitParameters: cannot be read as a shell would",
        ),
        (
            {
                "configurationOverrides": {
                    "applicationConfiguration": [
                        {"classification": "spark-defaults"},
                        {"classification": "spark-defaults"},
                    ]
                }
            },
            "spark-defaults is given more than once",
        ),
        (
            {"configurationOverrides": {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "/logs"}}}},
            r"monitoringConfiguration\.s3MonitoringConfiguration\.logUri",
        ),
    ],
)
def test_unusable_requests_name_what_is_wrong(eks: Eks, cluster_id: str, params: dict[str, Any], message: str) -> None:
    with refused(match=message):
        eks.submit(cluster_id, **params)
    assert eks.emr.eks_job_runs() == []


@pytest.mark.parametrize("missing", ["executionRoleArn", "releaseLabel", "jobDriver"])
def test_what_a_template_would_give_is_required_without_one(eks: Eks, cluster_id: str, missing: str) -> None:
    given: dict[str, Any] = {"executionRoleArn": ROLE, "releaseLabel": RELEASE, "jobDriver": SUBMIT}
    del given[missing]
    with refused(match=f"{missing}: is required without a jobTemplateId"):
        eks.client.start_job_run(virtualClusterId=cluster_id, **given)


def test_reset_ends_and_forgets_everything(eks: Eks, cluster_id: str) -> None:
    eks.emr.script([HOLD])
    eks.reached(cluster_id, eks.submit(cluster_id), "RUNNING")
    eks.template()
    eks.emr.reset()
    assert (eks.emr.eks_job_runs(), eks.emr.virtual_clusters()) == ([], [])
    assert eks.client.list_job_templates()["templates"] == []
    eks.cluster()
