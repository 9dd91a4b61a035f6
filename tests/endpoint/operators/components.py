"""What deferred tasks and the web server do, beside the scenes of workers, for the policies of each component."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from airflow_emrs_ext._compat import TaskDeferred
from airflow_emrs_ext.exceptions import EmrError
from airflow_emrs_ext.local.testing import ScriptedAttempt, ScriptedSession
from airflow_emrs_ext.operators.application_state import (
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStartApplicationOperator,
    EmrServerlessStopApplicationOperator,
)
from airflow_emrs_ext.operators.containers_job_run import EmrContainersCancelJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessCancelJobRunOperator
from airflow_emrs_ext.operators.managed_endpoint import (
    EmrContainersCreateManagedEndpointOperator,
    EmrContainersDeleteManagedEndpointOperator,
)
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator, EmrServerlessTerminateSessionOperator
from airflow_emrs_ext.operators.virtual_cluster import EmrContainersDeleteVirtualClusterOperator
from airflow_emrs_ext.plugin.records import Record
from airflow_emrs_ext.plugin.run_view import run_view
from airflow_emrs_ext.plugin.targets import target
from airflow_emrs_ext.plugin.views import view_of
from tests import running
from tests.endpoint.operators.permissions import WAITING, Place, change_state, create_application, start_job_run
from tests.endpoint.plugin.eks import Cluster
from tests.polling import eventually
from tests.running import TaskInstance, context_of, execute, run_task
from tests.services import CONTAINERS, ROLE
from tests.unit.plugin.started import TAGS, recorded

DEFERRED = {"deferrable": True}
HOLD = [ScriptedAttempt(running_after=0, hold=True)]
# More than the poller asks for one by one.
MANY = 15


def deferred(make: Callable[[], Any], **task_instance: Any) -> None:
    """Run a task, which may fail, as those at a deadline do."""
    run = run_task(make, **task_instance)
    assert run.error is None or isinstance(run.error, EmrError), run.error


def wait_for_many(place: Place, make: Callable[[int], Any]) -> None:
    """So many deferred tasks in one triggerer."""
    triggers = []
    for number in range(MANY):
        with suppress(TaskDeferred):
            try:
                execute(make(number), context_of(TaskInstance(task_id=f"task_{number}")))
            except TaskDeferred as deferral:
                triggers.append(deferral.trigger.serialize())
                raise
    assert len(triggers) == MANY

    async def wait() -> None:
        await asyncio.gather(*(running.fire(*trigger) for trigger in triggers))

    asyncio.run(wait())


def retried_and_failed(place: Place) -> None:
    place.emr.script([ScriptedAttempt(succeeded=False), ScriptedAttempt()])
    deferred(lambda: start_job_run(place, retry_policy={"maxAttempts": 2}, **DEFERRED))
    place.emr.script([ScriptedAttempt(succeeded=False, stdout="Traceback", details="boom")])
    deferred(lambda: start_job_run(place, show_driver_logs="live", **DEFERRED), task_id="another")


def deadline(place: Place) -> None:
    place.emr.script(HOLD, session=ScriptedSession(ready_after=600))
    deferred(lambda: start_job_run(place, wait_timeout=0.5, **DEFERRED))
    deferred(lambda: session(place, wait_timeout=0.5), task_id="another")


def session(place: Place, **arguments: Any) -> EmrServerlessStartSessionOperator:
    return EmrServerlessStartSessionOperator(
        **WAITING, **DEFERRED, application_id=place.application_id, execution_role_arn=ROLE, **arguments
    )


def sessions(place: Place) -> None:
    deferred(lambda: session(place))
    ids = {"application_id": place.application_id, "session_id": place.emr.sessions()[0]["sessionId"]}
    deferred(lambda: EmrServerlessTerminateSessionOperator(**WAITING, **DEFERRED, **ids))


def applications(place: Place) -> None:
    create_application(place, start_application=True, **DEFERRED)
    change_state(place, EmrServerlessStartApplicationOperator, **DEFERRED)
    place.start_job_run()
    place.start_session()
    change_state(place, EmrServerlessStopApplicationOperator, force_stop=True, **DEFERRED)
    change_state(place, EmrServerlessStartApplicationOperator, **DEFERRED)
    place.start_job_run()
    change_state(place, EmrServerlessDeleteApplicationOperator, force_stop=True, **DEFERRED)
    capacity = {"cpu": "100 vCPU", "memory": "400 GB"}
    create_application(place, reuse_existing=True, on_drift="update", maximum_capacity=capacity, **DEFERRED)


def cancelled(place: Place) -> None:
    ids = {"application_id": place.application_id, "job_run_id": place.start_job_run()}
    deferred(lambda: EmrServerlessCancelJobRunOperator(**WAITING, **DEFERRED, **ids))


def submitted(place: Place) -> None:
    for try_number in (1, 2):
        deferred(lambda: start_job_run(place, submit_from="triggerer", **DEFERRED), try_number=try_number, max_tries=2)


TRIGGERER = [
    retried_and_failed,
    deadline,
    sessions,
    applications,
    cancelled,
    submitted,
    lambda place: wait_for_many(place, lambda number: start_job_run(place, **DEFERRED)),
]


def eks_operator(place: Place, **arguments: Any) -> Any:
    return CONTAINERS.operator(place.cluster_id, "s3://b/j.py", conf={}, **WAITING, **DEFERRED, **arguments)


def eks_job_runs(place: Place) -> None:
    deferred(lambda: eks_operator(place, submit_from="triggerer"))
    place.emr.script(HOLD)
    deferred(lambda: eks_operator(place, wait_timeout=0.5), task_id="another")
    deferred(lambda: eks_operator(place, wait_for="running"), task_id="a_third")
    ids = {"virtual_cluster_id": place.cluster_id, "job_run_id": place.emr.eks_job_runs()[-1]["id"]}
    deferred(lambda: EmrContainersCancelJobRunOperator(**WAITING, **DEFERRED, **ids))


def eks_endpoints(place: Place) -> None:
    def create(**arguments: Any) -> EmrContainersCreateManagedEndpointOperator:
        return EmrContainersCreateManagedEndpointOperator(
            **WAITING,
            **DEFERRED,
            virtual_cluster_id=place.cluster_id,
            execution_role_arn=ROLE,
            release_label="emr-7.14.0-latest",
            **arguments,
        )

    deferred(create)
    ids = {"virtual_cluster_id": place.cluster_id, "endpoint_id": place.emr.managed_endpoints()[0]["id"]}
    deferred(lambda: EmrContainersDeleteManagedEndpointOperator(**WAITING, **DEFERRED, **ids))
    place.emr.script(session=ScriptedSession(ready_after=600))
    deferred(lambda: create(wait_timeout=0.5), task_id="another")


def eks_cluster(place: Place) -> None:
    place.emr.script(HOLD)
    deferred(lambda: eks_operator(place, wait_for="running"))
    ids = {"virtual_cluster_id": place.cluster_id}
    deferred(lambda: EmrContainersDeleteVirtualClusterOperator(**WAITING, **DEFERRED, **ids, force_delete=True))


EKS_TRIGGERER = [
    eks_job_runs,
    eks_endpoints,
    eks_cluster,
    lambda place: wait_for_many(place, lambda number: eks_operator(place)),
]


def show(record: Record, *links: str) -> None:
    """What the web server does when somebody opens the page of a run and follows its links."""
    assert "<html" in run_view(view_of(record), [], str)
    for link in links:
        assert target(link, record).startswith("http")


def serverless_pages(place: Place) -> None:
    client, ids = place.serverless(), {"applicationId": place.application_id}
    place.emr.script([ScriptedAttempt(hold=True, stdout="hello\n", stderr="a log line\n")])
    client.start_job_run(
        **ids, executionRoleArn=ROLE, jobDriver={"sparkSubmit": {"entryPoint": "s3://b/j.py"}}, tags=TAGS
    )
    started = client.start_session(**ids, executionRoleArn=ROLE, tags=TAGS)["sessionId"]
    eventually(lambda: [one["state"] for one in place.emr.job_runs() + place.emr.sessions()] == ["RUNNING", "STARTED"])
    job_run_id = place.emr.job_runs()[0]["jobRunId"]
    job_run = recorded("job_run", application_id=place.application_id, job_run_id=job_run_id)
    show(job_run, "spark-ui", "driver-stdout", "driver-stderr", "console")
    show(recorded("session", application_id=place.application_id, session_id=started), "session-dashboard", "console")


def eks_pages(place: Place) -> None:
    cluster = Cluster(place.emr)
    place.emr.script([ScriptedAttempt(hold=True, stdout="hello\n")])
    show(cluster.job_run("RUNNING"), "spark-ui", "console")
    show(cluster.managed_endpoint("ACTIVE"), "console")
