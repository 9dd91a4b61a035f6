"""The operators and sensors of EMR on EKS, where they differ from those of EMR Serverless."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import (
    ConfigurationError,
    JobRunCancelled,
    JobRunFailed,
    RequestConflict,
    RequestRejected,
    ResourceNotFound,
    SessionEnded,
    WaitTimeout,
)
from airflow_emrs_ext.job_spec import eks_configuration_overrides, eks_spark_sql, eks_spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, ScriptedSession
from airflow_emrs_ext.operators.containers_job_run import (
    EmrContainersCancelJobRunOperator,
    EmrContainersStartJobRunOperator,
)
from airflow_emrs_ext.operators.job_template import (
    EmrContainersCreateJobTemplateOperator,
    EmrContainersDeleteJobTemplateOperator,
)
from airflow_emrs_ext.operators.managed_endpoint import (
    EmrContainersCreateManagedEndpointOperator,
    EmrContainersDeleteManagedEndpointOperator,
)
from airflow_emrs_ext.operators.virtual_cluster import (
    EmrContainersCreateVirtualClusterOperator,
    EmrContainersDeleteVirtualClusterOperator,
)
from airflow_emrs_ext.sensors.containers import (
    EmrContainersJobRunSensor,
    EmrContainersManagedEndpointSensor,
    EmrContainersVirtualClusterSensor,
)
from tests.polling import eventually
from tests.running import TaskRun, run_task

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
TRACEBACK = """\
Traceback (most recent call last):
  File "/tmp/spark-1b2c/job.py", line 9, in main
    raise ValueError("column {}")
