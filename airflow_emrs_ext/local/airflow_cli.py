"""The command ``emrs-local airflow``: an Airflow with a folder of DAG files, its web UI, and the local endpoint."""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import shlex
import shutil
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from airflow_emrs_ext.local.processes.endpoint import endpoint_process, port_number
from airflow_emrs_ext.local.processes.progress import Progress
from airflow_emrs_ext.local.processes.throwaway_airflow import IS_3, AirflowDidNotWork, ThrowawayAirflow
from airflow_emrs_ext.local.server.kept_state import StateError, claimed
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError

USER = "admin"

_MARK = "made-by-emrs-local"
_PASSWORDS = "passwords.json"
_LOOK_SECONDS = 1.0
_START_SECONDS = 300
# What an Airflow for one person at a terminal has otherwise than by default.
_SETTINGS = {
    # As in production, and unlike in the demo: nothing runs that nobody has asked for.
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__SCHEDULER__CATCHUP_BY_DEFAULT": "False",
    # New files and changed ones are found within seconds.
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "10",
    "AIRFLOW__EMRS_EXT__WAITER_DELAY": "5",
    # Credentials, Region and endpoint come from the environment.
    "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
}


class CannotStart(Exception):
    """An option cannot be used; says which, and what to do."""


def main(arguments: Sequence[str], endpoint_options: argparse.ArgumentParser) -> int:
    """Run an Airflow until SIGTERM or Ctrl-C.

    :param arguments: those after ``emrs-local airflow``
    :param endpoint_options: the options of the endpoint, which may be among them
    :return: the exit status
    """
    own = _options()
    parsed = argparse.ArgumentParser(
        prog="emrs-local airflow",
        description="An Airflow of your own, with scheduler, triggerer and web UI, and the local endpoint; nothing"
        " leaves the machine, and everything ends with Ctrl-C.",
        epilog="The other options are those of `emrs-local`, for the endpoint.",
        parents=[own, endpoint_options],
        add_help=False,
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    ).parse_args(arguments)
    _, for_endpoint = own.parse_known_args(arguments)
    # What was started is ended on the way out, in the background of a shell, too, where Ctrl-C is ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with _own_home(parsed.home, parsed.fresh) as home:
            _check_dags_folder(parsed.dags, home)
            _check_free(parsed.web_port)
            _run(home, parsed.dags.resolve(), parsed, for_endpoint)
    except KeyboardInterrupt:
        print("\nEverything has ended; the next start goes on from here.")
    except (CannotStart, AirflowDidNotWork, LocalEmrError, StateError) as error:
        print(f"emrs-local airflow: {error}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("Airflow")
    group.add_argument("--dags", type=Path, default=Path("dags"), metavar="DIR", help="the folder of the DAG files")
    group.add_argument(
        "--home",
        type=Path,
        default=Path(".emrs-local"),
        metavar="DIR",
        help="keep Airflow's database and logs, and what the endpoint holds, here; the next start goes on with them",
    )
    group.add_argument("--web-port", type=port_number, default=8080, metavar="PORT", help="port of the web UI")
    group.add_argument("--fresh", action="store_true", help="forget what --home has from earlier starts")
    return parser


@contextlib.contextmanager
def _own_home(home: Path, fresh: bool) -> Iterator[Path]:
    """The home directory, for this process alone.

    :raises CannotStart: it holds what this command has not made
    :raises StateError: another process uses it, or other users may write to it
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(home.iterdir()) and not (home / _MARK).exists():
            raise CannotStart(f"--home {home}: holds something else; name a folder that is empty or not there")
        (home / _MARK).touch()
    except OSError as error:
        raise CannotStart(f"--home {home}: {error.strerror}") from None
    with claimed(home):
        if fresh:
            for kept in ("airflow", "endpoint"):
                shutil.rmtree(home / kept, ignore_errors=True)
        yield home.resolve()


def _check_dags_folder(dags: Path, home: Path) -> None:
    if not dags.is_dir():
        raise CannotStart(f"--dags {dags}: is no folder: make it, or name the one that has your DAG files")
    environments = [found.parent for pattern in ("pyvenv.cfg", "*/pyvenv.cfg") for found in dags.glob(pattern)]
    foreign = [path.resolve() for path in environments] + [home] * home.is_relative_to(dags.resolve())
    if foreign and not (dags / ".airflowignore").exists():
        raise CannotStart(
            f"--dags {dags}: Airflow would look for DAGs in all that it holds, {foreign[0]} included: put the DAG files"
            f" into a folder of their own, or name {foreign[0].name} in {dags / '.airflowignore'}"
        )


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotStart(f"--web-port {port}: {error.strerror}: choose another, or 0 for a free one") from None


def _run(home: Path, dags: Path, parsed: argparse.Namespace, for_endpoint: Sequence[str]) -> None:
    progress = Progress()
    progress.say("starting the local endpoint")
    state_dir = [] if parsed.state_dir else ["--state-dir", str(home / "endpoint")]
    with endpoint_process(
        [*for_endpoint, *state_dir],
        start_seconds=_START_SECONDS,
        with_aws=parsed.s3_endpoint is not None,
        log_file=home / "endpoint.log",
    ) as url:
        emr = LocalEmr(url, s3_endpoint=parsed.s3_endpoint)
        emr.configure(log_refresh_seconds=5)
        passwords = home / "airflow" / _PASSWORDS
        access = {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        }
        airflow = ThrowawayAirflow(
            home / "airflow", dags, {**emr.environ, **_SETTINGS, **(access if IS_3 else {})}, port=parsed.web_port
        )
        progress.say("endpoint ready; preparing Airflow's database")
        airflow.prepare_home()
        password = _make_user(airflow, passwords)
        progress.say("starting scheduler, triggerer and web server")
        with airflow.running(with_web_server=True):
            _wait_for_web_server(airflow)
            variables = home / "env.sh"
            variables.write_text(
                "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(airflow.settings.items()))
            )
            progress.say(
                f"ready\n\n"
                f"  Airflow {version('apache-airflow'):<9} {airflow.url}   user {USER}, password {password}\n"
                f"  DAG files         {dags}\n"
                f"  endpoint          {url}   its log: {home / 'endpoint.log'}\n"
                f"  in other shells   source {shlex.quote(str(variables))}\n"
                f"  to end            Ctrl-C\n"
            )
            watcher = _Watcher(airflow, progress)
            while True:
                airflow.check_components()
                _check_endpoint(emr, home / "endpoint.log")
                watcher.look()
                time.sleep(_LOOK_SECONDS)


def _make_user(airflow: ThrowawayAirflow, passwords: Path) -> str:
    """The password of the one user, who is made if there is none yet."""
    if not passwords.exists():
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({USER: secrets.token_hex(6)}))
    password: str = json.loads(passwords.read_text())[USER]
    if not IS_3 and not airflow.query("SELECT 1 FROM ab_user WHERE username = ?", USER):
        about = ["--firstname", USER, "--lastname", USER, "--email", f"{USER}@example.com", "--password", password]
        airflow.command("users", "create", "--username", USER, "--role", "Admin", *about)
    return password


def _wait_for_web_server(airflow: ThrowawayAirflow) -> None:
    path = "/api/v2/monitor/health" if IS_3 else "/health"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        airflow.check_components()
        with contextlib.suppress(OSError), opener.open(airflow.url + path, timeout=5):
            return
        time.sleep(_LOOK_SECONDS / 4)
    raise AirflowDidNotWork(f"the web server does not answer after {_START_SECONDS} s; see the logs in {airflow.home}")


def _check_endpoint(emr: LocalEmr, log: Path) -> None:
    try:
        emr.configure()
    except OSError as error:
        raise LocalEmrError(f"the endpoint does not answer any more ({error}); see {log}") from None


class _Watcher:
    """Prints what happens in an Airflow: DAGs, files that cannot be imported, DAG runs, tasks that fail.

    :param airflow: whose database it looks at
    :param progress: prints it
    """

    def __init__(self, airflow: ThrowawayAirflow, progress: Progress) -> None:
        self._airflow = airflow
        self._progress = progress
        self._dags: set[str] = set()
        self._broken: dict[str, str] = {}
        self._runs = self._dag_runs()
        self._failed = self._failed_tries()

    def look(self) -> None:
        """Print what has changed since the last time."""
        for (dag_id,) in self._airflow.query("SELECT DISTINCT dag_id FROM serialized_dag ORDER BY dag_id"):
            if dag_id not in self._dags:
                self._dags.add(dag_id)
                self._progress.say(f"DAG {dag_id} is there")
        broken = dict(self._airflow.import_errors())
        for file, trace in broken.items():
            if self._broken.get(file) != trace:
                self._progress.say(f"{file} cannot be imported:\n{trace.rstrip()}")
        for file in self._broken.keys() - broken.keys():
            self._progress.say(f"{file} is mended, or gone")
        self._broken = broken
        runs = self._dag_runs()
        for (dag_id, run_id), state in runs.items():
            if self._runs.get((dag_id, run_id)) != state:
                self._progress.say(f"DAG run {dag_id} {run_id}: {state}")
        self._runs = runs
        for one in sorted(self._failed_tries() - self._failed):
            self._failed.add(one)
            dag_id, _, task_id, map_index, number = one
            mapped = f"[{map_index}]" if map_index >= 0 else ""
            error = self._airflow.task_error(*one) or "its log says why"
            self._progress.say(f"task {dag_id}.{task_id}{mapped} has failed, try {number}: {error}")

    def _dag_runs(self) -> dict[tuple[str, str], str]:
        rows = self._airflow.query("SELECT dag_id, run_id, state FROM dag_run ORDER BY id")
        return {(dag_id, run_id): state for dag_id, run_id, state in rows}

    def _failed_tries(self) -> set[tuple[str, str, str, int, int]]:
        rows = self._airflow.query(
            "SELECT dag_id, run_id, task_id, map_index, try_number FROM task_instance"
            " WHERE state IN ('failed', 'up_for_retry')"
        )
        return {(dag_id, run_id, task_id, map_index, number) for dag_id, run_id, task_id, map_index, number in rows}
