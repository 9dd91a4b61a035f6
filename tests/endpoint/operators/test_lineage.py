"""The way back from a Spark application to its task: its name, OpenLineage's properties; a retry still finds it."""

from __future__ import annotations

import shlex
import sys
import types
from typing import Any

import pytest

from airflow_emrs_ext._compat import TaskDeferred
from airflow_emrs_ext.core import lineage
from airflow_emrs_ext.job_spec import configuration_overrides, hive, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator
from tests.polling import eventually, let_it_age
from tests.running import TaskInstance, context_of, run_task

ROLE = "arn:aws:iam::123456789012:role/job"
PARENT = {"spark.openlineage.parentRunId": "the run", "spark.openlineage.rootParentRunId": "the DAG run"}
TRANSPORT = {"spark.openlineage.transport.type": "http", "spark.openlineage.transport.url": "http://lineage"}


def conf(request: dict[str, Any]) -> dict[str, str]:
    """What the parameters of a submission say."""
    words = iter(shlex.split(request["job_driver"]["sparkSubmit"].get("sparkSubmitParameters", "")))
    return dict(next(words).split("=", 1) for word in words if word == "--conf")


@pytest.fixture
def openlineage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the provider, whose own needs a backend: it names a run by the task's try."""

    def parent(properties: dict[str, str], context: Any) -> dict[str, str]:
        ti = context["ti"]
        return {**properties, **PARENT, "spark.openlineage.parentRunId": f"{ti.task_id} {ti.try_number}"}

    spark = types.ModuleType("airflow.providers.openlineage.utils.spark")
    vars(spark)["inject_parent_job_information_into_spark_properties"] = parent
    vars(spark)["inject_transport_information_into_spark_properties"] = lambda given, context: {**given, **TRANSPORT}
    for name in ("airflow.providers.openlineage", "airflow.providers.openlineage.utils"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, spark.__name__, spark)
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__SPARK_INJECT_PARENT_JOB_INFO", "True")
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__SPARK_INJECT_TRANSPORT_INFO", "True")


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    defaults = {"classification": "spark-defaults", "properties": {"spark.executor.cores": "2"}}
    created = emr.client("emr-serverless").create_application(
        type="SPARK",
        releaseLabel="emr-7.13.0",
        interactiveConfiguration={"sessionEnabled": True},
        runtimeConfiguration=[defaults],
    )
    return str(created["applicationId"])


def job(application_id: str, **arguments: Any) -> EmrServerlessStartJobRunOperator:
    return EmrServerlessStartJobRunOperator(
        **{
            "task_id": "a_task",
            "application_id": application_id,
            "execution_role_arn": ROLE,
            "job_driver": spark_submit("s3://b/j.py"),
            "waiter_delay": 0.1,
            "retries": 2,
            **arguments,
        }
    )


@pytest.mark.parametrize(
    "given",
    [
        {"job_driver": spark_submit("s3://b/j.py", conf={"spark.app.name": "mine"})},
        {"job_driver": {"sparkSubmit": {"entryPoint": "s3://b/j.py", "sparkSubmitParameters": "--name mine"}}},
        {
            "job_driver": spark_submit("s3://b/j.py"),
            "configuration_overrides": configuration_overrides(spark_defaults={"spark.app.name": "mine"}),
        },
        {"job_driver": hive("s3://b/q.sql")},
    ],
    ids=["conf", "option", "defaults", "hive"],
)
def test_a_name_of_ones_own_stays(given: dict[str, Any]) -> None:
    request = {"name": "a_dag.a_task", **given}
    assert lineage.named(request) == request


def test_the_application_is_named_after_the_job_run() -> None:
    request = {"name": "a dag's task", "job_driver": spark_submit("s3://b/j.py", conf={"spark.a": "b"}).request()}
    assert conf(lineage.named(request)) == {"spark.a": "b", "spark.app.name": "a dag's task"}
    assert "spark.app.name" not in str(request)


