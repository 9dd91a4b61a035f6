"""What the fork of a test's process does: run a DAG with Airflow's own ``DAG.test``, and say how it went.

The fork has a metadata database of its own, and nothing that it does reaches the process of the test: not what Airflow
keeps in module variables, not what a task changes, not a task that hangs or ends its process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import sys
import threading
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

# Where DAG.test looks for DAGs; it is given one, and finds no other.
_BUNDLE = "dags-folder"

_HEAVY = (
    "airflow.models.taskinstance",
    "airflow.models.xcom",
    "airflow.providers.amazon.aws.hooks.base_aws",
    "airflow.providers_manager",
    "airflow.utils.db",
    "aiobotocore.session",
    "boto3",
)

_LONG_AGO = datetime.fromisoformat("2020-01-01T00:00:00+00:00")

_PR_SET_CHILD_SUBREAPER = 36

# Of the process that has forked.
_KEPT: list[Any] = []

Key = tuple[str, int]
"""Task id and map index."""


@dataclass(frozen=True)
class Request:
    """What is to be run.

    :param dag: the DAG, or the file that has it
    :param dag_id: which of the file's DAGs; ``None``: its only one
    :param conf: the run's configuration
    :param logical_date: the run's logical date; ``None``: now
    :param retry_delay: seconds between two tries of a task; ``None``: as the DAG says
    """

    dag: Any
    dag_id: str | None = None
    conf: Mapping[str, Any] | None = None
    logical_date: datetime | None = None
    retry_delay: float | None = None


class CannotRun(Exception):
    """The DAG cannot be run; says why."""


@dataclass
class _Tries:
    """What is known of the tries of a task instance: where their output is, and how the last one ended."""

    output: list[tuple[int, int]] = field(default_factory=list)
    error: BaseException | None = None


@cache
def _airflow() -> tuple[int, ...]:
    """The version of Airflow, without its last part."""
    return tuple(int(part) for part in version("apache-airflow").split(".")[:2])


def _is_3() -> bool:
    return _airflow() >= (3, 0)


def prepare() -> None:
    """Import what every run needs, once, before the process forks: most of the time that a run would take."""
    # A test run that makes errors of warnings means its own.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in _HEAVY:
            import_module(module)
        if _is_3():
            import_module("airflow.sdk.execution_time.supervisor").in_process_api_server().app  # noqa: B018


def in_fork(work: Callable[[], Any], *, home: Path, output: Path, answer: Path, parent: int) -> NoReturn:
    """Do something with a home of its own, write down what it returned or raised, and end the process.

    :param home: the folder of the metadata database, which is there, and of logs
    :param output: file for what is printed
    :param answer: file for the answer, a pickle: what ``work`` has returned, or an error
    :param parent: end of a pipe whose other end closes with the process that has forked
    """
    try:
        try:
            os.setsid()
            _adopt_orphans()
            _replace_threads()
            threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
            _redirect(output)
            _use(home)
            said = work()
        except CannotRun as error:
            said = error
        except BaseException:
            said = CannotRun(traceback.format_exc())
        sys.stdout.flush()
        sys.stderr.flush()
        unfinished = answer.with_suffix(".part")
        unfinished.write_bytes(pickle.dumps(said))
        unfinished.rename(answer)
    except BaseException:
        # Without an answer it is told what was printed.
        traceback.print_exc()
    finally:
        # Whatever has failed: the process of the test goes on elsewhere, and what it registered for its end is its own.
        _end()


def end_descendants(process: int) -> None:
    """Kill what a process has started, and what that has started."""
    # Airflow has it; suites that run no DAG need neither.
    import psutil

    for _ in range(100):
        try:
            everything = psutil.Process(process).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        running = []
        for one in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                if one.status() != psutil.STATUS_ZOMBIE:
                    one.kill()
                    running.append(one)
        if not running:
            return
        time.sleep(0.01)


def make_database() -> None:
    """Make the metadata database, as ``airflow db migrate`` does."""
    import_module("airflow.utils.db").upgradedb()


def run(request: Request) -> dict[str, Any]:
    """Run a DAG.

    :return: plain data, and values as pickles of their own: what only this process can read must not hide the rest
    """
    dag = _dag_of(request)
    if request.retry_delay is not None:
        for task in dag.tasks:
            task.retry_delay = timedelta(seconds=request.retry_delay)
    _register(dag)
    tries = _watch_tasks()
    date = request.logical_date
    named = {} if date is None else {"logical_date" if _is_3() else "execution_date": date}
    dag_run = dag.test(run_conf=dict(request.conf) if request.conf else None, **named)
    return _outcome(dag.dag_id, dag_run.run_id, tries)


def _end_with_parent(pipe: int) -> None:
    os.read(pipe, 1)
    _end()


def _end() -> NoReturn:
    try:
        end_descendants(os.getpid())
    finally:
        os._exit(0)


def _replace_threads() -> None:
    """Give asgiref, with which Airflow asks for connections, an executor: of its own the fork lacks the thread."""
    sync: Any = import_module("asgiref.sync")
    sync.SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)


def _adopt_orphans() -> None:
    """Become the parent of what outlives its own: a command of a shell that has ended, say."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _redirect(output: Path) -> None:
    """Let everything that is printed go to a file."""
    # What is forgotten would be closed.
    _KEPT.extend([sys.stdin, sys.__stdin__, sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    streams = {
        "stdin": os.fdopen(0, closefd=False),
        "stdout": os.fdopen(1, "w", buffering=1, errors="replace", closefd=False),
        "stderr": os.fdopen(2, "w", buffering=1, errors="replace", closefd=False),
    }
    vars(sys).update(streams, **{f"__{name}__": stream for name, stream in streams.items()})


def _use(home: Path) -> None:
    """Let Airflow work with the database in a home, whatever it was configured with before."""
    (home / "dags").mkdir(exist_ok=True)
    bundle = '[{"name": "%s", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}}]'
    os.environ.update(
        {
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": bundle % _BUNDLE,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        }
    )
    for variable in ("_CMD", "_SECRET"):
        os.environ.pop(f"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN{variable}", None)
    os.environ.pop("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC", None)
    settings: Any = import_module("airflow.settings")
    # The connections of the test's process are not this one's to close.
    _KEPT.extend([settings.__dict__.get("engine"), settings.__dict__.get("async_engine"), settings.Session])
    settings.configure_vars()
    import_module("airflow.logging_config").configure_logging()
    settings.configure_orm()


def _dag_of(request: Request) -> Any:
    """The DAG itself."""
    if not isinstance(request.dag, Path):
        return _as_dag(request.dag)
    file = request.dag
    # As in the DAGs folder.
    sys.path.insert(0, str(file.parent))
    bag = import_module("airflow.models").DagBag(file, safe_mode=False)
    if bag.import_errors:
        raise CannotRun("\n".join([f"{file} cannot be imported:", *bag.import_errors.values()]))
    found = ", ".join(sorted(bag.dags)) or "none"
    if request.dag_id is None:
        if len(bag.dags) != 1:
            raise CannotRun(f"{file} has several DAGs or none ({found}): say which one with dag_id")
        (dag,) = bag.dags.values()
        return dag
    if request.dag_id not in bag.dags:
        raise CannotRun(f"{file} has no DAG {request.dag_id}; it has: {found}")
    return bag.dags[request.dag_id]


def _as_dag(given: Any) -> Any:
    """The DAG that was given, or one of the task that was given."""
    if hasattr(given, "task_dict"):
        return given
    # What a @task function returns has its operator.
    operator = getattr(given, "operator", given)
    if not hasattr(operator, "task_id"):
        raise CannotRun(
            f"This is neither a DAG nor an operator nor the file of a DAG: {given!r}. Call a function with @dag."
        )
    if operator.has_dag():
        raise CannotRun(f"Task {operator.task_id} belongs to the DAG {operator.dag_id}: run that.")
    dag_class = import_module("airflow.sdk" if _is_3() else "airflow.models.dag").DAG
    with dag_class(operator.task_id, schedule=None, start_date=_LONG_AGO) as dag:
        operator.dag = dag
    return dag


def _register(dag: Any) -> None:
    """Write the DAG to the database, as the DAG processor does."""
    bag = import_module("airflow.models").DagBag(os.devnull, collect_dags=False)
    if not _is_3():
        bag.bag_dag(dag, root_dag=dag)
        # Not the bag: that makes permissions for the web server, too, which takes seconds.
        dag.sync_to_db()
        return
    bag.bag_dag(dag)
    with import_module("airflow.utils.session").create_session() as session:
        import_module("airflow.dag_processing.bundles.manager").DagBundlesManager().sync_bundles_to_db(session=session)
    if _airflow() == (3, 0):
        bag.sync_to_db(_BUNDLE, None)
    else:
        module = "airflow.models.dagbag" if _airflow() == (3, 1) else "airflow.dag_processing.dagbag"
        import_module(module).sync_bag_to_db(bag, _BUNDLE, None)


def _watch_tasks() -> dict[Key, _Tries]:
    """Note from now on what each task prints and how it ends: ``DAG.test`` runs one after the other."""
    module: Any = import_module("airflow.sdk.definitions.dag" if _is_3() else "airflow.models.dag")
    run_task = getattr(module, "_run_task", None)
    if run_task is None:
        raise CannotRun(f"DAG.test of Airflow {version('apache-airflow')} runs tasks in a way that is not known here.")
    tries: dict[Key, _Tries] = defaultdict(_Tries)

    def watched(*, ti: Any, **arguments: Any) -> Any:
        this = tries[ti.task_id, ti.map_index]
        begin, this.error = _position(), None
        try:
            result = run_task(ti=ti, **arguments)
            this.error = getattr(result, "error", None)
        except BaseException as error:
            this.error = error
            raise
        else:
            return result
        finally:
            this.output.append((begin, _position()))

    module._run_task = watched
    return tries


def _position() -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    return os.lseek(1, 0, os.SEEK_CUR)


def _outcome(dag_id: str, run_id: str, tries: Mapping[Key, _Tries]) -> dict[str, Any]:
    """The run and its task instances as the database has them."""
    models: Any = import_module("airflow.models")
    one_run = {"dag_id": dag_id, "run_id": run_id}
    with import_module("airflow.utils.session").create_session() as session:
        (dag_run,) = session.query(models.DagRun).filter_by(**one_run)
        instances = list(session.query(models.TaskInstance).filter_by(**one_run))
        xcoms = _xcoms(session, one_run)
        tasks = []
        for instance in sorted(instances, key=lambda one: (one.start_date is None, one.start_date, one.map_index)):
            key = (instance.task_id, instance.map_index)
            seen = tries.get(key, _Tries())
            tasks.append(
                {
                    "task_id": instance.task_id,
                    "map_index": instance.map_index,
                    "state": None if instance.state is None else str(instance.state),
                    "tries": instance.try_number,
                    "xcoms": xcoms[key],
                    "output": seen.output,
                    "error": _packed_error(seen.error) if instance.state == "failed" else None,
                }
            )
        return {"dag_id": dag_id, "run_id": run_id, "state": str(dag_run.state), "tasks": tasks}


def _xcoms(session: Any, one_run: Mapping[str, str]) -> dict[Key, dict[str, bytes]]:
    if _is_3():
        model = import_module("airflow.models.xcom").XComModel
        backend = import_module("airflow.sdk.execution_time.xcom").XCom
    else:
        backend = import_module("airflow.models.xcom").XCom
        model = import_module("airflow.models.xcom").BaseXCom
    found: dict[Key, dict[str, bytes]] = defaultdict(dict)
    # Columns: an object of Airflow 2 would have read its value already, its own way.
    columns = (model.task_id, model.map_index, model.key, model.value)
    for row in session.query(*columns).filter_by(**one_run):
        value = backend.deserialize_value(SimpleNamespace(key=row.key, value=row.value))
        try:
            packed = pickle.dumps(value)
        except Exception as error:
            raise CannotRun(f"XCom {row.key} of task {row.task_id} cannot be given to the test: {error}") from error
        found[row.task_id, row.map_index][row.key] = packed
    return found


def _packed_error(error: BaseException | None) -> tuple[bytes | None, str] | None:
    """A pickle of the error, if there can be one, and its text."""
    if error is None:
        return None
    text = f"{type(error).__module__}.{type(error).__qualname__}: {error}"
    try:
        return pickle.dumps(error), text
    except Exception:
        return None, text
