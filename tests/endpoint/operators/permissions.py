"""What operators do with the policies of docs/guides/permissions.md, and which actions each of it needs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.hooks.containers import EmrContainersHook
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.job_spec import spark_submit
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError, ScriptedAttempt
from airflow_emrs_ext.operators.application import (
    EmrServerlessCreateApplicationOperator,
    EmrServerlessUpdateApplicationOperator,
)
from airflow_emrs_ext.operators.application_state import (
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStartApplicationOperator,
    EmrServerlessStopApplicationOperator,
)
from airflow_emrs_ext.operators.containers_job_run import EmrContainersCancelJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessCancelJobRunOperator, EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.managed_endpoint import (
    EmrContainersCreateManagedEndpointOperator,
    EmrContainersDeleteManagedEndpointOperator,
)
from airflow_emrs_ext.operators.session import (
    EmrServerlessListSessionsOperator,
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
)
from airflow_emrs_ext.operators.sweep import EmrContainersSweepOperator, EmrServerlessSweepOperator
from airflow_emrs_ext.operators.virtual_cluster import (
    EmrContainersCreateVirtualClusterOperator,
    EmrContainersDeleteVirtualClusterOperator,
)
from tests.endpoint.operators.test_sweep import Asking
from tests.polling import eventually
from tests.running import run_task
from tests.services import CONTAINERS, ROLE

WAITING = {"task_id": "a_task", "waiter_delay": 0.05}


@dataclass(frozen=True)
class Place:
    """What operators work on; made, as all that they find, by somebody who may do everything."""

    emr: LocalEmr
    application_id: str
    cluster_id: str

    def serverless(self) -> Any:
        return self.emr.client("emr-serverless")

    def start_job_run(self) -> str:
        self.emr.script([ScriptedAttempt(hold=True)])
        started = self.serverless().start_job_run(
            applicationId=self.application_id, executionRoleArn=ROLE, jobDriver=spark_submit("s3://b/j.py")
        )
        eventually(lambda: self.emr.job_runs(self.application_id)[-1]["state"] == "RUNNING")
        return str(started["jobRunId"])

    def start_session(self) -> str:
        started = self.serverless().start_session(applicationId=self.application_id, executionRoleArn=ROLE)
        found = {"applicationId": self.application_id, "sessionId": started["sessionId"]}
        eventually(lambda: self.serverless().get_session(**found)["session"]["state"] == "STARTED")
        return str(started["sessionId"])


def succeed(make: Callable[[], Any], **task_instance: Any) -> Any:
    task = run_task(make, **task_instance)
    if task.error is not None:
        raise task.error
    return task.result


def start_job_run(place: Place, **arguments: Any) -> EmrServerlessStartJobRunOperator:
    return EmrServerlessStartJobRunOperator(
        **WAITING,
        application_id=place.application_id,
        execution_role_arn=ROLE,
        job_driver=spark_submit("s3://b/j.py"),
        **arguments,
    )


def kill(task: Any, place: Place, records: Callable[[], list[dict[str, Any]]], record_id: str) -> None:
    """Run a task that is killed once its job run is RUNNING."""
    place.emr.script([ScriptedAttempt(hold=True)])

    def kill_it() -> None:
        run = eventually(lambda: next((one for one in records() if one["state"] == "RUNNING"), None))
        task.on_kill()
        # Airflow ends the process after on_kill; here the wait goes on, and shall end whatever on_kill might do.
        with contextlib.suppress(LocalEmrError):
            place.emr.finish(run[record_id])

    killer = threading.Thread(target=kill_it)
    killer.start()
    run_task(lambda: task)
    killer.join()
    assert [one["state"] for one in records()] == ["CANCELLED"]


def retry_attempts(place: Place) -> None:
    place.emr.script([ScriptedAttempt(succeeded=False), ScriptedAttempt()])
    succeed(lambda: start_job_run(place, retry_policy={"maxAttempts": 2}))


def create_application(place: Place, **arguments: Any) -> None:
    succeed(
        lambda: EmrServerlessCreateApplicationOperator(
            **WAITING, name="an_application", release_label="emr-7.9.0", **arguments
        )
    )


def update_application(place: Place) -> None:
    capacity = {"cpu": "100 vCPU", "memory": "400 GB"}
    succeed(
        lambda: EmrServerlessUpdateApplicationOperator(
            **WAITING, application_id=place.application_id, maximum_capacity=capacity
        )
    )


def change_state(place: Place, *operators: type[Any], **arguments: Any) -> None:
    for operator in operators:
        succeed(lambda which=operator: which(**WAITING, application_id=place.application_id, **arguments))


def stop_what_is_used(place: Place) -> None:
    place.start_job_run()
    place.start_session()
    change_state(place, EmrServerlessStopApplicationOperator, force_stop=True)


def start_session(place: Place, **task_instance: Any) -> None:
    succeed(
        lambda: EmrServerlessStartSessionOperator(
            **WAITING, application_id=place.application_id, execution_role_arn=ROLE
        ),
        **task_instance,
    )


LEFT_OVER = {
    **{f"airflow-emrs-ext:{key}": "over" for key in ("dag_id", "run_id", "task_id")},
    "airflow-emrs-ext:deployment": "tests",
}


def sweep(place: Place) -> None:
    started = {"tags": LEFT_OVER, "applicationId": place.application_id, "executionRoleArn": ROLE}
    place.emr.script([ScriptedAttempt(hold=True)])
    place.serverless().start_job_run(jobDriver=spark_submit("s3://b/j.py"), **started)
    place.serverless().start_session(**started)
    eventually(lambda: [one["state"] for one in place.emr.job_runs() + place.emr.sessions()] == ["RUNNING", "STARTED"])
    orphans = EmrServerlessSweepOperator(task_id="sweep", end=True).execute({"ti": Asking()})["orphans"]
    assert [one["ended"] for one in orphans] == [True, True]


def start_eks_job_run(place: Place) -> Any:
    return CONTAINERS.operator(place.cluster_id, "s3://b/j.py", conf={}, **WAITING)


def create_endpoint(place: Place, **task_instance: Any) -> dict[str, Any]:
    created: dict[str, Any] = succeed(
        lambda: EmrContainersCreateManagedEndpointOperator(
            **WAITING,
            virtual_cluster_id=place.cluster_id,
            execution_role_arn=ROLE,
            release_label="emr-7.14.0-latest",
        ),
        **task_instance,
    )
    return created


def use_endpoint(place: Place) -> None:
    created = create_endpoint(place)
    ids = {name: created[name] for name in ("virtual_cluster_id", "endpoint_id")}
    EmrContainersHook().get_managed_endpoint_session_credentials(**ids, execution_role_arn=ROLE)
    succeed(lambda: EmrContainersDeleteManagedEndpointOperator(**WAITING, **ids))


def cancel_job_run(place: Place) -> None:
    ids = {"application_id": place.application_id, "job_run_id": place.start_job_run()}
    succeed(lambda: EmrServerlessCancelJobRunOperator(**WAITING, **ids))


def cancel_eks_job_run(place: Place) -> None:
    place.emr.script([ScriptedAttempt(hold=True)])
    started = place.emr.client("emr-containers").start_job_run(
        virtualClusterId=place.cluster_id,
        executionRoleArn=ROLE,
        releaseLabel="emr-7.9.0-latest",
        jobDriver=CONTAINERS.submit("s3://b/j.py"),
    )
    ids = {"virtual_cluster_id": place.cluster_id, "job_run_id": started["id"]}
    succeed(lambda: EmrContainersCancelJobRunOperator(**WAITING, **ids))


def terminate_session(place: Place) -> None:
    ids = {"application_id": place.application_id, "session_id": place.start_session()}
    succeed(lambda: EmrServerlessTerminateSessionOperator(**WAITING, **ids))


def list_sessions(place: Place) -> None:
    EmrServerlessListSessionsOperator(task_id="a_task", application_id=place.application_id).execute({})


def create_and_delete_cluster(place: Place) -> None:
    created = succeed(
        lambda: EmrContainersCreateVirtualClusterOperator(**WAITING, eks_cluster_name="eks", eks_namespace="another")
    )
    ids = {"virtual_cluster_id": created["virtual_cluster_id"]}
    succeed(lambda: EmrContainersDeleteVirtualClusterOperator(**WAITING, **ids))


def reuse_cluster(place: Place) -> None:
    succeed(
        lambda: EmrContainersCreateVirtualClusterOperator(
            **WAITING, eks_cluster_name="eks", eks_namespace="spark-0", reuse_existing=True
        )
    )


def sweep_eks(place: Place) -> None:
    place.emr.script([ScriptedAttempt(hold=True)])
    started = {
        "virtualClusterId": place.cluster_id,
        "executionRoleArn": ROLE,
        "releaseLabel": "emr-7.14.0-latest",
        "tags": LEFT_OVER,
    }
    client = place.emr.client("emr-containers")
    client.start_job_run(jobDriver=CONTAINERS.submit("s3://b/j.py"), **started)
    client.create_managed_endpoint(name="left", type="SPARK_CONNECT", clientToken="left", **started)
    eventually(
        lambda: (
            [one["state"] for one in place.emr.eks_job_runs() + place.emr.managed_endpoints()] == ["RUNNING", "ACTIVE"]
        )
    )
    orphans = EmrContainersSweepOperator(task_id="sweep", end=True).execute({"ti": Asking()})["orphans"]
    assert [one["ended"] for one in orphans] == [True, True]


SECOND_TRY = {"try_number": 2, "max_tries": 2}


@dataclass(frozen=True)
class Scene:
    """What operators do with a policy.

    :param needs: the actions without which it fails
    :param misses: the actions without which it does less, and says so in the log
    """

    section: str
    name: str
    play: Callable[[Place], Any]
    needs: str = ""
    misses: str = ""

    def actions(self, names: str) -> list[str]:
        service = "emr-containers" if self.section.startswith("eks-") else "emr-serverless"
        return [name if ":" in name else f"{service}:{name}" for name in names.split()]


SCENES = [
    Scene(
        "job-run",
        "blocking",
        lambda place: succeed(lambda: start_job_run(place)),
        needs="StartJobRun TagResource iam:PassRole GetJobRun",
        misses="GetApplication",
    ),
    Scene(
        "job-run",
        "deferrable",
        lambda place: succeed(lambda: start_job_run(place, deferrable=True)),
        needs="StartJobRun TagResource iam:PassRole GetJobRun",
    ),
    Scene(
        "job-run",
        "second-try",
        lambda place: succeed(lambda: start_job_run(place), **SECOND_TRY),
        needs="ListJobRuns",
    ),
    Scene(
        "job-run",
        "killed",
        lambda place: kill(start_job_run(place), place, place.emr.job_runs, "jobRunId"),
        misses="CancelJobRun GetDashboardForJobRun",
    ),
    Scene(
        "job-run",
        "dashboard",
        lambda place: EmrServerlessHook().get_dashboard_for_job_run(place.application_id, place.start_job_run()),
        needs="GetDashboardForJobRun",
    ),
    Scene("job-run", "attempts", retry_attempts, misses="ListJobRunAttempts"),
    Scene(
        "job-run",
        "cancel",
        cancel_job_run,
        needs="CancelJobRun GetJobRun",
    ),
    Scene("application", "create", create_application, needs="CreateApplication TagResource GetApplication"),
    Scene(
        "application", "reuse", lambda place: create_application(place, reuse_existing=True), needs="ListApplications"
    ),
    Scene("application", "update", update_application, needs="UpdateApplication"),
    Scene(
        "application",
        "states",
        lambda place: change_state(
            place,
            EmrServerlessStartApplicationOperator,
            EmrServerlessStopApplicationOperator,
            EmrServerlessDeleteApplicationOperator,
        ),
        needs="StartApplication StopApplication DeleteApplication GetApplication",
    ),
    Scene(
        "application",
        "force-stop",
        stop_what_is_used,
        needs="ListJobRuns GetJobRun CancelJobRun GetSession TerminateSession",
        misses="ListSessions",
    ),
    Scene("session", "start", start_session, needs="StartSession TagResource iam:PassRole GetSession"),
    Scene("session", "second-try", lambda place: start_session(place, **SECOND_TRY), needs="ListSessions"),
    Scene(
        "session",
        "list",
        list_sessions,
        needs="ListSessions",
    ),
    Scene(
        "session",
        "connect",
        lambda place: EmrServerlessHook().get_session_endpoint(place.application_id, place.start_session()),
        needs="GetSessionEndpoint",
    ),
    Scene(
        "session",
        "dashboard",
        lambda place: EmrServerlessHook().get_resource_dashboard(place.application_id, place.start_session()),
        needs="GetResourceDashboard",
    ),
    Scene(
        "session",
        "terminate",
        terminate_session,
        needs="TerminateSession GetSession",
        misses="GetApplication",
    ),
    Scene(
        "sweep",
        "end",
        sweep,
        needs="ListApplications ListJobRuns GetJobRun ListSessions GetSession",
        misses="CancelJobRun TerminateSession",
    ),
    Scene(
        "eks-job-run",
        "run",
        lambda place: succeed(lambda: start_eks_job_run(place)),
        needs="StartJobRun TagResource DescribeJobRun",
    ),
    Scene(
        "eks-job-run",
        "second-try",
        lambda place: succeed(lambda: start_eks_job_run(place), **SECOND_TRY),
        "ListJobRuns",
    ),
    Scene(
        "eks-job-run",
        "killed",
        lambda place: kill(start_eks_job_run(place), place, place.emr.eks_job_runs, "id"),
        misses="CancelJobRun",
    ),
    Scene("eks-job-run", "cancel", cancel_eks_job_run, needs="CancelJobRun DescribeJobRun"),
    Scene(
        "eks-endpoint",
        "use",
        use_endpoint,
        needs="CreateManagedEndpoint TagResource DescribeManagedEndpoint GetManagedEndpointSessionCredentials"
        " DeleteManagedEndpoint",
    ),
    Scene("eks-endpoint", "second-try", lambda place: create_endpoint(place, **SECOND_TRY), "ListManagedEndpoints"),
    Scene(
        "eks-virtual-cluster",
        "create-delete",
        create_and_delete_cluster,
        needs="CreateVirtualCluster TagResource DescribeVirtualCluster DeleteVirtualCluster",
    ),
    Scene("eks-virtual-cluster", "reuse", reuse_cluster, needs="ListVirtualClusters"),
    Scene(
        "eks-sweep",
        "end",
        sweep_eks,
        needs="ListVirtualClusters ListJobRuns DescribeJobRun ListManagedEndpoints DescribeManagedEndpoint",
        misses="CancelJobRun DeleteManagedEndpoint",
    ),
]
