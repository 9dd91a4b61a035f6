"""However a task ends, it leaves no session running, and never starts two: real Airflow, real kills, real Spark.

Each case is a DAG of its own: a session between a setup and a teardown, and a task that works in it. The sessions are
Spark Connect servers, or with ``EMRS_TEST_RUNNER=simulated`` simulated.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

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
from airflow_emrs_ext.operators.session import emr_serverless_session


@dag(dag_id={dag_id!r}, schedule=None)
def a_dag():
    with emr_serverless_session(
        application_id={application_id!r},
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
        act: Callable[[Deployment, str, bool], None] = lambda deployment, dag_id, deferrable: None,
        fails: bool = False,
        ends: str = "failed",
    ) -> None:
        self.parameters = parameters
        self.ready_after = ready_after
        self.scheduling_seconds = scheduling_seconds
        self.act = act
        self.fails = fails
        self.ends = ends


def when_waiting(deployment: Deployment, dag_id: str, deferrable: bool) -> None:
    deployment.wait_for_task(dag_id, START, "deferred" if deferrable else "running")
    (session,) = eventually(lambda: deployment.active_sessions(dag_id))
    # One look is the operator's own, the next is the waiting one's; a trigger that no triggerer has picked up yet hears
    # of nothing.
    eventually(lambda: len(deployment.looks_at(session["sessionId"])) > 1, within=60)


def hanging(deployment: Deployment) -> None:
    """The answer of the next StartSession does not come, although the session is there."""
    deployment.emr.inject("StartSession", "drop", seconds=60)


def sigterm(deployment: Deployment, dag_id: str, deferrable: bool) -> None:
    eventually(lambda: deployment.active_sessions(dag_id), within=60)
    deployment.signal_task(dag_id, START, signal.SIGTERM)


def sigkill(deployment: Deployment, dag_id: str, deferrable: bool) -> None:
    eventually(lambda: deployment.active_sessions(dag_id), within=60)
    deployment.signal_task(dag_id, START, signal.SIGKILL)
    deployment.wait_for_task(dag_id, START, "up_for_retry", "scheduled", "queued", "deferred", "success")


def mark_failed(deployment: Deployment, dag_id: str, deferrable: bool) -> None:
    when_waiting(deployment, dag_id, deferrable)
    deployment.mark(dag_id, START, "failed")


def clear(deployment: Deployment, dag_id: str, deferrable: bool) -> None:
    when_waiting(deployment, dag_id, deferrable)
    deployment.clear(dag_id, START)
    deployment.wait_for_task(dag_id, START, "success", within=120)


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
    application_id = endpoint.client("emr-serverless").create_application(
        releaseLabel="emr-7.13.0", type="SPARK", interactiveConfiguration={"sessionEnabled": True}
    )["applicationId"]
    dags = {
        f"{name}_{mode}.py": DAG.format(
            dag_id=f"{name}_{mode}",
            application_id=application_id,
            role=ROLE,
            deferrable=deferrable,
            parameters=case.parameters,
            fails=case.fails,
        )
        for name, case in CASES.items()
        for mode, deferrable in MODES.items()
    }
    with deployed(endpoint, tmp_path_factory.mktemp("deployment"), dags) as running:
        yield running


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_no_session_is_left(name: str, mode: str, deployment: Deployment) -> None:
    case, dag_id = CASES[name], f"{name}_{mode}"
    if RUNNER == "simulated":
        deployment.emr.script(session=ScriptedSession(ready_after=case.ready_after), name=f"{dag_id}.*")
    else:
        deployment.emr.configure(scheduling_seconds=case.scheduling_seconds)
    BEFORE.get(name, lambda deployment: None)(deployment)
    deployment.trigger(dag_id)
    case.act(deployment, dag_id, MODES[mode])
    ended = deployment.wait_for_end(dag_id)
    deployment.emr.clear_faults()
    eventually(lambda: not deployment.active_sessions(dag_id), within=20)
    sessions = deployment.sessions(dag_id)
    record(
        "session on Spark",
        dag_id,
        operator="session",
        what=name.replace("_", " "),
        mode=mode,
        started=len(sessions),
        most_active_at_once=most_at_once(sessions, _OVER),
        left_active=len(deployment.active_sessions(dag_id)),
        dag_run=ended,
    )
    assert ended == case.ends
    assert most_at_once(sessions, _OVER) == 1
