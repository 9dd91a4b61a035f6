"""Submission and the way of a job run through its states."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.runner import S3Logs
from airflow_emrs_ext.local.runners.scripts import ScriptedAttempt
from tests.endpoint.local.services.emr_serverless.lab import DRIVER, HOLD, ROLE, SMALL, Lab, SlowToStop

HIVE = {"hive": {"query": "SELECT 1"}}


async def test_success(lab: Lab) -> None:
    application_id = await lab.application(name="etl")
    before = datetime.now(timezone.utc)
    run_id = await lab.submit(application_id, name="daily", tags={"team": "a"}, jobDriver=DRIVER)
    run = await lab.ended(run_id)
    assert lab.path(run_id) == ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "SUCCESS"]
    moments = [datetime.fromisoformat(c["at"]) for c in lab.record("job run", run_id)["stateHistory"]]
    assert moments == sorted(moments)
    assert (
        run["arn"] == f"arn:aws:emr-serverless:us-east-1:123456789012:/applications/{application_id}/jobruns/{run_id}"
    )
    assert before <= run["createdAt"] == run["attemptCreatedAt"] < run["startedAt"] <= run["endedAt"]
    assert run["endedAt"] <= run["updatedAt"] == run["attemptUpdatedAt"]
    assert (
        run.items()
        >= {
            "applicationId": application_id,
            "jobRunId": run_id,
            "name": "daily",
            "state": "SUCCESS",
            "stateDetails": "Job completed successfully.",
            "executionRole": ROLE,
            "createdBy": "arn:aws:iam::123456789012:user/emrs-local",
            "releaseLabel": "emr-7.5.0",
            "jobDriver": DRIVER,
            "tags": {"team": "a"},
            "mode": "BATCH",
            "retryPolicy": {"maxAttempts": 1},
            "executionTimeoutMinutes": 720,
            "attempt": 1,
            "queuedDurationMilliseconds": 0,
            "totalExecutionDurationSeconds": 1,
            "totalResourceUtilization": {"vCPUHour": 0.004, "memoryGBHour": 0.018, "storageGBHour": 0.022},
            "billedResourceUtilization": {"vCPUHour": 0.267, "memoryGBHour": 1.067, "storageGBHour": 0.0},
        }.items()
    )


async def test_what_is_used_is_reported_when_the_run_has_ended(lab: Lab) -> None:
    lab.script(HOLD)
    run_id = await lab.submit(await lab.application())
    run = await lab.run_in(run_id, "RUNNING")
    assert "startedAt" in run
    for member in (
        "endedAt",
        "totalExecutionDurationSeconds",
        "totalResourceUtilization",
        "billedResourceUtilization",
    ):
        assert member not in run


async def test_an_application_starts_for_a_run_and_again_after_it_has_stopped(lab: Lab) -> None:
    application_id = await lab.application()
    await lab.ended(await lab.submit(application_id))
    await lab.service.stop_application(applicationId=application_id)
    while_stopping = await lab.submit(application_id)
    assert (await lab.get_application(application_id))["state"] == "STOPPING"
    assert (await lab.ended(while_stopping))["state"] == "SUCCESS"
    states = [change["state"] for change in lab.record("application", application_id)["stateHistory"]]
    assert states == ["CREATING", "CREATED", *["STARTING", "STARTED", "STOPPING", "STOPPED"], "STARTING", "STARTED"]


async def test_a_run_submitted_while_the_application_is_being_created(lab: Lab) -> None:
    created = await lab.service.create_application(type="SPARK", releaseLabel="emr-7.5.0", clientToken="t")
    run_id = await lab.submit(created["applicationId"])
    assert (await lab.ended(run_id))["state"] == "SUCCESS"


async def test_without_auto_start(lab: Lab) -> None:
    application_id = await lab.application(autoStartConfiguration={"enabled": False})
    with pytest.raises(ApiError, match=r"is CREATED and takes no job runs.*auto-start") as caught:
        await lab.submit(application_id)
    assert caught.value.code == "ValidationException"
    assert lab.service.job_runs.records() == []
    await lab.service.start_application(applicationId=application_id)
    await lab.application_in(application_id, "STARTED")
    assert (await lab.ended(await lab.submit(application_id)))["state"] == "SUCCESS"


async def test_a_terminated_application_takes_no_run(lab: Lab) -> None:
    application_id = await lab.application()
    await lab.service.delete_application(applicationId=application_id)
    with pytest.raises(ApiError, match="is TERMINATED and takes no job runs") as caught:
        await lab.submit(application_id)
    assert caught.value.code == "ValidationException"


async def test_the_same_token_is_the_same_run(lab: Lab) -> None:
    application_id, other_id = await lab.application(), await lab.application()
    first = await lab.submit(application_id, clientToken="t", name="a")
    assert await lab.submit(application_id, clientToken="t", name="a") == first
    await lab.ended(first)
    assert await lab.submit(application_id, clientToken="t", name="a") == first
    with pytest.raises(ApiError, match="clientToken: t was used for an earlier StartJobRun") as caught:
        await lab.submit(application_id, clientToken="t", name="b")
    assert caught.value.code == "ConflictException"
    assert await lab.submit(other_id, clientToken="t", name="b") != first
    assert len(lab.service.job_runs.records()) == 2


async def test_a_refused_request_does_not_use_up_its_token(lab: Lab) -> None:
    application_id = await lab.application()
    with pytest.raises(ApiError, match="a STREAMING job run takes no timeout"):
        await lab.submit(application_id, clientToken="t", mode="STREAMING", executionTimeoutMinutes=5)
    assert await lab.submit(application_id, clientToken="t")


@pytest.mark.parametrize(
    ("application", "params", "message"),
    [
        ({}, {"jobDriver": HIVE}, "jobDriver.hive: .* is a Spark application and takes sparkSubmit"),
        ({"type": "HIVE"}, {}, "jobDriver.sparkSubmit: .* is a Hive application and takes hive"),
        ({}, {"jobDriver": None}, "jobDriver: is required"),
        (
            {},
            {"jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "sparkSubmitParameters": '--conf "a=b'}}},
            "jobDriver.sparkSubmit.sparkSubmitParameters: cannot be read as a shell would",
        ),
        (
            {},
            {"jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "sparkSubmitParameters": "--conf a"}}},
            "jobDriver.sparkSubmit.sparkSubmitParameters: --conf needs key=value",
        ),
        (
            {"type": "HIVE"},
            {"jobDriver": {"hive": {"query": "x", "parameters": "--hiveconf a='b"}}},
            "jobDriver.hive.parameters: cannot be read",
        ),
        ({}, {"retryPolicy": {"maxAttempts": 11}}, "retryPolicy.maxAttempts: must be from 1 to 10, not 11"),
        (
            {},
            {"retryPolicy": {"maxFailedAttemptsPerHour": 2}},
            "retryPolicy.maxFailedAttemptsPerHour: is not for BATCH",
        ),
        (
            {},
            {"mode": "STREAMING", "retryPolicy": {"maxAttempts": 2}},
            "retryPolicy.maxAttempts: is not for STREAMING",
        ),
        (
            {},
            {"mode": "STREAMING", "retryPolicy": {"maxFailedAttemptsPerHour": 11}},
            "retryPolicy.maxFailedAttemptsPerHour: must be from 1 to 10",
        ),
        (
            {"releaseLabel": "emr-7.0.0"},
            {"retryPolicy": {"maxAttempts": 2}},
            "retries are supported from .*7.1.0",
        ),
        (
            {"releaseLabel": "emr-7.0.0"},
            {"mode": "STREAMING"},
            "STREAMING mode are supported from .*7.1.0",
        ),
        (
            {"type": "HIVE"},
            {"mode": "STREAMING", "jobDriver": HIVE},
            "STREAMING mode are for Spark",
        ),
        ({}, {"mode": "STREAMING", "executionTimeoutMinutes": 1}, "executionTimeoutMinutes: a STREAMING"),
        (
            {},
            {"mode": "STREAMING", "flexExecution": {"enabled": True}},
            "flexExecution.enabled: Flex capacity is for Spark job runs in BATCH mode, this is .* in STREAMING",
        ),
        (
            {"type": "HIVE"},
            {"flexExecution": {"enabled": True}, "jobDriver": HIVE},
            "flexExecution.enabled: Flex capacity is for Spark .* this is a Hive one in BATCH mode",
        ),
        ({"releaseLabel": "emr-7.11.0"}, {"executionTimeoutMinutes": 10081}, "executionTimeoutMinutes: .* 10080"),
        ({"releaseLabel": "emr-7.11.0"}, {"executionTimeoutMinutes": 0}, "executionTimeoutMinutes: .* from 1 to 10080"),
        ({}, {"executionIamPolicy": {"policy": "{"}}, "executionIamPolicy.policy: is not JSON"),
        ({}, {"executionIamPolicy": {"policyArns": ["arn:aws:iam::1:role/x"]}}, "executionIamPolicy.policyArns.1"),
        ({}, {"tags": {"aws:x": "1"}}, "tags.aws:x: keys that begin with aws: are reserved"),
        (
            {},
            {
                "configurationOverrides": {
                    "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "https://x"}}
                }
            },
            "configurationOverrides.monitoringConfiguration.s3MonitoringConfiguration.logUri",
        ),
        (
            {},
            {
                "configurationOverrides": {
                    "applicationConfiguration": [{"classification": "a"}, {"classification": "a"}]
                }
            },
            "configurationOverrides.applicationConfiguration.2.classification: a is given more than once",
        ),
        (
            {"runtimeConfiguration": [{"classification": "spark-defaults", "properties": {"spark.driver.cores": "3"}}]},
            {"jobDriver": DRIVER},
            "spark.driver.cores: workers have 1, 2, 4, 8 or 16 vCPUs, not 3",
        ),
    ],
)
async def test_refused(lab: Lab, application: dict[str, Any], params: dict[str, Any], message: str) -> None:
    application_id = await lab.application(**application)
    with pytest.raises(ApiError, match=message) as caught:
        await lab.submit(application_id, **params)
    assert caught.value.code == "ValidationException"
    assert lab.service.job_runs.records() == []
    assert (await lab.get_application(application_id))["state"] == "CREATED"


@pytest.mark.parametrize(
    ("params", "minutes"),
    [
        ({}, 720),
        ({"executionTimeoutMinutes": 0}, 0),
        ({"executionTimeoutMinutes": 20000}, 20000),
        ({"mode": "STREAMING"}, 0),
        ({"mode": "STREAMING", "executionTimeoutMinutes": 0}, 0),
    ],
)
async def test_execution_timeout(lab: Lab, params: dict[str, Any], minutes: int) -> None:
    run = await lab.get(await lab.submit(await lab.application(), **params))
    assert run["executionTimeoutMinutes"] == minutes


async def test_what_the_runner_is_given(make_lab: Callable[..., Lab]) -> None:
    runner = SlowToStop()
    lab = make_lab(runner=runner)
    application_id = await lab.application(
        runtimeConfiguration=[{"classification": "spark-defaults", "properties": {"a": "1"}}],
        monitoringConfiguration={"s3MonitoringConfiguration": {"logUri": "s3://logs/app"}},
    )
    run_id = await lab.submit(application_id, name="n", tags={"k": "v"})
    await lab.run_in(run_id, "RUNNING")
    (spec,) = runner.specs
    assert (spec.owner_id, spec.job_run_id, spec.attempt, spec.name) == (application_id, run_id, 1, "n")
    assert (spec.account_id, spec.region, spec.release_label) == ("123456789012", "us-east-1", "emr-7.5.0")
    assert (spec.driver_name, spec.execution_role_arn, spec.job_driver) == ("SPARK_DRIVER", ROLE, SMALL)
    assert spec.classifications == {"spark-defaults": {"a": "1"}}
    assert (spec.logs.s3, spec.logs.cloudwatch) == (S3Logs("s3://logs/app"), None)
    assert spec.log_path == f"applications/{application_id}/jobs/{run_id}"
    assert (spec.workers.driver.cpu, spec.workers.executor.memory_gb, spec.workers.executor_count) == (1, 2, 1)
    assert (spec.tags, spec.ui_id) == ({"k": "v"}, f"{run_id}-1")
    assert spec.work_dir.is_dir()


async def test_a_runner_that_raises_fails_the_run(make_lab: Callable[..., Lab]) -> None:
    class NoJava(SlowToStop):
        async def launch(self, spec: Any, on_running: Any) -> SlowToStop:
            raise RuntimeError("no Java here")

    lab = make_lab(runner=NoJava())
    run = await lab.ended(await lab.submit(await lab.application()))
    assert (run["state"], run["stateDetails"]) == ("FAILED", "no Java here")
    assert run["totalExecutionDurationSeconds"] == 0
    assert "billedResourceUtilization" not in run


@pytest.mark.parametrize(("succeeded", "details"), [(True, "Job completed successfully."), (False, "Job failed.")])
async def test_details_are_never_empty(lab: Lab, succeeded: bool, details: str) -> None:
    lab.script(ScriptedAttempt(running_after=0, ends_after=0, succeeded=succeeded, details=" \n"))
    assert (await lab.ended(await lab.submit(await lab.application())))["stateDetails"] == details


async def test_long_details_are_cut(lab: Lab) -> None:
    lab.script(ScriptedAttempt(running_after=0, ends_after=0, succeeded=False, details="x\n" * 300))
    run = await lab.ended(await lab.submit(await lab.application()))
    assert len(run["stateDetails"]) == 256
    assert run["stateDetails"].startswith("x x x")


async def test_the_request_and_the_effective_policy_can_be_read_back(lab: Lab) -> None:
    policy = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
    run_id = await lab.submit(
        await lab.application(), clientToken="mine", executionIamPolicy={"policy": policy, "policyArns": []}
    )
    record = lab.record("job run", run_id)
    assert record["clientToken"] == "mine"
    assert record["effectivePolicy"] == {
        "executionRoleArn": ROLE,
        "policy": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}},
        "policyArns": [],
    }
    assert (await lab.get(run_id))["executionIamPolicy"]["policy"] == policy


async def test_unknown_resources(lab: Lab) -> None:
    application_id, other_id = await lab.application(), await lab.application()
    run_id = await lab.submit(application_id)
    for wrong in ({"applicationId": "none", "jobRunId": run_id}, {"applicationId": other_id, "jobRunId": run_id}):
        with pytest.raises(ApiError) as caught:
            await lab.service.get_job_run(**wrong)
        assert caught.value.code == "ResourceNotFoundException"
    with pytest.raises(ApiError, match="has no attempt 2") as caught:
        await lab.get(run_id, attempt=2)
    assert caught.value.code == "ResourceNotFoundException"
