"""Tasks to which something happens, many at a time in one real Airflow, and what is found afterwards.

A scenario is a DAG with one task that starts something on an application or a virtual cluster of its own, so that what
happens to one scenario happens to no other.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from airflow_emrs_ext._compat import AIRFLOW_VERSION
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, ScriptedSession, local_emr
from tests.faults.deployment import IS_3, TIMES_LONGER, Deployment, deployed
from tests.faults.kinds import KINDS
from tests.faults.report import most_at_once, record
from tests.polling import eventually

needs_deployment = [
    pytest.mark.airflow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(AIRFLOW_VERSION.release < (2, 11), reason="the deployments are of Airflow 2.11 and 3.3"),
]

TASK = "start"
DAGS = Path(__file__).parent / "dags"

# So many scenarios are under way at a time, each with a worker: more would only wait for the processor.
_AT_ONCE = int(os.environ.get("EMRS_FAULTS_AT_ONCE", "12"))

# Airflow parses a whole file for many a reason; Airflow 2 does so for each lost task, and puts off those that are in a
# file that is being parsed.
_IN_A_FILE = 20 if IS_3 else 1

_triggerer = threading.Lock()


@dataclass(frozen=True)
class Scenario:
    """What happens to a task, and what is to be found afterwards.

    :param suite: table that it is a line of
    :param name: what happens
    :param kind: key of :data:`~tests.faults.kinds.KINDS`; ``amazon_job_run`` is the Amazon provider's operator, in its
        defaults
    :param deferrable: whether the task waits in the triggerer
    :param act: makes it happen
    :param parameters: of the operator; durations in seconds
    :param dag: of the DAG, likewise
    :param lasts: seconds until a job run ends, or a session is ready
    :param succeeds: whether it does
    :param started: how many job runs or sessions the task starts
    :param left: how many of them are active afterwards that no task owns
    :param ends: how the DAG run ends
    :param within: seconds within which what is left is ended
    :param tries: how often the task is tried; ``None``: as often as it happens
    :param then: looks once more at what is found
    """

    suite: str
    name: str
    kind: str
    deferrable: bool
    act: Callable[[Scene], None]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dag: Mapping[str, Any] = field(default_factory=dict)
    lasts: float = 20.0
    succeeds: bool = True
    started: int = 1
    left: int = 0
    within: float = 30.0
    ends: str = "success"
    tries: int | None = None
    then: Callable[[Scene], Any] = lambda scene: None

    @property
    def mode(self) -> str:
        """How the task waits."""
        return "deferrable" if self.deferrable else "blocking"

    @property
    def operator(self) -> str:
        """What the task is for."""
        return self.kind.replace("_", " ")

    @property
    def id(self) -> str:
        """Name of the DAG."""
        words = f"{self.suite} {self.name} {self.kind} {self.mode}"
        return "_".join("".join(letter if letter.isalnum() else " " for letter in words).split())


class Scene:
    """A scenario as it is performed."""

    def __init__(self, scenario: Scenario, deployment: Deployment, place: str) -> None:
        self.scenario = scenario
        self.kind = KINDS[scenario.kind]
        self.deployment = deployment
        self.place = place
        self.dag_id = scenario.id
        self._process: psutil.Process | None = None
        self._is_deleted = False

    @property
    def emr(self) -> LocalEmr:
        """The endpoint."""
        return self.deployment.emr

    def inject(self, operation: str, fault: Any, **options: Any) -> None:
        """Make calls for this scenario's place fail."""
        self.emr.inject(operation, fault, application_id=self.place, **options)

    def wait_for_fault(self) -> None:
        """Until every fault has hit its calls."""
        self._wait("the fault", lambda: not self.emr.faults(self.place), 180)

    def gate(self, where: str) -> Path:
        """Let the task stop at a place; the file that says that it has come there."""
        gate = self.deployment.dags_folder / f"{self.dag_id}.{where}"
        gate.touch()
        return gate.with_name(f"{gate.name}.reached")

    def begin(self) -> None:
        """Begin the DAG run."""
        self.deployment.trigger(self.dag_id)

    def wait_until_it_waits(self) -> None:
        """Until the task waits for what it has started, and has looked at it once more than to begin with."""
        state = "deferred" if self.scenario.deferrable else "running"
        looks = 1 if self._looks_once_a_minute else 2
        self._wait("that the task waits", lambda: self.state() == state and self.looks() >= looks, 90)
        self._process = self.deployment.process(self.dag_id, TASK)

    def looks(self) -> int:
        """How often the service has been asked about the newest job run or session."""
        started = self.started()
        if not started:
            return 0
        calls = self.emr.calls(self.kind.get, application_id=self.place)
        return sum(call["parameters"].get(self._id) == started[-1][self._id] for call in calls)

    def state(self) -> str | None:
        """The state of the task."""
        return self.deployment.task_state(self.dag_id, TASK)

    def wait_for_state(self, *states: str) -> None:
        """Until the task is in one of these states."""
        self._wait(f"the task {states}", lambda: self.state() in states, 90)

    def kill_worker(self) -> None:
        """SIGKILL of the worker that runs the task, until Airflow has noticed."""
        self.deployment.signal_task(self.dag_id, TASK, signal.SIGKILL)
        self._wait("Airflow to notice", lambda: self.state() != "running", 90)

    def kill_triggerer(self) -> None:
        """SIGKILL of the triggerer, and another one."""
        with self.without_triggerer():
            pass

    @contextlib.contextmanager
    def without_triggerer(self) -> Iterator[None]:
        """A block without a triggerer: SIGKILL of it before, and another one afterwards."""
        with _triggerer:
            self.deployment.kill("triggerer")
            try:
                yield
            finally:
                self.deployment.start("triggerer")

    def clear(self) -> None:
        """Clear the task, as a person does."""
        self.deployment.clear(self.dag_id, TASK)

    def delete_run(self) -> None:
        """Mark the DAG run as failed and delete it, as a person does."""
        self.deployment.mark_run(self.dag_id, "failed")
        self.deployment.delete_run(self.dag_id)
        self._is_deleted = True

    def delete_dag(self) -> None:
        """Delete the DAG, as a person does; Airflow refuses it while a task runs in a worker."""
        if not self.scenario.deferrable:
            self.deployment.mark_run(self.dag_id, "failed")
        self.deployment.delete_dag(self.dag_id)
        self._is_deleted = True

    def change_argument(self, value: str) -> None:
        """Change what the task's templates render to."""
        self.deployment.set_variable(self.dag_id, value)

    def will_last(self, seconds: float) -> None:
        """What is started from now on succeeds, and takes so long to."""
        # A job run or session that has not been launched yet would be one of those.
        waiting = {"SUBMITTED", "PENDING", "SCHEDULED", "QUEUED"}
        self._wait("what was started to run", lambda: not any(one["state"] in waiting for one in self.started()), 90)
        script(self.emr, self.scenario, lasts=seconds, succeeds=True)

    def wait_for_end(self) -> str:
        """Until the DAG run is over; how it ended, or that it is ``gone``."""
        if self._is_deleted:
            return "gone"
        return self.deployment.wait_for_end(self.dag_id, within=360 if self._looks_once_a_minute else 180)

    def wait_until_alone(self) -> None:
        """Until nothing of the task is there that could end what it has started: neither its process nor a trigger."""
        process, within = self._process, 180 if self._looks_once_a_minute else 60
        self._wait("the process to end", lambda: process is None or not process.is_running(), within)
        # A trigger that ends nothing looks like one that does not know yet.
        threading.Event().wait(8 * TIMES_LONGER)

    def started(self) -> list[dict[str, Any]]:
        """What the task has started, oldest first, as the endpoint recorded it."""
        return self.kind.records(self.emr, self.place)

    def arguments(self) -> list[str]:
        """The argument of each, oldest first."""
        return [self.kind.argument(one) for one in self.started()]

    def active(self) -> list[dict[str, Any]]:
        """What of it has not ended."""
        return [one for one in self.started() if one["state"] not in self.kind.over]

    def left(self) -> list[dict[str, Any]]:
        """What of it has not ended, and is not the result of a task."""
        if self.state() != "success" or self.scenario.kind == "amazon_job_run":
            return self.active()
        result = self.deployment.airflow.result(self.dag_id, TASK)
        owned = result.get(self.kind.model.id_names[-1]) if result else None
        return [one for one in self.active() if one[self._id] != owned]

    def facts(self, dag_run: str) -> dict[str, Any]:
        """What is found."""
        return {
            "started": len(self.started()),
            "most_active_at_once": most_at_once(self.started(), self.kind.over),
            "left_active": len(self.left()),
            "dag_run": dag_run,
            "task": self.state(),
            "tries": self.deployment.tries(self.dag_id, TASK),
        }

    @property
    def _id(self) -> str:
        return self.kind.record_id

    @property
    def _looks_once_a_minute(self) -> bool:
        return self.scenario.kind == "amazon_job_run"

    def _wait(self, what: str, look: Callable[[], Any], within: float) -> None:
        self.deployment.wait_for(f"{self.dag_id}: {what}", look, within)


