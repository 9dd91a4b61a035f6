"""An Apache Airflow of its own, with the processes of a real deployment, for as long as a command lasts.

The components run as they do elsewhere: scheduler and triggerer, and on Airflow 3 the DAG processor and the API server
too; each ends with the process that started it. The metadata database is SQLite in a home directory of its own; what
happens is read from it, because each call of Airflow's command line costs seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from airflow_emrs_ext.local.processes import guard

T = TypeVar("T")

_COMPONENTS_3 = {
    "api-server": ["api-server", "--host", "127.0.0.1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
_COMPONENTS_2 = {"scheduler": ["scheduler", "--skip-serve-logs"], "triggerer": ["triggerer", "--skip-serve-logs"]}
_WEB_SERVER_2 = {"webserver": ["webserver", "--hostname", "127.0.0.1"]}
_VERSION = tuple(int(part) for part in version("apache-airflow").split(".")[:2])
IS_3: bool = _VERSION >= (3, 0)
XCOMS: str = (
    "xcom"
    if _VERSION < (3, 4)
    # Those of attempts, which are task instances.
    else "(SELECT x.key, x.value, ti.dag_id, ti.task_id, ti.run_id, ti.region_index AS map_index FROM xcom_v2 x"
    " JOIN task_instance ti ON x.task_instance_id = ti.id) AS xcom"
)
"""What a query of XComs selects from, in the metadata database of this version."""


class AirflowDidNotWork(Exception):
    """A component ended, a DAG file cannot be imported, or something took too long; says where to read more."""


@dataclass(frozen=True)
class TaskState:
    """A task instance as the metadata database has it."""

    task_id: str
    state: str | None
    seconds: float | None
    tries: int


class ThrowawayAirflow:
    """A home directory, its database, and the processes that use them.

    :param home: its directory
    :param dags_folder: the folder of the DAG files
    :param environ: further environment variables of every component
    :param base_path: where Airflow is below the root of its host, e.g. ``/airflow``; default: there
    :param port: of the API server or web server; default: a free one
    """

    def __init__(
        self, home: Path, dags_folder: Path, environ: Mapping[str, str], *, base_path: str = "", port: int | None = None
    ) -> None:
        self.home = home
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # Nothing of another Airflow or AWS account in the caller's environment may reach this one.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "AWS_"))}
        web_port = str(port or _free_port())
        self.url: str = f"http://127.0.0.1:{web_port}{base_path}"
        """Where the API server of Airflow 3 answers, or the web server of Airflow 2 if it runs."""
        self._environ = {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            # On a machine that is busy the server answers late; a task that meets that at its start fails for it.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            # So does a DAG file that imports much: it would be taken for a broken one. Airflow 3 and 2.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
            "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "360",
            "AIRFLOW__CORE__DAG_FILE_PROCESSOR_TIMEOUT": "360",
            "AIRFLOW__API__PORT": web_port,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": web_port,
            "AIRFLOW__WEBSERVER__WORKERS": "1",
            # It ends itself when it has not started in time, and is late on a machine that is busy.
            "AIRFLOW__WEBSERVER__WEB_SERVER_MASTER_TIMEOUT": "86400",
            "AIRFLOW__WEBSERVER__BASE_URL": self.url,
            **({"AIRFLOW__API__BASE_URL": self.url} if base_path else {}),
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            **environ,
        }

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that make a command of Airflow or AWS one of this Airflow."""
        return {name: value for name, value in self._environ.items() if name.startswith(("AIRFLOW", "AWS_"))}

    def make_home(self) -> None:
        """Make the home directory and the database anew."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.prepare_home()

    def prepare_home(self) -> None:
        """Make the home directory and the database, or go on with those that are there."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.command("db", "migrate")

    @contextlib.contextmanager
    def running(self, *, with_web_server: bool = False, only_web_server: bool = False) -> Iterator[None]:
        """Start the components, and at the end stop them with all that they started.

        :param with_web_server: on Airflow 2, the web server too; Airflow 3 has its API server in any case
        :param only_web_server: that and no other component
        """
        components = dict(_COMPONENTS_3 if IS_3 else _COMPONENTS_2)
        if with_web_server and not IS_3:
            components.update(_WEB_SERVER_2)
        if only_web_server:
            components = {"api-server": _COMPONENTS_3["api-server"]} if IS_3 else dict(_WEB_SERVER_2)
        try:
            for name in components:
                self.start(name)
            yield
        finally:
            self._end()

    def start(self, component: str) -> None:
        """Start a component: ``scheduler``, ``triggerer`` or another of those that :meth:`running` starts."""
        arguments = {**_COMPONENTS_2, **_WEB_SERVER_2, **(_COMPONENTS_3 if IS_3 else {})}[component]
        with self.log_file(component).open("ab") as log:
            self._processes[component] = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, sys.executable, "-m", "airflow", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                cwd=self.home,
                start_new_session=True,
            )

    def kill(self, component: str) -> None:
        """End a component with all that it started, by SIGKILL; :meth:`start` starts it again."""
        process = self._processes.pop(component)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()

    def leader(self, component: str) -> int:
        """The process id of a component's leader, whose only child is the component; for what a test does to it."""
        return self._processes[component].pid

    def command(self, *arguments: str) -> str:
        """Run a command of Airflow's command line and return what it printed.

        :raises AirflowDidNotWork: it failed; carries the end of its output
        """
        return self.python("-m", "airflow", *arguments)

    def python(self, *arguments: str) -> str:
        """Run the Python of this Airflow and return what it printed.

        :raises AirflowDidNotWork: it failed; carries the end of its output
        """
        done = subprocess.run(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environ,
            cwd=self.home,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        if done.returncode:
            raise AirflowDidNotWork(f"{shlex.join(['python', *arguments])} failed:\n{_last_lines(output)}")
        return output

    def log_file(self, component: str) -> Path:
        """What a component prints."""
        return self.home / f"{component}.log"

    def wait_for(self, what: str, look: Callable[[], T | None], seconds: float) -> T:
        """Look until there is something to see.

        :raises AirflowDidNotWork: there was nothing for ``seconds``, or a component ended, or a DAG file is broken
        """
        deadline = time.monotonic() + seconds
        while (seen := look()) is None:
            self.check_components()
            for file, trace in self.import_errors():
                raise AirflowDidNotWork(f"{file} cannot be imported:\n{trace}")
            if time.monotonic() > deadline:
                raise AirflowDidNotWork(f"{what}: not within {seconds:g} s; see the logs in {self.home}")
            time.sleep(0.25)
        return seen

    def check_components(self) -> None:
        """Have a look at the processes.

        :raises AirflowDidNotWork: one has ended
        """
        for name, process in list(self._processes.items()):
            if process.poll() is not None:
                log = self.log_file(name)
                end = _last_lines(log.read_text(errors="replace"))
                raise AirflowDidNotWork(f"airflow {name} ended with status {process.returncode}:\n{end}\nSee {log}")

    def import_errors(self) -> list[tuple[str, str]]:
        """Each DAG file that cannot be imported, with the traceback."""
        return [(file, trace) for file, trace in self.query("SELECT filename, stacktrace FROM import_error")]

    def wait_for_dag(self, dag_id: str, seconds: float = 240) -> None:
        """Until the DAG has been parsed and can be triggered, and its tasks can reach the API server."""
        known = "SELECT dag_id FROM serialized_dag WHERE dag_id = ?"
        self.wait_for(f"parsing of {dag_id}", lambda: self.query(known, dag_id) or None, seconds)
        if "api-server" in self._processes:
            # A task that does not reach it within seconds fails.
            self.wait_for("API server", lambda: self.is_listening() or None, seconds)

    def is_listening(self) -> bool:
        """Whether the API server or web server takes connections."""
        address = urlsplit(self.url)
        try:
            socket.create_connection((address.hostname, address.port), timeout=5).close()
        except OSError:
            return False
        return True

    def run_state(self, dag_id: str) -> str | None:
        """State of the DAG's run."""
        rows = self.query("SELECT state FROM dag_run WHERE dag_id = ? ORDER BY id DESC", dag_id)
        return rows[0][0] if rows else None

    def task_states(self, dag_id: str) -> list[TaskState]:
        """Every task instance of the DAG's run, those that began first being first."""
        rows = self.query(
            "SELECT task_id, state, start_date, end_date, try_number FROM task_instance WHERE dag_id = ?"
            " ORDER BY start_date IS NULL, start_date",
            dag_id,
        )
        return [TaskState(task_id, state, _seconds(begin, end), tries) for task_id, state, begin, end, tries in rows]

    def result(self, dag_id: str, task_id: str, key: str = "return_value") -> Any:
        """What the task returned, or has stored under another key; ``None`` if it has not."""
        named = "dag_id = ? AND task_id = ? AND key = ?"
        rows = self.query(f"SELECT value FROM {XCOMS} WHERE {named}", dag_id, task_id, key)
        value = rows[0][0] if rows else None
        # SQLite hands the JSON of a number back as the number.
        return json.loads(value) if isinstance(value, str | bytes) else value

    def task_log(self, dag_id: str, task_id: str) -> str:
        """The log of the task's last try."""
        files = sorted((self.home / "logs").glob(f"dag_id={dag_id}/run_id=*/task_id={task_id}/attempt=*.log"))
        return files[-1].read_text(errors="replace") if files else ""

    def task_error(self, dag_id: str, run_id: str, task_id: str, map_index: int, number: int) -> str:
        """The error that a try of a task has ended with, as its log says; nothing if it says none."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        file = folder / (f"map_index={map_index}" if map_index >= 0 else "") / f"attempt={number}.log"
        return _last_error(file.read_text(errors="replace")) if file.exists() else ""

    def query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """What the metadata database says."""
        with contextlib.closing(sqlite3.connect(self.home / "airflow.db", timeout=30)) as database:
            return database.execute(statement, values).fetchall()

    def _end(self) -> None:
        """End every component with all that it started. There is nothing here that deserves a graceful end."""
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes.values():
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-15:])


def _last_error(log: str) -> str:
    for line in reversed(log.splitlines()):
        # As Airflow 3 writes it.
        with contextlib.suppress(ValueError, LookupError, TypeError):
            error = json.loads(line)["error_detail"][0]
            return f"{error['exc_type']}: {error['exc_value']}"
    errors = re.findall(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n)*([\w.]+): (.*)$", log, re.MULTILINE)
    return f"{errors[-1][0].rpartition('.')[2]}: {errors[-1][1]}" if errors else ""


def _seconds(begin: str | None, end: str | None) -> float | None:
    if begin is None or end is None:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
