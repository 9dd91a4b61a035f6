"""What a DAG run is billed for: of each task, try and mapped instance, as the endpoint has computed it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_emrs_ext.core import cost
from airflow_emrs_ext.core.summary import summary
from airflow_emrs_ext.exceptions import ConfigurationError, JobRunFailed
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.cost import EmrServerlessCostOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import (
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
)
from tests.polling import let_it_age
from tests.running import TaskRun, run_task

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
PRICE = {"vcpu_hour": 0.05, "memory_gb_hour": 0.006, "storage_gb_hour": 0.0001}
BEGAN = datetime.now(timezone.utc)
IN_BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


@pytest.fixture(autouse=True)
def prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PRICES", json.dumps({"us-east-1": {"ARM64": PRICE}}))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What has been added to Airflow's metrics."""
    sums: dict[str, int] = {}
    monkeypatch.setattr(
        cost, "count_metric", lambda name, amount, tags: sums.update({name: sums.get(name, 0) + amount})
    )
    return sums


@pytest.fixture
def application_id(emr: LocalEmr) -> str:
    created = emr.client("emr-serverless").create_application(
        type="SPARK",
        releaseLabel="emr-7.13.0",
        architecture="ARM64",
        interactiveConfiguration={"sessionEnabled": True},
    )
    return str(created["applicationId"])


def start(application_id: str, deferrable: bool = False, **task_instance: Any) -> TaskRun:
    return run_task(
        lambda: EmrServerlessStartJobRunOperator(
            task_id="a_task",
            application_id=application_id,
            execution_role_arn=ROLE,
            job_driver=spark_submit("s3://b/j.py"),
            name="a name of one's own",
            waiter_delay=0.1,
            deferrable=deferrable,
        ),
        BEGAN,
        **task_instance,
    )


@IN_BOTH_MODES
def test_flex_capacity_is_in_the_result_the_log_and_the_cost(
    emr: LocalEmr,
    application_id: str,
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
) -> None:
    emr.script([ScriptedAttempt(succeeded=False), ScriptedAttempt()])

    def flexible(flex: Any = True) -> TaskRun:
        return run_task(
            lambda: EmrServerlessStartJobRunOperator(
                task_id="a_task",
                application_id=application_id,
                execution_role_arn=ROLE,
                job_driver=spark_submit("s3://b/j.py", conf={"spark.driver.cores": 2, "spark.executor.instances": 1}),
                job_retry_policy={"maxAttempts": 2},
                flex_execution=flex,
                waiter_delay=0.1,
                deferrable=deferrable,
            ),
            BEGAN,
        )

    task = flexible()
    assert task.error is None
    bound = task.result
    described = emr.client("emr-serverless").get_job_run(applicationId=application_id, jobRunId=bound["job_run_id"])
    assert described["jobRun"]["attempt"] == 2
    assert [one["flex_execution"] for one in bound["attempts"]] == [True, True]
    assert (bound["flex_execution"], bound["cost"]["upper_bound"]) == (True, True)
    assert bound["driver_settings"] == {"spark.driver.cores": "2"}
    assert "; Flex capacity; billed" in summary(bound)
    assert ", at most " in summary(bound)

    cheap = {name: price / 2 for name, price in PRICE.items()}
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__PRICES", json.dumps({"us-east-1": {"ARM64": {**PRICE, "flex": cheap}}}))
    exact = flexible().result
    # Each attempt a minute at least: a driver of 2 vCPU and 16 GB, an executor of 4 and 16.
    driver, executor = (2 * PRICE["vcpu_hour"] + 16 * PRICE["memory_gb_hour"]), (4 * 0.025 + 16 * 0.003)
    assert exact["cost"] == {"amount": pytest.approx((driver + executor) * 2 / 60, rel=0.01), "currency": "USD"}
    standard = flexible(flex=False).result
    assert (standard["flex_execution"], "driver_settings" in standard) == (False, False)


def add_up(**arguments: Any) -> TaskRun:
    return run_task(lambda: EmrServerlessCostOperator(task_id="cost", **arguments), BEGAN, task_id="cost")