def script(emr: LocalEmr, scenario: Scenario, *, lasts: float, succeeds: bool) -> None:
    """Say what the job runs and sessions of a scenario do."""
    attempt = ScriptedAttempt(running_after=0.2, ends_after=lasts, succeeded=succeeds)
    name = KINDS[scenario.kind].model.name_of(f"{scenario.id}.{TASK}")
    emr.script([attempt], session=ScriptedSession(ready_after=lasts), name=name)


@contextlib.contextmanager
def performed(scenarios: Iterable[Scenario], home: Path) -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """Perform scenarios, many at a time; the facts of each, by its id, as soon as they are known.

    :param home: folder for everything
    """
    scenarios = list(scenarios)
    with contextlib.ExitStack() as stack:
        emr = stack.enter_context(local_emr(application_start_seconds=0.05))
        places = {scenario.id: KINDS[scenario.kind].make_place(emr, scenario.id) for scenario in scenarios}
        specifications = [
            {
                "dag_id": scenario.id,
                "place": places[scenario.id],
                "kind": scenario.kind,
                "deferrable": scenario.deferrable,
                "argument": "15",
                "dag": dict(scenario.dag),
                "parameters": dict(scenario.parameters),
            }
            for scenario in scenarios
        ]
        for scenario in scenarios:
            script(emr, scenario, lasts=scenario.lasts, succeeds=scenario.succeeds)
        files = {}
        for number, first in enumerate(range(0, len(specifications), _IN_A_FILE)):
            some = specifications[first : first + _IN_A_FILE]
            files[f"scenarios_{number}.py"] = (DAGS / "scenarios.py").read_text()
            files[f"scenarios_{number}.json"] = json.dumps(some, indent=1)
        dag_ids = [scenario.id for scenario in scenarios]
        deployment = stack.enter_context(deployed(emr, home, files, dag_ids=dag_ids, slots=_AT_ONCE))
        pool = ThreadPoolExecutor(_AT_ONCE)
        stack.callback(pool.shutdown, cancel_futures=True)
        yield {
            scenario.id: pool.submit(_perform, Scene(scenario, deployment, places[scenario.id]))
            for scenario in scenarios
        }


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """The outcomes of the scenarios that the tests of a module have been chosen for."""
    chosen = [
        cast("Scenario", item.callspec.params["scenario"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]
    with performed(chosen, tmp_path_factory.mktemp("deployment")) as found:
        yield found


def check(scenario: Scenario, outcomes: Mapping[str, Future[dict[str, Any]]]) -> None:
    """Hold what is found against what is to be found."""
    facts = outcomes[scenario.id].result()
    expected = {
        "started": scenario.started,
        "most_active_at_once": min(scenario.started, 1),
        "left_active": scenario.left,
        "dag_run": scenario.ends,
        "tries": facts["tries"] if scenario.tries is None else scenario.tries,
    }
    assert {name: facts[name] for name in expected} == expected


def _perform(scene: Scene) -> dict[str, Any]:
    scenario = scene.scenario
    scenario.act(scene)
    dag_run = scene.wait_for_end()
    with contextlib.suppress(AssertionError):
        # What is being ended needs its time; what is not is found below.
        eventually(lambda: len(scene.left()) <= scenario.left, within=scenario.within * TIMES_LONGER)
    facts = record(
        scenario.suite,
        scenario.id,
        operator=scenario.operator,
        what=scenario.name,
        mode=scenario.mode,
        **scene.facts(dag_run),
    )
    scenario.then(scene)
    return facts
