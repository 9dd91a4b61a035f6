"""Run DAGs in tests: each in a fork of the test's process, with a metadata database of its own.

With pytest it is the fixture ``run_dag`` of :mod:`airflow_emrs_ext.local.pytest_plugin`. Without::

    with dag_runner() as runner:
        run = runner.run(my_dag)
        assert run.tasks["job"].state == "success"
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from airflow_emrs_ext.local.processes import forked_dag_run
from airflow_emrs_ext.local.processes.forked_dag_run import Request

__all__ = ["DagRun", "DagRunError", "DagRunner", "TaskError", "TaskRun", "UnexpectedState", "dag_runner"]

_LOG_LINES = 40

# What the state of a mapped task is when those of its instances differ.
_WORST_FIRST = ("failed", "upstream_failed", "success", "skipped", "removed")


class DagRunError(Exception):
    """The DAG could not be run, or its run did not end in time; says why, with the end of what was printed."""


class TaskError(Exception):
    """Stands for the error of a task whose own type this process cannot make; has its name and its text."""


class UnexpectedState(AssertionError):
    """The DAG run ended in another state than expected; has the run in :attr:`run`.

    The text has the state of each task, and the error and the end of the log of the first that failed.
    """

    def __init__(self, message: str, run: DagRun) -> None:
        super().__init__(message)
        self.run = run


@dataclass(frozen=True)
class TaskRun:
    """A task of a DAG run, as it ended.

    Of a mapped task it is all of its instances together, which are in :attr:`mapped`.
    """

    task_id: str
    map_index: int
    """-1 for one that is not an instance of a mapped task."""
    state: str | None
    """``success``, ``failed``, ``skipped``, ``upstream_failed`` or another state of Airflow; of a mapped task the worst
    one of its instances."""
    tries: int
    """How many times it was tried; of a mapped task the most of any instance."""
    xcoms: Mapping[str, Any]
    """What it stored, by key; of a mapped task a list with the value of each instance, or ``None``."""
    log: str
    """What all of its tries printed and logged, their triggers included."""
    error: BaseException | None
    """The exception of its last try if it is ``failed`` and Airflow says which one it was."""
    mapped: Sequence[TaskRun] = ()
    """The instances of a mapped task, by map index."""

    @property
    def result(self) -> Any:
        """What it returned: the XCom ``return_value``, or ``None``."""
        return self.xcoms.get("return_value")


@dataclass(frozen=True)
class DagRun:
    """A DAG run that has ended."""

    dag_id: str
    run_id: str
    state: str
    """``success`` or ``failed``."""
    tasks: Mapping[str, TaskRun] = field(repr=False)
    """By task id, in the order in which they began."""
    log: str = field(repr=False)
    """All that was printed and logged."""


class DagRunner:
    """Runs DAGs one after the other, each with a copy of an empty metadata database.

    :param folder: an empty folder for databases and logs
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        forked_dag_run.prepare()
        self._database = folder / "airflow.db"
        home = folder / "database"
        home.mkdir()
        _in_fork(forked_dag_run.make_database, home, math.inf, "the metadata database")
        # What is still in a file beside it gets into the database, too.
        with contextlib.closing(sqlite3.connect(home / "airflow.db")) as database:
            database.execute("PRAGMA journal_mode=DELETE")
        shutil.move(home / "airflow.db", self._database)
        shutil.rmtree(home)

    def run(
        self,
        dag: Any,
        *,
        dag_id: str | None = None,
        conf: Mapping[str, Any] | None = None,
        logical_date: datetime | None = None,
        expect: Literal["success", "failed"] | None = "success",
        timeout: float = 300,
        retry_delay: float | None = 1,
    ) -> DagRun:
        """Run a DAG to its end.

        :param dag: a DAG; the path of a file with one; or an operator that belongs to no DAG, which is run alone
        :param dag_id: which one, if the file has several
        :param conf: configuration of the run: values for ``params``, and ``dag_run.conf``
        :param logical_date: logical date of the run; without a time zone it is UTC; default: now
        :param expect: state in which the run is to end; ``None``: any
        :param timeout: seconds after which the run is ended, and fails the test
        :param retry_delay: seconds between two tries of a task, instead of those of the DAG; ``None``: as the DAG says.
            With less than one a try may take the failed job run of the try before for its own, as dates are in seconds
        :return: the run, with the state, the results, the log and the error of each task
        :raises UnexpectedState: it ended in another state than ``expect``
        :raises DagRunError: it could not be run, or did not end in time
        """
        __tracebackhide__ = True  # of pytest: what failed is the run
        if isinstance(dag, (str, os.PathLike)):
            dag = Path(dag).resolve()
            if not dag.is_file():
                raise DagRunError(f"{dag} is no file")
        elif dag_id is not None:
            raise DagRunError("dag_id is for the path of a file with several DAGs")
        if logical_date is not None and logical_date.tzinfo is None:
            logical_date = logical_date.replace(tzinfo=timezone.utc)
        request = Request(dag, dag_id, conf, logical_date, retry_delay)
        home = Path(tempfile.mkdtemp(prefix="run-", dir=self._folder))
        try:
            shutil.copy(self._database, home / "airflow.db")
            output, answer = _in_fork(lambda: forked_dag_run.run(request), home, timeout, "the DAG run")
        finally:
            shutil.rmtree(home, ignore_errors=True)
        run = _dag_run(answer, output)
        # pytest shows it when the test fails.
        sys.stdout.write(run.log)
        if expect not in (None, run.state):
            raise UnexpectedState(_explanation(run, expect), run)
        return run