def test_openlineage_properties_of_ones_own_stay() -> None:
    mine = {"spark.openlineage.parentRunId": "mine"}
    request = {"job_driver": spark_submit("s3://b/j.py", conf=mine).request()}
    assert conf(lineage.with_properties(request, {**PARENT, **TRANSPORT})) == {**mine, **TRANSPORT}


@pytest.mark.usefixtures("openlineage")
@pytest.mark.parametrize("where", ["", "transports.main."])
def test_the_key_and_the_timeout_are_those_of_airflows_own_transport(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The provider gives the key with what stands before it in a header, and half a second as none."""
    names = [f"spark.openlineage.transport.{where}{name}" for name in ("auth.apiKey", "timeoutInMillis", "url")]
    given: dict[str, str] = {}
    spark = sys.modules["airflow.providers.openlineage.utils.spark"]
    monkeypatch.setitem(vars(spark), "inject_transport_information_into_spark_properties", lambda *_: given)
    given.update(zip(names, ("Bearer secret", "0", "http://lineage"), strict=True))
    meant = lineage.transport(context_of(TaskInstance()))
    assert meant == {names[0]: "secret", names[2]: "http://lineage"}
    given.update(zip(names, ("secret", "5000", "http://lineage"), strict=True))
    assert lineage.transport(context_of(TaskInstance())) == given


@pytest.mark.airflow
def test_without_the_provider_nothing_is_added(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt()])
    assert run_task(lambda: job(application_id)).error is None
    assert "openlineage" not in str(emr.job_runs()[0])


@pytest.mark.airflow
@pytest.mark.usefixtures("openlineage")
def test_a_job_run_names_the_try_that_started_it(emr: LocalEmr, application_id: str) -> None:
    client = emr.client("emr-serverless")

    def given(job_run_id: str) -> dict[str, str]:
        found = client.get_job_run(applicationId=application_id, jobRunId=job_run_id)["jobRun"]
        return conf({"job_driver": found["jobDriver"]})

    emr.script([ScriptedAttempt(succeeded=False)])
    first = run_task(lambda: job(application_id), max_tries=2).error.facts["job_run_id"]  # type: ignore[union-attr]
    parent = {**PARENT, "spark.openlineage.parentRunId": "a_task 1"}
    assert given(first) == {"spark.app.name": "a_dag.a_task", **parent, **TRANSPORT}
    let_it_age(emr.job_runs())
    emr.script([ScriptedAttempt(hold=True)])
    with pytest.raises(TaskDeferred):
        job(application_id, deferrable=True).execute(context_of(TaskInstance(try_number=2, max_tries=2)))
    second = emr.job_runs()[-1]["jobRunId"]
    assert given(second)["spark.openlineage.parentRunId"] == "a_task 2"
    # Its worker is lost: the third try sends the same request, and goes on with the job run.
    eventually(lambda: emr.job_runs()[-1]["state"] == "RUNNING")
    emr.finish(second)
    eventually(lambda: emr.job_runs()[-1]["state"] == "SUCCESS")
    assert run_task(lambda: job(application_id), try_number=3, max_tries=2).result["job_run_id"] == second
    assert len(emr.job_runs()) == 2


@pytest.mark.airflow
@pytest.mark.usefixtures("openlineage")
@pytest.mark.parametrize("own", [None, {"spark.a": "b"}])
def test_a_session_keeps_the_defaults_that_are_in_force(
    emr: LocalEmr, application_id: str, own: dict[str, str] | None
) -> None:
    started = run_task(
        lambda: EmrServerlessStartSessionOperator(
            task_id="a_task",
            application_id=application_id,
            execution_role_arn=ROLE,
            runtime_configuration=own,
            waiter_delay=0.1,
        )
    ).result
    found = emr.client("emr-serverless").get_session(applicationId=application_id, sessionId=started["session_id"])
    (defaults,) = found["session"]["configurationOverrides"]["runtimeConfiguration"]
    kept = own or {"spark.executor.cores": "2"}
    parent = {**PARENT, "spark.openlineage.parentRunId": "a_task 1"}
    assert defaults == {"classification": "spark-defaults", "properties": {**kept, **parent, **TRANSPORT}}
