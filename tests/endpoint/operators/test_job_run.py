"""What the scenario table does not cover: parameters, kills, cancelling, and what is refused."""

from __future__ import annotations

import gzip
import json
import re
import threading
from typing import Any

import pytest

from airflow_emrs_ext._compat import AirflowException, AirflowFailException, TaskDeferred
from airflow_emrs_ext.exceptions import (
    ConfigurationError,
    Crashed,
    InvalidEvent,
    JobRunCancelled,
    RequestRejected,
    ResourceNotFound,
    WaitTimeout,
)
from airflow_emrs_ext.job_spec import configuration_overrides, hive, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.job_run import (
    EmrServerlessCancelJobRunOperator,
    EmrServerlessStartJobRunOperator,
)
from tests.polling import eventually
from tests.running import TaskInstance, TaskRun, context_of, run_task

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)
CRASHED = {"type": "Crashed", "message": "The wait failed: ValueError", "facts": {}}
IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    client = emr.client("emr-serverless")
    return str(client.create_application(releaseLabel="emr-7.9.0", type="SPARK")["applicationId"])


def operator(application_id: Any, **arguments: Any) -> EmrServerlessStartJobRunOperator:
    return EmrServerlessStartJobRunOperator(
        **{
            "task_id": "a_task",
            "application_id": application_id,
            "execution_role_arn": ROLE,
            "job_driver": spark_submit("s3://b/j.py"),
            "waiter_delay": 0.1,
            **arguments,
        }
    )


def start(application_id: Any, task_instance: dict[str, Any] | None = None, **arguments: Any) -> TaskRun:
    return run_task(lambda: operator(application_id, **arguments), **(task_instance or {}))


@pytest.mark.parametrize("prefix", [None, "nightly", "nightly/"])
def test_the_result_says_where_the_logs_are(emr: LocalEmr, application_id: str, prefix: str | None) -> None:
    emr.script(attempts=[ScriptedAttempt(stdout="counted 14 words\n")])
    emr.client("s3").create_bucket(Bucket="where-logs-are")
    monitoring = configuration_overrides(
        s3_log_uri="s3://where-logs-are/emr/",
        cloud_watch_log_group="/where/logs/are",
        cloud_watch_log_stream_prefix=prefix,
    )
    task = start(application_id, configuration_overrides=monitoring, retry_policy={"maxAttempts": 2})
    assert task.error is None
    where = task.result["log_locations"]
    bucket, _, folder = where["s3_uri"].removeprefix("s3://").partition("/")
    packed = emr.client("s3").get_object(Bucket=bucket, Key=f"{folder}stdout.gz")["Body"].read()
    assert gzip.decompress(packed) == b"counted 14 words\n"
    events = emr.client("logs").get_log_events(
        logGroupName=where["cloudwatch_log_group"],
        logStreamName=f"{where['cloudwatch_log_stream_prefix']}/stdout",
    )["events"]
    assert [event["message"] for event in events] == ["counted 14 words"]


def test_every_parameter_reaches_the_service(emr: LocalEmr, application_id: str) -> None:
    policy = {"policy": POLICY, "policyArns": ["arn:aws:iam::123456789012:policy/p"]}
    arguments: dict[str, Any] = {
        "name": "nightly",
        "retry_policy": {"maxAttempts": 2},
        "execution_timeout_minutes": 30,
        "tags": {"team": "data"},
        "configuration_overrides": configuration_overrides(
            spark_defaults={"spark.executor.cores": "2"}, s3_log_uri="s3://logs"
        ),
    }
    arguments["execution_iam_policy"] = policy
    task = start({"application_id": application_id}, **arguments)
    assert task.error is None
    found = emr.client("emr-serverless").get_job_run(applicationId=application_id, jobRunId=task.result["job_run_id"])[
        "jobRun"
    ]
    assert (found["name"], found["mode"], found["executionTimeoutMinutes"]) == ("nightly", "BATCH", 30)
    assert found["retryPolicy"] == {"maxAttempts": 2}
    assert re.fullmatch("[0-9a-f]{16}", found["tags"].pop("airflow-emrs-ext:request"))
    assert found["tags"] == {
        "team": "data",
        "airflow-emrs-ext:generation": "0",
        "airflow-emrs-ext:dag_id": "a_dag",
        "airflow-emrs-ext:run_id": "manual__2026-05-01",
        "airflow-emrs-ext:task_id": "a_task",
        "airflow-emrs-ext:deployment": "tests",
    }
    assert found["configurationOverrides"] == arguments["configuration_overrides"]
    assert found["executionIamPolicy"] == policy
    assert emr.job_runs()[0]["executionIamPolicy"] == policy