ValueError: column {}
"""
IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
Said = Callable[[], str]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Said:
    """What was logged until now, by whichever way this Airflow logs."""
    caplog.set_level("INFO")
    return lambda: caplog.text + capsys.readouterr().out


@pytest.fixture
def cluster_id(emr: LocalEmr) -> str:
    return str(create_cluster().result["virtual_cluster_id"])


def create_cluster(**arguments: Any) -> TaskRun:
    given = {"task_id": "create", "eks_cluster_name": "eks", "eks_namespace": "spark", **arguments}
    return run_task(lambda: EmrContainersCreateVirtualClusterOperator(**given), task_id="create")


def start(cluster_id: Any, task: dict[str, Any] | None = None, **arguments: Any) -> TaskRun:
    given = {
        "task_id": "a_task",
        "virtual_cluster_id": cluster_id,
        "execution_role_arn": ROLE,
        "release_label": "emr-7.9.0-latest",
        "job_driver": eks_spark_submit("s3://b/j.py"),
        "waiter_delay": 0.1,
        **arguments,
    }
    return run_task(lambda: EmrContainersStartJobRunOperator(**given), **(task or {}))


def template_of(**more: Any) -> dict[str, Any]:
    return {
        "executionRoleArn": ROLE,
        "releaseLabel": "emr-7.9.0-latest",
        "jobDriver": eks_spark_sql("s3://b/q.sql", variables={"day": "${day}", "least": "${least}"}),
        "parameterConfiguration": {"day": {"type": "STRING", "defaultValue": "today"}, "least": {"type": "NUMBER"}},
        **more,
    }


def create_template(task: dict[str, Any] | None = None, **arguments: Any) -> TaskRun:
    given = {"task_id": "a_task", "job_template_data": template_of(), **arguments}
    return run_task(lambda: EmrContainersCreateJobTemplateOperator(**given), **(task or {}))


# Virtual clusters


def test_a_namespace_becomes_a_virtual_cluster_once(emr: LocalEmr) -> None:
    created = create_cluster()
    assert created.result["state"] == "RUNNING"
    assert (created.result["eks_cluster"], created.result["namespace"]) == ("eks", "spark")
    assert created.result["tags"]["airflow-emrs-ext:task_id"] == "create"
    second_try = {"try_number": 2, "max_tries": 2, "task_id": "create"}
    again = run_task(
        lambda: EmrContainersCreateVirtualClusterOperator(
            task_id="create", eks_cluster_name="eks", eks_namespace="spark"
        ),
        **second_try,
    )
    assert again.result["virtual_cluster_id"] == created.result["virtual_cluster_id"]
    assert len(emr.virtual_clusters()) == 1


def test_another_tasks_namespace_is_taken_only_if_asked(emr: LocalEmr, cluster_id: str) -> None:
    def another(**arguments: Any) -> TaskRun:
        given = {"task_id": "other", "eks_cluster_name": "eks", "eks_namespace": "spark", **arguments}
        return run_task(lambda: EmrContainersCreateVirtualClusterOperator(**given), task_id="other")

    refused = another()
    assert isinstance(refused.error, RequestRejected)
    assert "`reuse_existing=True`" in str(refused.error)
    assert another(reuse_existing=True).result["virtual_cluster_id"] == cluster_id


def test_two_tasks_that_want_the_same_namespace_at_once_share_it(emr: LocalEmr) -> None:
    emr.inject("CreateVirtualCluster", "delay", seconds=4)
    faster = emr.client("emr-containers")

    def be_faster() -> None:
        eventually(lambda: emr.calls("CreateVirtualCluster"))
        provider = {"type": "EKS", "id": "eks", "info": {"eksInfo": {"namespace": "spark"}}}
        faster.create_virtual_cluster(name="faster", containerProvider=provider)

    helper = threading.Thread(target=be_faster)
    helper.start()
    task = create_cluster(reuse_existing=True)
    helper.join()
    assert task.error is None, task.error
    assert task.result["name"] == "faster"
    assert len(emr.virtual_clusters()) == 1


@IN_BOTH_MODES
def test_a_virtual_cluster_is_deleted_with_what_runs_there_if_asked(
    emr: LocalEmr, cluster_id: str, deferrable: bool
) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    start(cluster_id, wait_for="running")

    def delete(**arguments: Any) -> TaskRun:
        given = {"task_id": "delete", "virtual_cluster_id": cluster_id, "waiter_delay": 0.1, **arguments}
        return run_task(lambda: EmrContainersDeleteVirtualClusterOperator(deferrable=deferrable, **given))

    refused = delete()
    assert isinstance(refused.error, RequestRejected)
    assert "`force_delete=True`" in str(refused.error)
    assert delete(force_delete=True).result["state"] == "TERMINATED"
    assert [one["state"] for one in emr.eks_job_runs()] == ["CANCELLED"]
    assert delete().result["state"] == "TERMINATED"


@IN_BOTH_MODES
def test_a_rendered_no_ends_nothing(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    start(cluster_id, wait_for="running")
    given = {"task_id": "d", "virtual_cluster_id": cluster_id, "force_delete": "False", "deferrable": deferrable}
    refused = run_task(lambda: EmrContainersDeleteVirtualClusterOperator(**given))
    assert isinstance(refused.error, RequestRejected)
    assert [one["state"] for one in emr.eks_job_runs()] == ["RUNNING"]


def test_a_virtual_cluster_that_is_not_there_is_deleted(emr: LocalEmr) -> None:
    given = {"task_id": "d", "virtual_cluster_id": "nosuchcluster", "force_delete": True}
    assert run_task(lambda: EmrContainersDeleteVirtualClusterOperator(**given)).result["state"] == "TERMINATED"


def test_a_virtual_cluster_that_ends_is_not_taken(emr: LocalEmr) -> None:
    emr.configure(application_start_seconds=1)
    created = create_cluster().result
    emr.client("emr-containers").delete_virtual_cluster(id=created["virtual_cluster_id"])
    again = create_cluster(waiter_delay=0.1)
    assert again.result["state"] == "RUNNING"
    assert again.result["virtual_cluster_id"] != created["virtual_cluster_id"]


# Job runs


def test_what_a_job_run_lacks_is_named_before_anything_starts(emr: LocalEmr, cluster_id: str) -> None:
    task = start(cluster_id, execution_role_arn=None, job_driver=None)
    assert isinstance(task.error, ConfigurationError)
    assert "`execution_role_arn`, `job_driver`" in str(task.error)
    assert emr.eks_job_runs() == []


@IN_BOTH_MODES
def test_a_template_takes_its_parameters(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    template = create_template().result
    task = start(
        cluster_id,
        execution_role_arn=None,
        release_label=None,
        job_driver=None,
        job_template_id=template,
        job_template_parameters={"least": 7, "day": None},
        deferrable=deferrable,
    )
    assert task.result["state"] == "COMPLETED"
    assert task.result["type"] == "SPARK_SQL"
    (run,) = emr.eks_job_runs()
    parameters = run["jobDriver"]["sparkSqlJobDriver"]["sparkSqlParameters"]
    assert shlex.split(parameters) == ["--hivevar", "day=today", "--hivevar", "least=7"]


@pytest.mark.parametrize("name", ["eks_cluster_name", "eks_namespace"])
@pytest.mark.parametrize("nothing", [None, "", "None"])
def test_no_virtual_cluster_of_another_cluster_is_taken(emr: LocalEmr, name: str, nothing: str | None) -> None:
    """Which one was meant is not known where a reference gave nothing."""
    assert create_cluster(eks_cluster_name="another").error is None
    calls = len(emr.calls())
    task = create_cluster(reuse_existing=True, **{name: nothing})
    assert isinstance(task.error, ConfigurationError)
    assert f"`{name}` is {nothing!r}" in str(task.error)
    assert len(emr.calls()) == calls


def test_a_template_says_which_parameter_it_lacks(emr: LocalEmr, cluster_id: str) -> None:
    template = create_template().result
    task = start(cluster_id, execution_role_arn=None, release_label=None, job_driver=None, job_template_id=template)
    assert isinstance(task.error, RequestRejected)
    assert "least" in str(task.error)
    assert "`job_template_parameters`" in str(task.error)


@pytest.mark.parametrize(("count", "are_left_out"), [(42, False), (46, True), (50, True)])
def test_tags_of_ones_own_come_first(
    emr: LocalEmr, cluster_id: str, said: Said, count: int, are_left_out: bool
) -> None:
    own = {f"key{number}": "value" for number in range(count)}
    task = start(cluster_id, tags=own, wait_for="submission")
    assert task.error is None
    tags = emr.client("emr-containers").describe_job_run(virtualClusterId=cluster_id, id=task.result["job_run_id"])
    found = tags["jobRun"]["tags"]
    assert own.items() <= found.items()
    assert (found == own) is are_left_out
    assert ("are left out" in said()) is are_left_out


def test_the_amazon_providers_word_for_retries(emr: LocalEmr, cluster_id: str, said: Said) -> None:
    emr.configure(eks_retry_seconds=0.05)
    emr.script([ScriptedAttempt(succeeded=False), ScriptedAttempt()])
    task = start(cluster_id, job_retry_max_attempts="2", retries=1)
    assert task.result["attempt"] == 2
    assert "`job_retry_max_attempts` lets the service make 2 attempts" in said()
    both = start(cluster_id, job_retry_max_attempts=2, retry_policy_configuration={"maxAttempts": 2})
    assert isinstance(both.error, ConfigurationError)


def test_what_the_service_refuses_names_the_parameter(cluster_id: str) -> None:
    for place, arguments, remedy in (
        (cluster_id, {"execution_role_arn": "me"}, "`execution_role_arn`"),
        (cluster_id, {"name": "ä name"}, "`name`"),
        (cluster_id, {"job_template_id": "nosuchtemplate"}, "`job_template_id`"),
        ("nosuchcluster", {}, "`virtual_cluster_id`"),
    ):
        task = start(place, **arguments)
        assert isinstance(task.error, (RequestRejected, ResourceNotFound)), task.error
        assert remedy in str(task.error)


def test_a_token_of_ones_own_with_other_parameters_is_a_conflict(cluster_id: str) -> None:
    first = start(cluster_id, client_request_token="mine")
    assert start(cluster_id, client_request_token="mine").result["job_run_id"] == first.result["job_run_id"]
    other = start(cluster_id, client_request_token="mine", name="other")
    assert isinstance(other.error, RequestConflict)
    assert "`client_request_token`" in str(other.error)


@IN_BOTH_MODES
def test_cancelling(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    ids = start(cluster_id, wait_for="running").result
    given = {"virtual_cluster_id": ids, "job_run_id": ids, "waiter_delay": 0.1, "deferrable": deferrable}
    for _ in range(2):
        task = run_task(lambda: EmrContainersCancelJobRunOperator(task_id="cancel", **given))
        assert task.result["state"] == "CANCELLED"


# Logs


@IN_BOTH_MODES
@pytest.mark.parametrize("where", ["s3", "cloudwatch"])
def test_each_attempt_shows_the_log_of_its_own_pod(
    emr: LocalEmr, cluster_id: str, said: Said, monkeypatch: pytest.MonkeyPatch, where: str, deferrable: bool
) -> None:
    emr.client("s3").create_bucket(Bucket="driver-logs")
    emr.configure(log_refresh_seconds=0.2, eks_retry_seconds=0.05)
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DRIVER_LOG_INTERVAL", "1")
    emr.script(
        [
            ScriptedAttempt(succeeded=False, details="exit 1", stdout=TRACEBACK.format(n, n), ends_after=1.1)
            for n in "12"
        ]
    )
    kept = {"s3_log_uri": "s3://driver-logs/here"} if where == "s3" else {"cloud_watch_log_group": "/driver/logs"}
    task = start(
        cluster_id,
        configuration_overrides=eks_configuration_overrides(**kept),
        retry_policy_configuration={"maxAttempts": 2},
        deferrable=deferrable,
    )
    assert isinstance(task.error, JobRunFailed)
    assert "ValueError: column 2 (job.py, line 9, in main)" in str(task.error)
    shown = task.error.facts["driver_logs"]
    assert ["column 1" in shown[0]["text"], "column 2" in shown[1]["text"]] == [True, True]
    run_id = task.error.facts["job_run_id"]
    pod = rf"/containers/spark-{run_id}-(\w+)/spark-{run_id}-driver-\1"
    assert all(re.search(pod, one["places"][0]) for one in shown)
    assert 'raise ValueError("column 1")' in said()


@IN_BOTH_MODES
def test_logs_are_followed_while_the_task_waits(
    emr: LocalEmr, cluster_id: str, said: Said, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    emr.client("s3").create_bucket(Bucket="driver-logs")
    emr.configure(log_refresh_seconds=0.2)
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DRIVER_LOG_INTERVAL", "1")
    emr.script([ScriptedAttempt(hold=True, stdout="counting\n")])

    def go_on() -> None:
        run = eventually(lambda: next((one for one in emr.eks_job_runs() if one["state"] == "RUNNING"), None))
        emr.write(run["id"], stdout="counted 14 words\n")
        emr.finish(run["id"])

    helper = threading.Thread(target=go_on)
    helper.start()
    overrides = eks_configuration_overrides(s3_log_uri="s3://driver-logs/here")
    task = start(cluster_id, configuration_overrides=overrides, show_driver_logs="live", deferrable=deferrable)
    helper.join()
    assert task.error is None, task.error
    logged = said()
    assert "[stdout] counting" in logged
    assert "[stdout] counted 14 words" in logged


# Templates


def test_a_template_is_created_once_however_often_the_task_is_tried(emr: LocalEmr) -> None:
    first = create_template()
    assert create_template({"try_number": 2, "max_tries": 2}, retries=2).result == first.result
    cleared = create_template({"try_number": 2, "max_tries": 3}, retries=2)
    assert cleared.result["job_template_id"] != first.result["job_template_id"]
    for _ in range(2):
        deleted = run_task(lambda: EmrContainersDeleteJobTemplateOperator(task_id="d", job_template_id=first.result))
        assert deleted.result == {"job_template_id": first.result["job_template_id"]}
    listed = emr.client("emr-containers").list_job_templates()["templates"]
    assert [one["id"] for one in listed] == [cleared.result["job_template_id"]]


def test_a_template_that_was_deleted_is_not_found_again(emr: LocalEmr) -> None:
    first = create_template().result
    run_task(lambda: EmrContainersDeleteJobTemplateOperator(task_id="d", job_template_id=first))
    again = create_template().result
    listed = emr.client("emr-containers").list_job_templates()["templates"]
    assert [one["id"] for one in listed] == [again["job_template_id"]]
    assert create_template().result == again


# Managed endpoints


def create_endpoint(cluster_id: str, **arguments: Any) -> TaskRun:
    given = {
        "task_id": "a_task",
        "virtual_cluster_id": cluster_id,
        "execution_role_arn": ROLE,
        "release_label": "emr-7.14.0-latest",
        "waiter_delay": 0.1,
        **arguments,
    }
    return run_task(lambda: EmrContainersCreateManagedEndpointOperator(**given))


@IN_BOTH_MODES
def test_an_endpoint_from_its_beginning_to_its_end(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    created = create_endpoint(cluster_id, runtime_configuration={"spark.executor.cores": 2}, deferrable=deferrable)
    assert (created.result["state"], created.result["type"]) == ("ACTIVE", "SPARK_CONNECT")
    assert "token" not in json.dumps(created.xcoms).lower()
    sensor = {"virtual_cluster_id": created.result, "endpoint_id": created.result, "deferrable": deferrable}
    sensed = run_task(lambda: EmrContainersManagedEndpointSensor(task_id="sensor", poke_interval=0.1, **sensor))
    assert sensed.result["endpoint_id"] == created.result["endpoint_id"]
    for _ in range(2):
        deleted = run_task(
            lambda: EmrContainersDeleteManagedEndpointOperator(
                task_id="delete", endpoint=created.result, waiter_delay=0.1, deferrable=deferrable
            )
        )
        assert deleted.result["state"] == "TERMINATED"


@IN_BOTH_MODES
def test_an_endpoint_that_does_not_become_ready_is_deleted(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script([], session=ScriptedSession(ready_after=600))
    task = create_endpoint(cluster_id, wait_timeout=1.5, deferrable=deferrable)
    assert isinstance(task.error, WaitTimeout)
    eventually(lambda: [one["state"] for one in emr.managed_endpoints()] == ["TERMINATED"])


@IN_BOTH_MODES
def test_an_endpoint_that_fails_says_why(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script([], session=ScriptedSession(ready_after=0.1, ends_after=0.1, details="OutOfMemoryError"))
    task = create_endpoint(cluster_id, deferrable=deferrable)
    if task.error is None:
        sensor = {"virtual_cluster_id": task.result, "endpoint_id": task.result, "target_states": ["TERMINATED"]}
        pace = {"poke_interval": 0.1, "timeout": 20}
        task = run_task(lambda: EmrContainersManagedEndpointSensor(task_id="s", **pace, **sensor))
    assert isinstance(task.error, SessionEnded)
    assert "OutOfMemoryError" in str(task.error)


# Sensors


@IN_BOTH_MODES
def test_sensors(emr: LocalEmr, cluster_id: str, deferrable: bool) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    ids = start(cluster_id, wait_for="running").result
    place = {"virtual_cluster_id": ids, "poke_interval": 0.1, "timeout": 20, "deferrable": deferrable}
    cluster = run_task(lambda: EmrContainersVirtualClusterSensor(task_id="s", **place))
    assert cluster.result["state"] == "RUNNING"
    where = {**place, "job_run_id": ids}
    running = run_task(lambda: EmrContainersJobRunSensor(task_id="s", target_states=["RUNNING"], **where))
    assert running.result["state"] == "RUNNING"
    members = {"virtualClusterId": cluster_id, "id": ids["job_run_id"]}
    emr.client("emr-containers").cancel_job_run(**members)
    ended = run_task(lambda: EmrContainersJobRunSensor(task_id="s", **where))
    assert isinstance(ended.error, JobRunCancelled)
