"""Airflows of a test's own: one home is made in a process, and every other is a copy of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.processes.throwaway_airflow import AirflowDidNotWork, ThrowawayAirflow
from tests.interpreters import CodeFailed, Run, interpreter

# What every command imports, and the API that `dags test` of Airflow 3 makes for its tasks: most of a command's time.
_IMPORTS = """
import airflow.__main__, airflow.cli.cli_parser, airflow.cli.commands.dag_command, airflow.providers_manager
import boto3, aiobotocore.session, airflow.providers.amazon.aws.hooks.base_aws

try:
    from airflow.sdk.execution_time.supervisor import in_process_api_server
except ImportError:
    pass
else:
    in_process_api_server().app
"""
_COMMAND = "from airflow.__main__ import main; main()"


class ForkedAirflow(ThrowawayAirflow):
    """An Airflow whose commands run in forks of one interpreter; within :meth:`forking`."""

    _run: Run

    @contextmanager
    def forking(self) -> Iterator[None]:
        """Start the interpreter, and at the end stop it."""
        with interpreter(_IMPORTS, environ=self._environ, folder=self.home) as self._run:
            yield

    def command(self, *arguments: Any) -> str:
        """Run a command of Airflow's command line and return what it printed."""
        try:
            return "\n".join(self._run(_COMMAND, *arguments))
        except CodeFailed as error:
            raise AirflowDidNotWork(f"airflow {' '.join(arguments)} failed:\n{error}") from None


def make_home(airflow: ThrowawayAirflow) -> None:
    """Make a home as ``airflow db migrate`` leaves it, which takes as long as many tests.

    Only for stock settings: an auth manager may have tables of its own.
    """
    made_in, database, settings = _home()
    airflow.home.mkdir(parents=True, exist_ok=True)
    (airflow.home / "airflow.db").write_bytes(database)
    # Components that find no settings write some, each with a secret of its own, which the others do not know.
    (airflow.home / "airflow.cfg").write_text(settings.replace(made_in, str(airflow.home)))


@cache
def _home() -> tuple[str, bytes, str]:
    with tempfile.TemporaryDirectory(prefix="emrs-database-") as folder:
        first = ThrowawayAirflow(Path(folder) / "home", Path(folder), {})
        first.make_home()
        return str(first.home), (first.home / "airflow.db").read_bytes(), (first.home / "airflow.cfg").read_text()
