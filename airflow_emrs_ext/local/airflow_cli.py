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
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from airflow_emrs_ext.local.processes.endpoint import ending_signals, endpoint_process, opener_for, port_number
from airflow_emrs_ext.local.processes.progress import Progress
from airflow_emrs_ext.local.processes.throwaway_airflow import IS_3, AirflowDidNotWork, ThrowawayAirflow
from airflow_emrs_ext.local.server.kept_state import StateError, claimed, replace_file
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError

USER = "admin"

_MARK = "made-by-emrs-local"
_PASSWORDS = "passwords.json"
_LOOK_SECONDS = 1.0
_VERSION = version("apache-airflow")
# A shell may have settings of another Airflow or AWS account, which those of this one would not all replace.
_FORGET_OTHERS = """\
for emrs_name in $(env | sed -n -E 's/^((AIRFLOW|AWS_)[A-Za-z0-9_]*)=.*/\\1/p'); do unset "$emrs_name"; done
unset emrs_name
"""
# The password is in no process's arguments, which every user of the machine sees.
_MAKE_USER = """\
import json, sys
from airflow.__main__ import main
passwords, user = sys.argv[1:]
about = ["--firstname", user, "--lastname", user, "--email", f"{user}@example.com", "--role", "Admin"]
with open(passwords) as file:
    sys.argv = ["airflow", "users", "create", "--username", user, *about, "--password", json.load(file)[user]]
main()
"""
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


def main(
    arguments: Sequence[str],
    endpoint_options: argparse.ArgumentParser,
    warn: Callable[[argparse.Namespace], None],
) -> int:
    """Run an Airflow until SIGTERM or Ctrl-C, or the terminal is closed.

    :param arguments: those after ``emrs-local airflow``
    :param endpoint_options: the options of the endpoint, which may be among them
    :param warn: says what these options give up
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
    for number in ending_signals():
        signal.signal(number, signal.default_int_handler)
    warn(parsed)
    try:
        with _own_home(parsed.home) as home:
            _check_dags_folder(parsed.dags)
            _check_ports(parsed)
            _begin(home, parsed.fresh)
            _run(home, parsed.dags.resolve(), parsed, for_endpoint)
    except KeyboardInterrupt:
        # A terminal that was closed takes no more.
        with contextlib.suppress(OSError):
            print("\nEverything has ended; the next start goes on from here.", flush=True)
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
def _own_home(home: Path) -> Iterator[Path]:
    """The home directory, for this process alone.

    :raises CannotStart: it holds what this command has not made
    :raises StateError: another process uses it, or other users may write to it
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(home.iterdir()) and not (home / _MARK).exists():
            raise CannotStart(f"--home {home}: holds something else; name a folder that is empty or not there")
        (home / _MARK).touch()
        # Neither git, which would take passwords, nor Airflow looks into it; the pattern is a glob and a regular
        # expression, as Airflow 3 and 2 read it.
        (home / ".gitignore").write_text("*\n")
        (home / ".airflowignore").write_text("[a-z.]*\n")
    except OSError as error:
        raise CannotStart(f"--home {home}: {error.strerror}") from None
    with claimed(home):
        yield home.resolve()


def _begin(home: Path, fresh: bool) -> None:
    """Go on with what a home has, or without; the last of all checks, as it removes."""
    made_by = (home / _MARK).read_text()
    if fresh:
        for kept in (home / "airflow", home / "endpoint"):
            try:
                if kept.is_symlink() or kept.exists():
                    shutil.rmtree(kept)
            except OSError as error:
                raise CannotStart(f"--fresh: {kept}: {error.strerror or error}: remove it yourself") from None
    elif made_by not in ("", _VERSION):
        raise CannotStart(
            f"--home {home}: is of Airflow {made_by}, and this is {_VERSION}: name another, or begin anew with --fresh"
        )
    (home / _MARK).write_text(_VERSION)


