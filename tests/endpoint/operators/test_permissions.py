"""The policies of docs/guides/permissions.md: each is enough for its operators, and needs each of its actions."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.exceptions import AccessDenied, EmrError
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
from airflow_emrs_ext.operators.sweep import EmrServerlessSweepOperator
from airflow_emrs_ext.workflows import lifecycle
from tests.endpoint.operators.test_sweep import Asking
from tests.polling import eventually
from tests.running import run_task
from tests.services import CONTAINERS, ROLE

pytestmark = pytest.mark.airflow

PAGE = (Path(__file__).parents[3] / "docs" / "guides" / "permissions.md").read_text()
POLICIES: dict[str, str] = dict(re.findall(r"\(permissions-([a-z-]+)\)=\n.*?```json\n(.*?)```", PAGE, flags=re.DOTALL))
EVERYTHING = {
    "arn": "arn:aws:iam::123456789012:user/admin",
    "policy": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}},
}
AIRFLOW = "arn:aws:sts::123456789012:assumed-role/airflow/worker"
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


@pytest.fixture
def place(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__ACCESS_PATIENCE", "0")
    # What nobody waits for is asked to end for a minute.
    monkeypatch.setitem(lifecycle.request_end_best_effort.__kwdefaults__, "seconds", 1.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "airflow")
    created = emr.client("emr-serverless").create_application(
        type="SPARK", releaseLabel="emr-7.13.0", interactiveConfiguration={"sessionEnabled": True}
    )
    eventually(lambda: emr.applications()[0]["state"] == "CREATED")
    return Place(emr, created["applicationId"], CONTAINERS.make_place(emr, "s3://logs/"))


def policy_of(section: str, place: Place) -> dict[str, Any]:
    text = POLICIES[section].replace("APPLICATION", place.application_id).replace("CLUSTER", place.cluster_id)
    return dict(json.loads(text))


def actions_of(statement: Mapping[str, Any]) -> list[str]:
    return [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]


def allow(place: Place, *policies: Mapping[str, Any], without: str = "") -> None:
    """Let Airflow do what policies allow, but for one action."""
    less = [
        {**policy, "Statement": [statement]}
        for policy in policies
        for one in policy["Statement"]
        if (statement := {**one, "Action": [action for action in actions_of(one) if action != without]})["Action"]
    ]
    place.emr.set_callers({"test": EVERYTHING, "airflow": {"arn": AIRFLOW, "policy": less}})


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


def sweep(place: Place) -> None:
    tags = {f"airflow-emrs-ext:{key}": "over" for key in ("dag_id", "run_id", "task_id")}
    found = {"applicationId": place.application_id, "executionRoleArn": ROLE}
    started = {"tags": {**tags, "airflow-emrs-ext:deployment": "tests"}, **found}
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


SECOND_TRY = {"try_number": 2, "max_tries": 2}
SERVICES = {"eks-job-run": "emr-containers", "eks-endpoint": "emr-containers"}


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
        service = SERVICES.get(self.section, "emr-serverless")
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
]


Said = Callable[[], str]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Said:
    """What was logged until now, by whichever way this Airflow logs."""
    caplog.set_level("INFO")
    return lambda: caplog.text + capsys.readouterr().out


def cells(names: Callable[[Scene], str]) -> Any:
    return pytest.mark.parametrize(
        ("scene", "action"),
        [
            pytest.param(scene, action, id=f"{scene.section}-{scene.name}-{action}")
            for scene in SCENES
            for action in scene.actions(names(scene))
        ],
    )


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: f"{scene.section}-{scene.name}")
def test_a_documented_policy_is_enough(place: Place, said: Said, scene: Scene) -> None:
    allow(place, policy_of(scene.section, place))
    scene.play(place)
    assert "AccessDenied" not in said()


@cells(lambda scene: scene.needs)
def test_without_one_of_its_actions_a_task_fails(place: Place, scene: Scene, action: str) -> None:
    allow(place, policy_of(scene.section, place), without=action)
    refused = f"AccessDeniedException: User: {AIRFLOW} is not authorized to perform: {action} on resource"
    with pytest.raises(AccessDenied, match=refused):
        scene.play(place)


@cells(lambda scene: scene.misses)
def test_without_one_of_its_actions_a_task_says_what_it_leaves_out(
    place: Place, said: Said, scene: Scene, action: str
) -> None:
    allow(place, policy_of(scene.section, place), without=action)
    with contextlib.suppress(AssertionError, EmrError):
        scene.play(place)
    assert f"not authorized to perform: {action} on resource" in said()


@pytest.mark.parametrize("section", POLICIES)
def test_a_documented_policy_has_no_other_actions(section: str, place: Place) -> None:
    played = [scene for scene in SCENES if scene.section == section]
    assert {action for one in policy_of(section, place)["Statement"] for action in actions_of(one)} == {
        action for scene in played for action in scene.actions(f"{scene.needs} {scene.misses}")
    }


def by_the_guide(*actions: str) -> dict[str, Any]:
    """A policy of the user guide, Identity and Access Management, User access policy examples."""
    statement = {
        "Sid": "EMRServerlessActions",
        "Effect": "Allow",
        "Action": [f"emr-serverless:{action}" for action in actions],
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


DATA_ENGINEER = by_the_guide(
    "ListApplications",
    "GetApplication",
    "StartApplication",
    "StartJobRun",
    "CancelJobRun",
    "ListJobRuns",
    "GetJobRun",
)
PASS_ROLE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": ROLE,
            "Condition": {"StringLike": {"iam:PassedToService": "emr-serverless.amazonaws.com"}},
        }
    ],
}


def test_the_guides_policy_for_data_engineers_forbids_default_tags(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(place, DATA_ENGINEER, PASS_ROLE)
    with pytest.raises(AccessDenied) as caught:
        succeed(lambda: start_job_run(place))
    assert "Allow `emr-serverless:TagResource`, or set [emrs_ext] default_tags to False" in str(caught.value)
    assert place.emr.job_runs() == []

    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DEFAULT_TAGS", "False")
    assert succeed(lambda: start_job_run(place))["state"] == "SUCCESS"
