"""A real Airflow against the local endpoint, and what a person or an accident does to the tasks that run in it."""

from __future__ import annotations

import contextlib
import json
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.local.throwaway_airflow import ThrowawayAirflow

_OVER = ("success", "failed")


class Deployment:
    """Scheduler, triggerer, API server and workers, as processes, with a metadata database.

    :param airflow: whose components run
    :param emr: the endpoint that the tasks call
    """

    def __init__(self, airflow: ThrowawayAirflow, emr: LocalEmr) -> None:
        self.airflow = airflow
        self.emr = emr
        self._token: str | None = None

    def trigger(self, dag_id: str, run_id: str = "run") -> None:
        """Begin a DAG run."""
        self._api("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None})

    def wait_for_task(self, dag_id: str, task_id: str, *states: str, within: float = 60) -> None:
        """Until a task instance is in one of the states."""
        self._wait(f"{dag_id}.{task_id} {states}", lambda: self.task_state(dag_id, task_id) in states, within)

    def wait_for_end(self, dag_id: str, within: float = 120) -> str:
        """Until the DAG run is over; how it ended."""
        return self._wait(
            f"the end of {dag_id}",
            lambda: (state := self.airflow.run_state(dag_id)) in _OVER and state,
            within,
        )

    def task_state(self, dag_id: str, task_id: str) -> str | None:
        """The state of a task instance, as the metadata database has it."""
        rows = self.airflow.query("SELECT state FROM task_instance WHERE dag_id = ? AND task_id = ?", dag_id, task_id)
        return rows[0][0] if rows else None

    def mark(self, dag_id: str, task_id: str, state: str, run_id: str = "run") -> None:
        """Mark a task instance, as a person does in the UI."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        self._api("PATCH", path, {"new_state": state})

    def clear(self, dag_id: str, task_id: str, run_id: str = "run") -> None:
        """Clear a task instance, as a person does in the UI."""
        self._api(
            "POST",
            f"/api/v2/dags/{dag_id}/clearTaskInstances",
            {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "only_failed": False},
        )

    def signal_task(self, dag_id: str, task_id: str, number: int) -> None:
        """Send a signal to the process in which a task runs; SIGKILL takes the worker around it along."""
        process = self._wait(f"a process of {dag_id}.{task_id}", lambda: self._process(dag_id, task_id), 30)
        if number == signal.SIGKILL:
            # The worker first: it would report the end of its task.
            parent = process.parent()
            if parent is not None:
                parent.kill()
        process.send_signal(number)

    def active_sessions(self, dag_id: str) -> list[dict[str, Any]]:
        """The sessions that a DAG has started and that have not ended."""
        return [session for session in self.sessions(dag_id) if session["state"] not in ("TERMINATED", "FAILED")]

    def sessions(self, dag_id: str) -> list[dict[str, Any]]:
        """Every session that a DAG has started, oldest first, as the endpoint recorded it."""
        return [one for one in self.emr.sessions() if (one.get("name") or "").startswith(f"{dag_id}.")]

    def looks_at(self, session_id: str) -> list[dict[str, Any]]:
        """The calls of GetSession for a session."""
        return [call for call in self.emr.calls("GetSession") if call["parameters"].get("sessionId") == session_id]

    def _process(self, dag_id: str, task_id: str) -> psutil.Process | None:
        rows = self.airflow.query(
            "SELECT pid FROM task_instance WHERE dag_id = ? AND task_id = ? AND state = 'running'", dag_id, task_id
        )
        if not rows or not rows[0][0]:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(int(rows[0][0]))
        return None

    def _wait(self, what: str, look: Callable[[], Any], seconds: float) -> Any:
        return self.airflow.wait_for(what, lambda: look() or None, seconds)

    def _api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if self._token is None and path != "/auth/token":
            self._token = self._api("GET", "/auth/token")["access_token"]
        request = urllib.request.Request(
            f"{self.airflow.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            return json.loads(response.read() or b"null")


@contextlib.contextmanager
def deployed(emr: LocalEmr, home: Path, dags: dict[str, str], **settings: str) -> Iterator[Deployment]:
    """Run a real Airflow with these DAG files.

    :param home: folder for everything of it
    :param dags: name of a DAG file to its text
    :param settings: environment variables of every component
    """
    folder = home / "dags"
    environ = {
        **emr.environ,
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        # A worker that is gone is noticed in seconds instead of minutes.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "6",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        **settings,
    }
    airflow = ThrowawayAirflow(home / "airflow", folder, environ)
    airflow.make_home()
    folder.mkdir(parents=True)
    for name, text in dags.items():
        (folder / name).write_text(text)
    with airflow.running():
        deployment = Deployment(airflow, emr)
        for name in dags:
            airflow.wait_for_dag(Path(name).stem)
        yield deployment


def most_at_once(sessions: list[dict[str, Any]]) -> int:
    """How many of these sessions were active at the same time."""
    moments: list[tuple[str, int]] = []
    for session in sessions:
        history = session["stateHistory"]
        moments.append((history[0]["at"], 1))
        moments += [(change["at"], -1) for change in history if change["state"] in ("TERMINATING", "FAILED")][:1]
    active = most = 0
    for _, step in sorted(moments):
        active += step
        most = max(most, active)
    return most