def test_the_name_defaults_to_dag_and_task(emr: LocalEmr, application_id: str) -> None:
    assert start(application_id).result["name"] == "a_dag.a_task"


def test_further_members_go_through_config(emr: LocalEmr, application_id: str) -> None:
    task = start(application_id, config={"executionTimeoutMinutes": 7, "name": "from-config"})
    assert task.result["name"] == "from-config"
    assert emr.job_runs()[0]["executionTimeoutMinutes"] == 7


def test_an_airflow_retry_policy_stays_airflows(emr: LocalEmr, application_id: str) -> None:
    class Policy:
        def evaluate(self, *_: Any) -> None:
            """Airflow's interface."""

    task = operator(application_id, job_retry_policy={"maxAttempts": 4})
    assert task.job_retry_policy == {"maxAttempts": 4}
    try:
        task = operator(application_id, retry_policy=Policy(), job_retry_policy={"maxAttempts": 4})
    except (TypeError, AirflowException):
        pytest.skip("this Airflow has no retry_policy of its own")
    assert isinstance(task.retry_policy, Policy)
    assert task.job_retry_policy == {"maxAttempts": 4}
    assert not isinstance(operator(application_id, retry_policy={"maxAttempts": 4}).retry_policy, dict)


def test_streaming_through_config_waits_for_running(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    task = start(application_id, config={"mode": "STREAMING"})
    assert (task.result["mode"], task.result["state"]) == ("STREAMING", "RUNNING")


def test_numbers_may_come_from_templates(emr: LocalEmr, application_id: str) -> None:
    task = start(application_id, execution_timeout_minutes="30", retry_policy={"maxAttempts": "2"}, wait_timeout="60")
    assert task.error is None
    assert task.result["retry_policy"] == {"maxAttempts": 2}


def test_the_name_of_a_mapped_task_has_its_index(emr: LocalEmr, application_id: str) -> None:
    assert start(application_id, {"map_index": 3}).result["name"] == "a_dag.a_task[3]"


@pytest.mark.parametrize("event", [None, {"status": "success"}, {"format": 1, "error": CRASHED}], ids=str)
def test_an_end_that_nobody_foresaw_leaves_the_run_to_the_next_try(
    emr: LocalEmr, application_id: str, event: Any
) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    ti = TaskInstance()
    with pytest.raises(TaskDeferred):
        operator(application_id, deferrable=True).execute(context_of(ti))
    with pytest.raises((InvalidEvent, Crashed)) as failed:
        operator(application_id, deferrable=True).execute_complete(context_of(ti), event)
    assert not isinstance(failed.value, AirflowFailException)
    (run,) = eventually(lambda: [one for one in emr.job_runs() if one["state"] == "RUNNING"])
    emr.finish(run["jobRunId"])
    task = start(application_id, {"try_number": 2, "max_tries": 1}, retries=1)
    assert task.result["job_run_id"] == run["jobRunId"]


@IN_BOTH_MODES
def test_a_throttled_submission_ends_with_the_deadline(emr: LocalEmr, application_id: str, deferrable: bool) -> None:
    emr.inject("StartJobRun", "throttle", times=None)
    task = start(application_id, wait_timeout=1.0, deferrable=deferrable)
    assert isinstance(task.error, WaitTimeout)
    assert "start_job_run" in str(task.error)


@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        ({"wait_for_completion": False}, None),
        ({"wait_for": "submission"}, None),
        ({"wait_for_completion": True}, "SUCCESS"),
        ({"mode": "STREAMING", "wait_for": "completion"}, "SUCCESS"),
    ],
)
def test_what_is_waited_for(emr: LocalEmr, application_id: str, arguments: dict[str, Any], state: str | None) -> None:
    task = start(application_id, **arguments)
    assert task.error is None
    assert task.result.get("state") == state
    assert task.xcoms["job_run_id"] == emr.job_runs()[0]["jobRunId"]