def _check_dags_folder(dags: Path) -> None:
    if not dags.is_dir():
        raise CannotStart(f"--dags {dags}: is no folder: make it, or name the one that has your DAG files")
    environments = [found.parent for pattern in ("pyvenv.cfg", "*/pyvenv.cfg") for found in dags.glob(pattern)]
    ignore = dags / ".airflowignore"
    ignored = ignore.read_text() if ignore.exists() else ""
    for one in environments:
        if one.name not in ignored:
            raise CannotStart(
                f"--dags {dags}: Airflow would look for DAGs in all that it holds, {one.resolve()} included: put the"
                f" DAG files into a folder of their own, or name {one.name} in {ignore}"
            )


def _check_ports(parsed: argparse.Namespace) -> None:
    """Refuse ports that are taken, or given twice."""
    options: dict[int, str] = {}
    for option in ("port", "tls_port", "sessions_port", "web_port"):
        port, name = getattr(parsed, option), f"--{option.replace('_', '-')}"
        if not port:
            continue
        if port in options:
            raise CannotStart(f"{name} {port}: is {options[port]}, too: choose another, or 0 for a free one")
        options[port] = name
        _check_free(name, "127.0.0.1" if option == "web_port" else parsed.host, port)


def _check_free(name: str, host: str, port: int) -> None:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(f"{name} {port}: {error.strerror}: choose another, or 0 for a free one") from None


def _run(home: Path, dags: Path, parsed: argparse.Namespace, for_endpoint: Sequence[str]) -> None:
    progress = Progress()
    progress.say("starting the local endpoint")
    log_file, state_dir = home / "endpoint.log", (parsed.state_dir or home / "endpoint").absolute()
    with contextlib.ExitStack() as stack:
        with progress.waiting_for(f"the endpoint, whose log is {log_file}"):
            endpoint = stack.enter_context(
                endpoint_process(
                    [*for_endpoint, "--state-dir", str(state_dir)],
                    start_seconds=None,
                    with_aws=parsed.s3_endpoint is not None,
                    log_file=log_file,
                )
            )
            emr = LocalEmr(endpoint.url, s3_endpoint=parsed.s3_endpoint)
            _answer(endpoint.check, lambda: emr.configure(log_refresh_seconds=5))
        passwords = home / "airflow" / _PASSWORDS
        access = {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        }
        airflow = ThrowawayAirflow(
            home / "airflow", dags, {**emr.environ, **_SETTINGS, **(access if IS_3 else {})}, port=parsed.web_port
        )
        progress.say("endpoint ready; preparing Airflow's database")
        with progress.waiting_for("Airflow's database"):
            airflow.prepare_home()
            password = _make_user(airflow, passwords)
        # The endpoint has ports of its own choice, too.
        _check_free("--web-port", "127.0.0.1", urlsplit(airflow.url).port or 0)
        progress.say("starting scheduler, triggerer and web server")
        stack.enter_context(airflow.running(with_web_server=True))
        with progress.waiting_for(f"the web server; the logs are in {airflow.home}"):
            _answer(airflow.check_components, lambda: _check_web_server(airflow))
        variables = home / "env.sh"
        variables.write_text(_shell_settings(airflow.settings))
        authority = f"  over TLS          AWS_CA_BUNDLE={state_dir / 'tls' / 'ca.pem'}\n"
        progress.say(
            f"ready\n\n"
            f"  Airflow {_VERSION:<9} {airflow.url}   user {USER}, password {password}\n"
            f"  DAG files         {dags}\n"
            f"  endpoint          {endpoint.url}   its log: {log_file}\n"
            f"{authority if parsed.tls_port is not None else ''}"
            f"  in other shells   source {shlex.quote(str(variables))}\n"
            f"  to end            Ctrl-C\n"
        )
        watcher = _Watcher(airflow, progress)
        while True:
            airflow.check_components()
            endpoint.check()
            watcher.look()
            time.sleep(_LOOK_SECONDS)


def _shell_settings(settings: Mapping[str, str]) -> str:
    """What a shell sources to have these settings, and none of another Airflow or AWS account."""
    return _FORGET_OTHERS + "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(settings.items()))


