"""However a task ends, it leaves no session running, and never starts two: real Airflow, real kills, real Spark.

Each case is a DAG of its own: a session between a setup and a teardown, and a task that works in it. The sessions, of
EMR Serverless and of a cluster of EMR on EC2, are Spark Connect servers, or with ``EMRS_TEST_RUNNER=simulated``
simulated.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_VERSION
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedSession, local_emr
from tests.faults.deployment import Deployment, deployed
from tests.faults.report import most_at_once, record
from tests.polling import eventually

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.faults,
    pytest.mark.timeout(300),
    pytest.mark.skipif(AIRFLOW_VERSION.release < (3, 3), reason="Spark is the same with every Airflow"),
]

START = "start_session"
_OVER = ("FAILED", "TERMINATED")
RUNNER = os.environ.get("EMRS_TEST_RUNNER", "spark")
ROLE = "arn:aws:iam::123456789012:role/session"

DAG = """
import datetime
from airflow.sdk import dag, task
from {module} import {wraps}


@dag(dag_id={dag_id!r}, schedule=None)
def a_dag():
    with {wraps}(
        {place_name}={place!r},
        execution_role_arn={role!r},
        deferrable={deferrable!r},
        retry_delay=datetime.timedelta(seconds=1),
        **{parameters},
    ):

        @task
        def work():
            if {fails!r}:
                raise RuntimeError("the work in the session fails")

        work()


