"""The endpoint as a process of its own, for as long as somebody needs it."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence

PYTHON_VARIABLE = "EMRS_LOCAL_PYTHON"
"""Environment variable that names the interpreter that runs the endpoint."""

EXIT_WITH_PARENT_VARIABLE = "EMRS_LOCAL_EXIT_WITH_PARENT"
"""Environment variable that makes the endpoint end when the process that started it is gone."""


class LocalEmrError(Exception):
    """The endpoint could not be started, or refused an administrative request."""


@contextlib.contextmanager
def endpoint_process(arguments: Sequence[str], *, start_seconds: float, with_aws: bool) -> Iterator[str]:
    """A process that runs the endpoint, and ends with the context.

    :param arguments: its command line
    :param start_seconds: how long to wait for it to be ready
    :param with_aws: whether it inherits AWS settings of the environment, which another S3 endpoint may need
    :return: its URL
    :raises LocalEmrError: it did not become ready; the error carries the end of its log
    """
    command = [os.environ.get(PYTHON_VARIABLE) or sys.executable, "-m", "airflow_emrs_ext.local", *arguments]
    inherited = {name: value for name, value in os.environ.items() if with_aws or not name.startswith("AWS_")}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**inherited, EXIT_WITH_PARENT_VARIABLE: "1"},
        )
        try:
            url = _ready_url(process, start_seconds)
            if url is None:
                log.seek(0)
                tail = "\n".join(log.read().decode(errors="replace").splitlines()[-20:])
                raise LocalEmrError(f"{' '.join(command)}: not ready after {start_seconds:g} s\n{tail}")
            yield url
        finally:
            _end(process)


def _ready_url(process: subprocess.Popen[bytes], seconds: float) -> str | None:
    """The URL of the ``ready`` line; ``None`` when the process ended or the time is up before it came."""
    assert process.stdout is not None
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=lambda out=process.stdout: lines.put(out.readline()), daemon=True).start()
    try:
        word, _, url = lines.get(timeout=seconds).decode().strip().partition(" ")
    except queue.Empty:
        return None
    return url if word == "ready" else None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the endpoint, politely first: it ends the Spark drivers that it started."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