def _make_user(airflow: ThrowawayAirflow, passwords: Path) -> str:
    """The password of the one user, who is made if there is none yet."""
    if not passwords.exists():
        replace_file(passwords, json.dumps({USER: secrets.token_hex(6)}).encode())
    password: str = json.loads(passwords.read_text())[USER]
    if not IS_3 and not airflow.query("SELECT 1 FROM ab_user WHERE username = ?", USER):
        airflow.python("-c", _MAKE_USER, str(passwords), USER)
    return password


def _answer(check: Callable[[], None], ask: Callable[[], object]) -> None:
    """Ask until there is an answer, however long it takes.

    :param check: raises if the process that is asked has ended
    :param ask: raises if there is no answer yet
    """
    while True:
        check()
        with contextlib.suppress(OSError, ValueError, LookupError):
            ask()
            return
        time.sleep(_LOOK_SECONDS / 4)


def _check_web_server(airflow: ThrowawayAirflow) -> None:
    url = airflow.url + ("/api/v2/monitor/health" if IS_3 else "/health")
    with opener_for(url).open(url, timeout=5) as response:
        # What else may have got the port answers otherwise.
        json.load(response)["metadatabase"]


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
        self._runs: dict[tuple[str, str], str] | None = None
        self._failed: set[tuple[str, str, str, int, int]] = set()
        self._unreadable = ""

    def look(self) -> None:
        """Print what has changed since the last time; at first, not which DAG runs and tasks are over."""
        try:
            dags = {dag_id for (dag_id,) in self._airflow.query("SELECT DISTINCT dag_id FROM serialized_dag")}
            broken = dict(self._airflow.import_errors())
            runs, failed = self._dag_runs(), self._failed_tries()
        except sqlite3.Error as error:
            # What only tells may end nothing: a person resets the database, or something keeps it locked.
            if str(error) != self._unreadable:
                self._progress.say(f"what happens cannot be told, as Airflow's database cannot be read: {error}")
            self._unreadable = str(error)
            return
        self._unreadable = ""
        if self._runs is None:
            self._runs, self._failed = runs, failed
        for dag_id in sorted(dags - self._dags):
            self._progress.say(f"DAG {dag_id} is there")
        for file, trace in broken.items():
            if self._broken.get(file) != trace:
                self._progress.say(f"{file} cannot be imported:\n{trace.rstrip()}")
        for file in self._broken.keys() - broken.keys():
            self._progress.say(f"{file} is mended, or gone")
        for (dag_id, run_id), state in runs.items():
            if self._runs.get((dag_id, run_id)) != state:
                self._progress.say(f"DAG run {dag_id} {run_id}: {state}")
        for one in sorted(failed - self._failed):
            dag_id, _, task_id, map_index, number = one
            mapped = f"[{map_index}]" if map_index >= 0 else ""
            error_text = self._airflow.task_error(*one) or "its log says why"
            self._progress.say(f"task {dag_id}.{task_id}{mapped} has failed, try {number}: {error_text}")
        self._dags |= dags
        self._broken, self._runs, self._failed = broken, runs, self._failed | failed

    def _dag_runs(self) -> dict[tuple[str, str], str]:
        rows = self._airflow.query(
            "SELECT dag_run.dag_id, run_id, state, is_paused FROM dag_run LEFT JOIN dag ON dag.dag_id = dag_run.dag_id"
            " ORDER BY dag_run.id"
        )
        return {
            (dag_id, run_id): f"{state}; the DAG is paused" if is_paused and state == "queued" else state
            for dag_id, run_id, state, is_paused in rows
        }

    def _failed_tries(self) -> set[tuple[str, str, str, int, int]]:
        rows = self._airflow.query(
            "SELECT dag_id, run_id, task_id, map_index, try_number FROM task_instance"
            " WHERE state IN ('failed', 'up_for_retry')"
        )
        return {(dag_id, run_id, task_id, map_index, number) for dag_id, run_id, task_id, map_index, number in rows}