@contextlib.contextmanager
def dag_runner() -> Iterator[DagRunner]:
    """A runner with a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="emrs-dag-runs-") as folder:
        yield DagRunner(Path(folder))


def _in_fork(work: Callable[[], Any], home: Path, seconds: float, what: str) -> tuple[bytes, Any]:
    """Do something in a fork of this process; what it printed, and what it returned.

    :raises DagRunError: it could not be done, or took longer
    """
    output, answer = home / "output", home / "answer"
    ours, theirs = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Python 3.12 and later warn of threads: the fork takes no lock of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(theirs)
        forked_dag_run.in_fork(work, home=home, output=output, answer=answer, parent=ours)
    try:
        os.close(ours)
        status = _wait(child, seconds)
    finally:
        os.close(theirs)
    printed = output.read_bytes() if output.exists() else b""
    if status is None or not answer.exists():
        how = f"had not ended after {seconds:g} s" if status is None else f"ended its process, with status {status}"
        raise DagRunError(f"{what} {how}. The end of what it printed:\n{_last_lines(_text(printed))}")
    said = pickle.loads(answer.read_bytes())
    if isinstance(said, forked_dag_run.CannotRun):
        raise DagRunError(str(said))
    return printed, said


def _wait(child: int, seconds: float) -> int | None:
    """Wait for a process and what it has started; its exit status, or ``None`` when the time was up."""
    deadline = time.monotonic() + seconds
    exit_status = None
    try:
        while exit_status is None and time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                exit_status = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.02)
        return exit_status
    finally:
        if exit_status is None:
            forked_dag_run.end_descendants(child)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def _dag_run(said: Mapping[str, Any], output: bytes) -> DagRun:
    instances: dict[str, list[TaskRun]] = {}
    for task in said["tasks"]:
        instances.setdefault(task["task_id"], []).append(_task_run(task, output))
    tasks = {task_id: _together(runs) for task_id, runs in instances.items()}
    return DagRun(said["dag_id"], said["run_id"], said["state"], tasks, _text(output))


def _task_run(task: Mapping[str, Any], output: bytes) -> TaskRun:
    xcoms = {}
    for key, packed in task["xcoms"].items():
        try:
            xcoms[key] = pickle.loads(packed)
        except Exception as error:
            message = f"XCom {key} of task {task['task_id']} is of a type that the test cannot import: {error}"
            raise DagRunError(message) from error
    return TaskRun(
        task["task_id"],
        task["map_index"],
        task["state"],
        task["tries"],
        xcoms,
        _text(b"".join(output[begin:end] for begin, end in task["output"])),
        task["error"] and _error(*task["error"]),
    )


def _error(packed: bytes | None, text: str) -> BaseException:
    if packed is not None:
        # Of a class that only the DAG's file defines there is no more than its name and its text.
        with contextlib.suppress(Exception):
            error: BaseException = pickle.loads(packed)
            return error
    return TaskError(text)


def _together(runs: Sequence[TaskRun]) -> TaskRun:
    """A task, from its instances."""
    if len(runs) == 1 and runs[0].map_index < 0:
        return runs[0]
    runs = sorted(runs, key=lambda run: run.map_index)
    states = {run.state for run in runs}
    errors = [run.error for run in runs if run.error is not None]
    keys = dict.fromkeys(key for run in runs for key in run.xcoms)
    return TaskRun(
        task_id=runs[0].task_id,
        map_index=-1,
        state=next((state for state in _WORST_FIRST if state in states), runs[0].state),
        tries=max(run.tries for run in runs),
        xcoms={key: [run.xcoms.get(key) for run in runs] for key in keys},
        log="".join(run.log for run in runs),
        error=errors[0] if errors else None,
        mapped=runs,
    )


def _explanation(run: DagRun, expected: str | None) -> str:
    lines = [f"The run of {run.dag_id} is {run.state}, not {expected}. Tasks:"]
    lines += [f"  {task.task_id}: {task.state}" for task in run.tasks.values()]
    for task in run.tasks.values():
        if task.state == "failed":
            lines += [f"Task {task.task_id}: {type(task.error).__name__}: {task.error}"] if task.error else []
            return "\n".join([*lines, f"The end of the log of {task.task_id}:", _last_lines(task.log)])
    return "\n".join(lines)


def _text(output: bytes) -> str:
    return output.decode(errors="replace")


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-_LOG_LINES:])
