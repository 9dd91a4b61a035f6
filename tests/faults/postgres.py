"""PostgreSQL for an Airflow with many processes: on SQLite they lock each other out."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.processes import guard
from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from tests.polling import eventually

# The server refuses to run as root. Its guard is root, and an interpreter that nobody may read becomes nobody.
_USER = "nobody" if os.geteuid() == 0 else None
_AS_NOBODY = """
import os, pwd, sys
os.setgroups([])
os.setuid(pwd.getpwnam("nobody").pw_uid)
os.execv(sys.argv[1], sys.argv[1:])
"""
_SETTINGS = {"listen_addresses": "", "max_connections": "500", "fsync": "off", "synchronous_commit": "off"}


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A server of its own with an empty database, as long as the context lasts; its URL, as SQLAlchemy takes it."""
    package = find_spec("pgserver")
    assert package is not None
    assert package.submodule_search_locations
    programs = Path(package.submodule_search_locations[0]) / "pginstall/bin"
    with tempfile.TemporaryDirectory(prefix="emrs-pg-", ignore_cleanup_errors=True) as folder:
        if _USER:
            subprocess.run(["chown", _USER, folder], check=True)
        data = f"{folder}/data"
        _run(folder, programs / "initdb", "-D", data, "-U", "airflow", "-A", "trust", "-E", "UTF8", "--no-sync")
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", guard.__file__),
                *([sys.executable, "-I", "-S", "-c", _AS_NOBODY] if _USER else []),
                *(str(programs / "postgres"), "-D", data, "-k", folder, *settings),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,
        )
        try:
            url = f"postgresql+psycopg2://airflow@/postgres?host={folder}"
            eventually(lambda: _answers(url), within=30)
            yield url
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait()


class PostgresAirflow(ThrowawayAirflow):
    """A throwaway Airflow whose metadata database is PostgreSQL.

    :param url: of the database, as SQLAlchemy takes it
    :param trees: where the package is that a component uses; default: the one that runs the tests
    """

    def __init__(
        self, home: Path, dags_folder: Path, environ: Mapping[str, str], url: str, trees: Mapping[str, Path]
    ) -> None:
        super().__init__(home, dags_folder, {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url, **environ})
        self.trees = dict(trees)
        self._url = url
        self._of_thread = threading.local()

    def start(self, component: str) -> None:
        """Start a component, with its tree of the package."""
        common = self._environ
        if tree := self.trees.get(component):
            self._environ = {**common, "PYTHONPATH": str(tree)}
        try:
            super().start(component)
        finally:
            self._environ = common

    def query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """What the metadata database says."""
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = _connect(self._url)
        with self._of_thread.connection.cursor() as cursor:
            cursor.execute(statement.replace("?", "%s"), values)
            return [tuple(_plain(value) for value in row) for row in cursor.fetchall()]


def _run(folder: str, *command: Path | str) -> None:
    done = subprocess.run(command, cwd=folder, user=_USER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _answers(url: str) -> bool:
    try:
        _connect(url).close()
    except import_module("psycopg2").OperationalError:
        return False
    return True


def _connect(url: str) -> Any:
    connection = import_module("psycopg2").connect(url.replace("+psycopg2", ""))
    connection.autocommit = True
    return connection


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
