"""Many job runs on the local endpoint, and the triggers of the tasks that wait for them: what the benchmarks share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.providers.amazon.aws.operators.emr import EmrContainerOperator, EmrServerlessStartJobOperator

from airflow_emrs_ext._compat import TaskDeferred
from airflow_emrs_ext.job_spec import eks_spark_submit, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.running import TaskInstance, context_of

SIDES = ("amazon", "emrs_ext")
"""The Amazon provider, and this package."""

ROLE = "arn:aws:iam::123456789012:role/job"
WAITER_DELAY = 30
_FOR_EVER = 1_000_000
_AT_A_TIME = 8


@dataclass(frozen=True, eq=False)
class Service:
    """A service whose job runs are waited for.

    :param name: botocore's
    :param make_place: makes what so many job runs can run on at once; its id
    :param start: starts a job run; its id
    :param records: the endpoint's records of all job runs
    :param record_id: the member of such a record that is the job run's id
    :param succeeded: the state that is awaited
    :param operators: what makes the operator of each side that starts a job run in a place and waits for it
    """

    name: str
    make_place: Callable[[LocalEmr], str]
    start: Callable[[Any, str], str]
    records: Callable[[LocalEmr], list[dict[str, Any]]]
    record_id: str
    succeeded: str
    operators: Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class JobRun:
    """A job run that does not end by itself."""

    service: Service
    place: str
    own_id: str


@dataclass(frozen=True)
class Deferral:
    """How a task is deferred, as Airflow stores it.

    :param trigger: path of its trigger's class
    :param arguments: of the trigger
    :param method: of the operator, with which the task goes on
    :param kwargs: of the method
    """

    trigger: str
    arguments: dict[str, Any]
    method: str
    kwargs: dict[str, Any]


def _make_application(emr: LocalEmr) -> str:
    # A release without queues of its own, and nothing to deliver: the endpoint is to have no other work.
    made = emr.client("emr-serverless").create_application(
        releaseLabel="emr-6.15.0",
        type="SPARK",
        monitoringConfiguration={"managedPersistenceMonitoringConfiguration": {"enabled": False}},
    )
    return str(made["applicationId"])


def _make_virtual_cluster(emr: LocalEmr) -> str:
    number = len(emr.virtual_clusters())
    provider = {"type": "EKS", "id": "cluster", "info": {"eksInfo": {"namespace": f"namespace-{number}"}}}
    made = emr.client("emr-containers").create_virtual_cluster(name=f"cluster-{number}", containerProvider=provider)
    return str(made["id"])


def _start_serverless(client: Any, place: str) -> str:
    started = client.start_job_run(
        applicationId=place, executionRoleArn=ROLE, jobDriver=spark_submit("s3://bucket/job.py")
    )
    return str(started["jobRunId"])


def _start_on_eks(client: Any, place: str) -> str:
    started = client.start_job_run(
        virtualClusterId=place,
        name="job",
        executionRoleArn=ROLE,
        releaseLabel="emr-7.9.0-latest",
        jobDriver=eks_spark_submit("s3://bucket/job.py"),
    )
    return str(started["id"])


def _amazon(place: str, **options: Any) -> Any:
    return EmrServerlessStartJobOperator(
        **{
            "task_id": "a_task",
            "application_id": place,
            "execution_role_arn": ROLE,
            "job_driver": spark_submit("s3://bucket/job.py"),
            "deferrable": True,
            "waiter_delay": WAITER_DELAY,
            "waiter_max_attempts": _FOR_EVER,
            **options,
        }
    )


def _emrs_ext(place: str, **options: Any) -> Any:
    return EmrServerlessStartJobRunOperator(
        **{
            "task_id": "a_task",
            "application_id": place,
            "execution_role_arn": ROLE,
            "job_driver": spark_submit("s3://bucket/job.py"),
            "deferrable": True,
            "waiter_delay": WAITER_DELAY,
            **options,
        }
    )


def _amazon_on_eks(place: str, **options: Any) -> Any:
    return EmrContainerOperator(
        **{
            "task_id": "a_task",
            "name": "job",
            "virtual_cluster_id": place,
            "execution_role_arn": ROLE,
            "release_label": "emr-7.9.0-latest",
            "job_driver": eks_spark_submit("s3://bucket/job.py"),
            "deferrable": True,
            "poll_interval": WAITER_DELAY,
            **options,
        }
    )


def _emrs_ext_on_eks(place: str, **options: Any) -> Any:
    return EmrContainersStartJobRunOperator(
        **{
            "task_id": "a_task",
            "virtual_cluster_id": place,
            "execution_role_arn": ROLE,
            "release_label": "emr-7.9.0-latest",
            "job_driver": eks_spark_submit("s3://bucket/job.py"),
            "deferrable": True,
            "waiter_delay": WAITER_DELAY,
            **options,
        }
    )


SERVERLESS = Service(
    name="emr-serverless",
    make_place=_make_application,
    start=_start_serverless,
    records=LocalEmr.job_runs,
    record_id="jobRunId",
    succeeded="SUCCESS",
    operators={"amazon": _amazon, "emrs_ext": _emrs_ext},
)
EKS = Service(
    name="emr-containers",
    make_place=_make_virtual_cluster,
    start=_start_on_eks,
    records=LocalEmr.eks_job_runs,
    record_id="id",
    succeeded="COMPLETED",
    operators={"amazon": _amazon_on_eks, "emrs_ext": _emrs_ext_on_eks},
)


def prepare(emr: LocalEmr) -> None:
    """Forget everything, and let job runs run until they are told to end; without quotas for now."""
    emr.reset()
    emr.configure(quota_scale=0, scheduling_seconds=0.01, application_start_seconds=0.01, log_refresh_seconds=86_400)
    emr.script([ScriptedAttempt(running_after=0.01, hold=True)])


def start(emr: LocalEmr, service: Service, places: Sequence[str], count: int) -> list[JobRun]:
    """So many job runs that run, spread evenly over applications or virtual clusters."""
    client = emr.client(service.name)
    on = [places[number % len(places)] for number in range(count)]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        own_ids = list(pool.map(lambda place: service.start(client, place), on))
    while any(record["state"] != "RUNNING" for record in service.records(emr)):
        time.sleep(0.5)
    return [JobRun(service, place, own_id) for place, own_id in zip(on, own_ids, strict=True)]


def defer(emr: LocalEmr, side: str, runs: Iterable[JobRun], **options: Any) -> list[Deferral]:
    """How the tasks are deferred that have started these job runs, as the operator of a side defers them.

    The operator starts one of its own in each place, and what it says of that is said of the others.

    :param options: other parameters of the operator
    """
    models: dict[str, tuple[str, str]] = {}
    found = []
    for run in runs:
        if run.place not in models:
            models[run.place] = _deferral(emr, side, run.service, run.place, options)
        own_id, text = models[run.place]
        found.append(Deferral(*json.loads(text.replace(own_id, run.own_id))))
    return found


def _deferral(emr: LocalEmr, side: str, service: Service, place: str, options: Mapping[str, Any]) -> tuple[str, str]:
    known = {record[service.record_id] for record in service.records(emr)}
    operator = service.operators[side](place, **options)
    try:
        operator.execute(context_of(TaskInstance()))
    except TaskDeferred as deferral:
        path, arguments = deferral.trigger.serialize()
        text = json.dumps([path, arguments, deferral.method_name, deferral.kwargs or {}])
    else:
        raise AssertionError(f"{operator} was not deferred")
    (own_id,) = {record[service.record_id] for record in service.records(emr)} - known
    while next(one["state"] for one in service.records(emr) if one[service.record_id] == own_id) != "RUNNING":
        time.sleep(0.1)
    emr.finish(own_id)
    return own_id, text


def ends(emr: LocalEmr, services: Iterable[Service]) -> dict[str, float]:
    """When each job run has ended, in seconds since the epoch; those that have not are left out."""
    return {
        record[service.record_id]: datetime.fromisoformat(record["stateHistory"][-1]["at"]).timestamp()
        for service in services
        for record in service.records(emr)
        if record["state"] == service.succeeded
    }