def billed_at_the_endpoint(emr: LocalEmr, application_id: str, *job_run_ids: str) -> dict[str, float]:
    client = emr.client("emr-serverless")
    runs = [client.get_job_run(applicationId=application_id, jobRunId=one)["jobRun"] for one in job_run_ids]
    billed = [run["billedResourceUtilization"] for run in runs]
    names = {"vcpu_hour": "vCPUHour", "memory_gb_hour": "memoryGBHour", "storage_gb_hour": "storageGBHour"}
    return {name: pytest.approx(sum(one[spelled] for one in billed)) for name, spelled in names.items()}


@IN_BOTH_MODES
@pytest.mark.parametrize("succeeds", [True, False])
def test_a_job_run_tells_what_it_costs(
    emr: LocalEmr, application_id: str, counted: dict[str, int], deferrable: bool, succeeds: bool
) -> None:
    emr.script([ScriptedAttempt(succeeded=succeeds)])
    run = start(application_id, deferrable)
    assert isinstance(run.error, JobRunFailed) is not succeeds
    facts = run.result if succeeds else run.error.facts  # type: ignore[union-attr]
    billed = billed_at_the_endpoint(emr, application_id, facts["job_run_id"])
    assert facts["billed_resource_utilization"] == billed
    assert facts["cost"]["amount"] == pytest.approx(sum(PRICE[unit] * billed[unit].expected for unit in PRICE))
    assert counted["emrs_ext.billed_vcpu_seconds"] == round(3600 * billed["vcpu_hour"].expected)
    assert counted["emrs_ext.cost_micros"] == round(facts["cost"]["amount"] * 1e6)


def test_a_dag_run_is_the_sum_of_its_tries_and_mapped_tasks(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(succeeded=False)])
    failed = start(application_id, max_tries=1).error.facts["job_run_id"]  # type: ignore[union-attr]
    let_it_age(emr.job_runs())
    emr.script([ScriptedAttempt()])
    again = start(application_id, try_number=2, max_tries=1).result["job_run_id"]
    mapped = [start(application_id, task_id="mapped", map_index=index).result["job_run_id"] for index in range(3)]
    start(application_id, run_id="another")
    start(application_id, dag_id="another")
    summed = add_up().result
    assert sorted(part["job_run_id"] for part in summed["parts"]) == sorted([failed, again, *mapped])
    assert {(part["task_id"], part["map_index"]) for part in summed["parts"]} == {
        ("a_task", -1),
        *(("mapped", index) for index in range(3)),
    }
    billed = billed_at_the_endpoint(emr, application_id, failed, again, *mapped)
    assert summed["billed_resource_utilization"] == billed
    assert summed["cost"]["amount"] == pytest.approx(sum(PRICE[unit] * billed[unit].expected for unit in PRICE))
    assert summed["unbilled"] == 0


def test_a_session_counts_once_it_is_over(emr: LocalEmr, application_id: str, counted: dict[str, int]) -> None:
    session = run_task(
        lambda: EmrServerlessStartSessionOperator(
            task_id="a_task", application_id=application_id, execution_role_arn=ROLE, waiter_delay=0.1
        ),
        BEGAN,
    ).result
    assert counted == {}
    ended = run_task(
        lambda: EmrServerlessTerminateSessionOperator(task_id="end", session=session, waiter_delay=0.1),
        BEGAN,
        task_id="end",
    ).result
    assert ended["cost"]["amount"] > 0
    assert counted["emrs_ext.cost_micros"] == round(ended["cost"]["amount"] * 1e6)
    summed = add_up(application_ids=[session]).result
    assert summed["billed_resource_utilization"] == ended["billed_resource_utilization"]
    assert summed["cost"] == ended["cost"]


def test_what_still_runs_has_no_cost(emr: LocalEmr, application_id: str) -> None:
    emr.script([ScriptedAttempt(hold=True)])
    run_task(
        lambda: EmrServerlessStartJobRunOperator(
            task_id="a_task",
            application_id=application_id,
            execution_role_arn=ROLE,
            job_driver=spark_submit("s3://b/j.py"),
            wait_for="running",
            waiter_delay=0.1,
        ),
        BEGAN,
    )
    summed = add_up().result
    assert (summed["cost"], summed["unbilled"]) == (None, 1)


def test_without_tags_there_is_nothing_to_find(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DEFAULT_TAGS", "False")
    assert isinstance(add_up().error, ConfigurationError)