a_dag()
"""


def _application(emr: LocalEmr) -> str:
    return str(
        emr.client("emr-serverless").create_application(
            releaseLabel="emr-7.13.0", type="SPARK", interactiveConfiguration={"sessionEnabled": True}
        )["applicationId"]
    )


def _cluster(emr: LocalEmr) -> str:
    client = emr.client("emr")
    keeps = {"KeepJobFlowAliveWhenNoSteps": True}
    cluster_id = str(
        client.run_job_flow(Name="sessions", ReleaseLabel="emr-spark-8.1.0", SessionEnabled=True, Instances=keeps)[
            "JobFlowId"
        ]
    )
    eventually(lambda: client.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"] == "WAITING")
    return cluster_id


@dataclass(frozen=True)
class Kind:
    """A kind of session, as the endpoint records it.

    :param module: where ``wraps`` is
    :param wraps: what wraps tasks into a session
    :param place_name: its parameter for what the session runs on
    :param make_place: makes that; its id
    :param records: every session, oldest first
    :param asked: the member of a request that is the id of one
    :param id_name: the member of a record that is its id
    :param state_name: its state
    :param name_name: its name
    """

    module: str
    wraps: str
    place_name: str
    make_place: Callable[[LocalEmr], str]
    records: Callable[[LocalEmr], list[dict[str, Any]]]
    asked: str
    id_name: str
    state_name: str
    name_name: str

    def started(self, emr: LocalEmr, dag_id: str) -> list[dict[str, Any]]:
        """Every session that a DAG has started, oldest first."""
        return [one for one in self.records(emr) if (one.get(self.name_name) or "").startswith(f"{dag_id}.")]

    def active(self, emr: LocalEmr, dag_id: str) -> list[dict[str, Any]]:
        """Those of them that have not ended."""
        return [one for one in self.started(emr, dag_id) if one[self.state_name] not in _OVER]

    def looks(self, emr: LocalEmr, session: dict[str, Any]) -> int:
        """How often GetSession was called for a session."""
        calls = emr.calls("GetSession")
        return sum(call["parameters"].get(self.asked) == session[self.id_name] for call in calls)


KINDS = {
    "serverless": Kind(
        module="airflow_emrs_ext.operators.session",
        wraps="emr_serverless_session",
        place_name="application_id",
        make_place=_application,
        records=lambda emr: emr.sessions(),
        asked="sessionId",
        id_name="sessionId",
        state_name="state",
        name_name="name",
    ),
    "ec2": Kind(
        module="airflow_emrs_ext.operators.ec2_session",
        wraps="emr_on_ec2_session",
        place_name="cluster_id",
        make_place=_cluster,
        records=lambda emr: emr.cluster_sessions(),
        asked="SessionId",
        id_name="Id",
        state_name="State",
        name_name="Name",
    ),
}


class Scene:
    """A case as it is performed.

    :param dag_id: its DAG
    :param kind: of its session
    :param deferrable: whether its task waits in the triggerer
    """

    def __init__(self, deployment: Deployment, dag_id: str, kind: Kind, deferrable: bool) -> None:
        self.deployment = deployment
        self.dag_id = dag_id
        self.kind = kind
        self.deferrable = deferrable

    def started(self) -> list[dict[str, Any]]:
        """Every session that the DAG has started, oldest first."""
        return self.kind.started(self.deployment.emr, self.dag_id)

    def active(self) -> list[dict[str, Any]]:
        """Those of them that have not ended."""
        return self.kind.active(self.deployment.emr, self.dag_id)


class Case:
    """One way for a task to end.

    :param parameters: of the start operator, as Python
    :param ready_after: seconds until a simulated session is ready
    :param scheduling_seconds: how long a session on real Spark stays SUBMITTED before its server is started
    :param act: what happens to the task meanwhile
    :param fails: whether the task in the session fails
    :param ends: how the DAG run ends
    """

    def __init__(
        self,
        *,
        parameters: str = "{}",
        ready_after: float = 600.0,
        scheduling_seconds: float = 2.0,
        act: Callable[[Scene], None] = lambda scene: None,
        fails: bool = False,
        ends: str = "failed",
    ) -> None:
        self.parameters = parameters
        self.ready_after = ready_after
        self.scheduling_seconds = scheduling_seconds
        self.act = act
        self.fails = fails
        self.ends = ends


def when_waiting(scene: Scene) -> None:
    scene.deployment.wait_for_task(scene.dag_id, START, "deferred" if scene.deferrable else "running")
    (session,) = eventually(scene.active)
    # One look is the operator's own, the next is the waiting one's; a trigger that no triggerer has picked up yet hears
    # of nothing.
    eventually(lambda: scene.kind.looks(scene.deployment.emr, session) > 1, within=60)


def hanging(deployment: Deployment) -> None:
    """The answer of the next StartSession does not come, although the session is there."""
    deployment.emr.inject("StartSession", "drop", seconds=60)


def sigterm(scene: Scene) -> None:
    eventually(scene.active, within=60)
    scene.deployment.signal_task(scene.dag_id, START, signal.SIGTERM)


def sigkill(scene: Scene) -> None:
    eventually(scene.active, within=60)
    scene.deployment.signal_task(scene.dag_id, START, signal.SIGKILL)
    scene.deployment.wait_for_task(scene.dag_id, START, "up_for_retry", "scheduled", "queued", "deferred", "success")


def mark_failed(scene: Scene) -> None:
    when_waiting(scene)
    scene.deployment.mark(scene.dag_id, START, "failed")


def clear(scene: Scene) -> None:
    when_waiting(scene)
    scene.deployment.clear(scene.dag_id, START)
    scene.deployment.wait_for_task(scene.dag_id, START, "success", within=120)


CASES = {
    "success": Case(ready_after=2.0, ends="success"),
    "exception": Case(ready_after=0.5, fails=True),
    "sigterm": Case(act=sigterm),
    "sigkill_then_retry": Case(act=sigkill, ready_after=15.0, parameters="{'retries': 2}", ends="success"),
    "marked_failed": Case(act=mark_failed),
    # Airflow may take the end of the old try's process for the new try's, and fail that one: hence the retries.
    "cleared": Case(act=clear, ready_after=12.0, parameters="{'retries': 2}", ends="success"),
    "execution_timeout": Case(
        scheduling_seconds=5.0, parameters="{'execution_timeout': datetime.timedelta(seconds=8)}"
    ),
    "deadline": Case(parameters="{'wait_timeout': 4}"),
}
BEFORE = {"sigterm": hanging, "sigkill_then_retry": hanging}
MODES = {"blocking": False, "deferrable": True}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalEmr]:
    with local_emr(RUNNER) as emr:
        yield emr


@pytest.fixture(scope="module")
def deployment(endpoint: LocalEmr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    places = {name: kind.make_place(endpoint) for name, kind in KINDS.items()}
    dags = {
        f"{name}_{of}_{mode}.py": DAG.format(
            dag_id=f"{name}_{of}_{mode}",
            module=kind.module,
            wraps=kind.wraps,
            place_name=kind.place_name,
            place=places[of],
            role=ROLE,
            deferrable=deferrable,
            parameters=case.parameters,
            fails=case.fails,
        )
        for name, case in CASES.items()
        for of, kind in KINDS.items()
        for mode, deferrable in MODES.items()
    }
    with deployed(endpoint, tmp_path_factory.mktemp("deployment"), dags) as running:
        yield running


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("of", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_no_session_is_left(name: str, of: str, mode: str, deployment: Deployment) -> None:
    case, dag_id = CASES[name], f"{name}_{of}_{mode}"
    scene = Scene(deployment, dag_id, KINDS[of], MODES[mode])
    if RUNNER == "simulated":
        deployment.emr.script(session=ScriptedSession(ready_after=case.ready_after), name=f"{dag_id}.*")
    else:
        deployment.emr.configure(scheduling_seconds=case.scheduling_seconds)
    BEFORE.get(name, lambda deployment: None)(deployment)
    deployment.trigger(dag_id)
    case.act(scene)
    ended = deployment.wait_for_end(dag_id)
    deployment.emr.clear_faults()
    eventually(lambda: not scene.active(), within=20)
    sessions = scene.started()
    record(
        "session on Spark",
        dag_id,
        operator="session" if of == "serverless" else f"session on {of.upper()}",
        what=name.replace("_", " "),
        mode=mode,
        started=len(sessions),
        most_active_at_once=most_at_once(sessions, _OVER),
        left_active=len(scene.active()),
        dag_run=ended,
    )
    assert ended == case.ends
    assert most_at_once(sessions, _OVER) == 1
