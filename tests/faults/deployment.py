"""A real Airflow against the local endpoint, and what a person or an accident does to the tasks that run in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from airflow_emrs_ext._compat import AIRFLOW_VERSION
from airflow_emrs_ext.local.testing import LocalEmr
from tests.faults.postgres import PostgresAirflow, postgres

IS_3 = AIRFLOW_VERSION.major >= 3
_BESIDE_OTHERS = "PYTEST_XDIST_WORKER" in os.environ
TIMES_LONGER = float(os.environ.get("EMRS_FAULTS_TIMES_LONGER", "3" if _BESIDE_OTHERS else "1"))
"""A machine that is busy with other things, such as tests in other processes, takes longer for everything: the
triggerer of Airflow 3.3 notices nothing while it makes its API at the first question of a trigger, for 39 s there."""

_OVER = ("success", "failed")
# A worker that is gone is noticed in seconds instead of minutes.
_ON_3 = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}
_ON_2 = {
    "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    # A worker for each task: those of a fixed number are not replaced when they are killed. It is forked from the
    # scheduler, and would close the connections that that keeps.
    "AIRFLOW__CORE__PARALLELISM": "0",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_ENABLED": "False",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "15",
    # Long enough for the callback of the first detection to be worked off before there is a second.
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "300",
}
# What every task imports. The scheduler loads plugins, and workers are forked from it: a try begins seconds earlier.
_IMPORTED_ONCE = """
import airflow_emrs_ext.operators.job_run
import airflow_emrs_ext.operators.session
"""
_POOL = "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT"


class Deployment:
    """Scheduler, triggerer, API server and workers, as processes, with a metadata database.

    :param airflow: whose components run
    :param emr: the endpoint that the tasks call
    :param dags_folder: where its DAG files are
    """

    def __init__(self, airflow: PostgresAirflow, emr: LocalEmr, dags_folder: Path) -> None:
        self.airflow = airflow
        self.emr = emr
        self.dags_folder = dags_folder
        self._token: str | None = None

    def trigger(self, dag_id: str, run_id: str = "run") -> None:
        """Begin a DAG run."""
        date = {"logical_date": None} if IS_3 else {}
        self._api("POST", f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, **date})

    def wait_for_task(self, dag_id: str, task_id: str, *states: str, within: float = 60) -> None:
        """Until a task instance is in one of the states."""
        self.wait_for(f"{dag_id}.{task_id} {states}", lambda: self.task_state(dag_id, task_id) in states, within)

    def wait_for_end(self, dag_id: str, within: float = 120) -> str:
        """Until the DAG run is over; how it ended."""
        return str(
            self.wait_for(
                f"the end of {dag_id}",
                lambda: (state := self.airflow.run_state(dag_id)) in _OVER and state,
                within,
            )
        )

    def wait_for(self, what: str, look: Callable[[], Any], within: float) -> Any:
        """The first truthy thing that ``look`` sees."""
        return self.airflow.wait_for(what, lambda: look() or None, within * TIMES_LONGER)

    def task_state(self, dag_id: str, task_id: str) -> str | None:
        """The state of a task instance, as the metadata database has it."""
        rows = self.airflow.query("SELECT state FROM task_instance WHERE dag_id = ? AND task_id = ?", dag_id, task_id)
        return rows[0][0] if rows else None

    def tries(self, dag_id: str, task_id: str) -> int:
        """How often a task instance has been tried."""
        rows = self.airflow.query(
            "SELECT try_number FROM task_instance WHERE dag_id = ? AND task_id = ?", dag_id, task_id
        )
        return int(rows[0][0]) if rows else 0

    def mark(self, dag_id: str, task_id: str, state: str, run_id: str = "run") -> None:
        """Mark a task instance, as a person does in the UI."""
        body = {"new_state": state} if IS_3 else {"new_state": state, "dry_run": False}
        self._api("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}", body)

    def mark_run(self, dag_id: str, state: str, run_id: str = "run") -> None:
        """Mark a DAG run, as a person does in the UI."""
        self._api("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}", {"state": state})

    def delete_run(self, dag_id: str, run_id: str = "run") -> None:
        """Delete a DAG run, as a person does in the UI."""
        self._api("DELETE", f"/dags/{dag_id}/dagRuns/{run_id}")

    def delete_dag(self, dag_id: str) -> None:
        """Delete a DAG with all its runs, as a person does in the UI."""
        self._api("DELETE", f"/dags/{dag_id}")

    def clear(self, dag_id: str, task_id: str, run_id: str = "run") -> None:
        """Clear a task instance, as a person does in the UI."""
        if not IS_3 and self.task_state(dag_id, task_id) == "running":
            # Airflow 2's REST API loses that a running task is to be restarted; its UI and its command line do not.
            self.airflow.command("tasks", "clear", "--yes", "--task-regex", f"^{task_id}$", dag_id)
            return
        self._api(
            "POST",
            f"/dags/{dag_id}/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": [task_id],
                "only_failed": False,
                "reset_dag_runs": True,
            },
        )

    def set_variable(self, key: str, value: str) -> None:
        """Give a Variable its first value."""
        self._api("POST", "/variables", {"key": key, "value": value})

    def pause(self, dag_id: str, is_paused: bool = True) -> None:
        """Pause a DAG, or let it go on."""
        self._api("PATCH", f"/dags/{dag_id}", {"is_paused": is_paused})

    def process(self, dag_id: str, task_id: str) -> psutil.Process | None:
        """The process in which a task runs, if it does."""
        rows = self.airflow.query(
            "SELECT pid FROM task_instance WHERE dag_id = ? AND task_id = ? AND state = 'running'", dag_id, task_id
        )
        if not rows or not rows[0][0]:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(int(rows[0][0]))
        return None

    def signal_task(self, dag_id: str, task_id: str, number: int) -> None:
        """Send a signal to the process in which a task runs; SIGKILL takes the worker around it along."""
        process = self.wait_for(f"a process of {dag_id}.{task_id}", lambda: self.process(dag_id, task_id), 30)
        with contextlib.suppress(psutil.NoSuchProcess):
            if number == signal.SIGKILL:
                # The worker first: it would report the end of its task.
                for one in reversed(self._worker(process)):
                    one.kill()
            process.send_signal(number)

    def kill(self, component: str) -> None:
        """SIGKILL a component and all that it started: ``scheduler``, ``triggerer``."""
        self.airflow.kill(component)

    def start(self, component: str) -> None:
        """Start a component that was killed."""
        self.airflow.start(component)

    def has(self, dag_id: str) -> bool:
        """Whether the API answers, and knows a DAG."""
        try:
            self._api("GET", f"/dags/{dag_id}")
        except (OSError, AssertionError):
            return False
        return True

    def _worker(self, process: psutil.Process) -> list[psutil.Process]:
        """The processes between a task's and the scheduler, the nearest first."""
        guard = self.airflow.leader("scheduler")
        return [one for one in process.parents() if one.ppid() != guard and guard in map(_pid, one.parents())]

    def _api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if not IS_3:
            return self._request(method, f"/api/v1{path}", body)
        if self._token is None:
            self._token = self._request("GET", "/auth/token")["access_token"]
        return self._request(method, f"/api/v2{path}", body, Authorization=f"Bearer {self._token}")

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        request = urllib.request.Request(
            f"{self.airflow.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            # Airflow 2 reads what says that it is JSON, also where there is nothing.
            headers={**({} if body is None else {"Content-Type": "application/json"}), **headers},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error


@contextlib.contextmanager
def deployed(
    emr: LocalEmr,
    home: Path,
    dags: Mapping[str, str],
    *,
    dag_ids: Iterable[str] | None = None,
    slots: int = 4,
    trees: Mapping[str, Path] | None = None,
    **settings: str,
) -> Iterator[Deployment]:
    """Run a real Airflow with these DAG files.

    :param home: folder for everything of it
    :param dags: name of a DAG file to its text
    :param dag_ids: the DAGs in them; default: one in each file, named as the file
    :param slots: how many tasks run at the same time
    :param trees: where the package is that a component uses; default: the one that runs the tests
    :param settings: environment variables of every component
    """
    folder = home / "dags"
    with contextlib.ExitStack() as stack:
        environ = {
            **emr.environ,
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            **(_ON_3 if IS_3 else _ON_2),
            **({"AIRFLOW__CORE__PARALLELISM": str(slots)} if IS_3 else {_POOL: str(slots)}),
            **settings,
        }
        airflow = PostgresAirflow(home / "airflow", folder, environ, stack.enter_context(postgres()), trees or {})
        airflow.make_home()
        (airflow.home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\nWTF_CSRF_ENABLED = False\n")
        (airflow.home / "plugins").mkdir()
        (airflow.home / "plugins/imported_once.py").write_text(_IMPORTED_ONCE)
        folder.mkdir(parents=True)
        for name, text in dags.items():
            (folder / name).write_text(text)
        stack.enter_context(airflow.running(with_web_server=True))
        deployment = Deployment(airflow, emr, folder)
        for dag_id in dag_ids or [Path(name).stem for name in dags]:
            airflow.wait_for_dag(dag_id, 240 * TIMES_LONGER)
            deployment.wait_for(f"{dag_id} in the API", partial(deployment.has, dag_id), 90)
        yield deployment


def _pid(process: psutil.Process) -> int:
    return int(process.pid)