def test_a_kill_while_waiting_cancels_the_job_run(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    task = operator(application_id)

    def kill() -> None:
        eventually(lambda: [one for one in emr.job_runs() if one["state"] == "RUNNING"])
        task.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    # Airflow ends the process after on_kill; here the wait goes on and sees what on_kill did.
    run = run_task(lambda: task)
    killer.join()
    assert isinstance(run.error, JobRunCancelled)
    assert emr.job_runs()[0]["state"] == "CANCELLED"


def test_a_kill_leaves_the_job_run_alone_if_told_so(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    task = operator(application_id, cancel_on_kill=False, wait_for="running")
    run_task(lambda: task)
    task.on_kill()
    assert emr.calls("CancelJobRun") == []


@pytest.mark.parametrize(
    ("arguments", "error_class", "said"),
    [
        ({"execution_role_arn": "role/job"}, RequestRejected, "`execution_role_arn`"),
        ({"application_id": "00fdoesnotexist1"}, ResourceNotFound, "`application_id`"),
        ({"application_id": None}, ConfigurationError, "`application_id`"),
        ({"retry_policy": {"maxFailedAttemptsPerHour": 3}}, RequestRejected, "`retry_policy` against `mode`"),
        ({"mode": "STREAMING", "retry_policy": {"maxAttempts": 3}}, RequestRejected, "`retry_policy` against `mode`"),
        ({"retry_policy": {"maxAttempts": 11}}, RequestRejected, "`retry_policy` against `mode`"),
        (
            {"job_driver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "sparkSubmitParameters": "--conf 'a=b"}}},
            RequestRejected,
            "`sparkSubmitParameters`",
        ),
        ({"job_driver": hive("s3://b/q.sql")}, RequestRejected, "`job_driver`"),
        ({"job_driver": {}}, RequestRejected, "`job_driver`"),
        ({"mode": "STREAMING", "execution_timeout_minutes": 5}, RequestRejected, "`execution_timeout_minutes`"),
        ({"wait_for": "success"}, ConfigurationError, "`wait_for`"),
        ({"wait_timeout": "None"}, ConfigurationError, "`wait_timeout`"),
        ({"execution_timeout_minutes": "an hour"}, ConfigurationError, "`execution_timeout_minutes`"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_bad_input_names_the_parameter_and_loses_nothing(
    emr: LocalEmr, application_id: str, arguments: dict[str, Any], error_class: type[Exception], said: str
) -> None:
    given = {"application_id": application_id, **arguments}
    task = start(given.pop("application_id"), **given)
    assert type(task.error) is error_class
    assert said in str(task.error)
    assert emr.job_runs() == []


class TestCancel:
    @staticmethod
    def cancel(application_id: str, job_run_id: Any, **arguments: Any) -> TaskRun:
        return run_task(
            lambda: EmrServerlessCancelJobRunOperator(
                task_id="cancel",
                application_id=application_id,
                job_run_id=job_run_id,
                waiter_delay=0.1,
                **arguments,
            )
        )

    @IN_BOTH_MODES
    def test_it_waits_until_the_run_is_over(self, emr: LocalEmr, application_id: str, deferrable: bool) -> None:
        emr.script([ScriptedAttempt(hold=True)])
        started = start(application_id, wait_for="running").result
        task = self.cancel(application_id, started, deferrable=deferrable)
        assert task.error is None
        assert task.result["state"] == "CANCELLED"

    @IN_BOTH_MODES
    def test_a_run_that_is_over_is_success(self, emr: LocalEmr, application_id: str, deferrable: bool) -> None:
        started = start(application_id).result
        task = self.cancel(application_id, started["job_run_id"], deferrable=deferrable)
        assert task.error is None
        assert task.result["state"] == "SUCCESS"

    @IN_BOTH_MODES
    def test_a_throttled_cancellation_is_repeated(self, emr: LocalEmr, application_id: str, deferrable: bool) -> None:
        emr.script([ScriptedAttempt(hold=True)])
        started = start(application_id, wait_for="running").result
        emr.inject("CancelJobRun", "throttle", times=2)
        task = self.cancel(application_id, started, deferrable=deferrable)
        assert task.result["state"] == "CANCELLED"

    def test_without_waiting(self, emr: LocalEmr, application_id: str) -> None:
        emr.script([ScriptedAttempt(hold=True)])
        started = start(application_id, wait_for="running").result
        assert self.cancel(application_id, started, wait_for_completion=False).error is None
        eventually(lambda: emr.job_runs()[0]["state"] == "CANCELLED")

    def test_an_unknown_run_is_an_error(self, emr: LocalEmr, application_id: str) -> None:
        assert isinstance(self.cancel(application_id, "00fdoesnotexist1").error, ResourceNotFound)
