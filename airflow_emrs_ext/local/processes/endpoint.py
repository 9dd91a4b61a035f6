"""The endpoint as a process of its own, for as long as somebody needs it."""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import shlex
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

DEFAULT_PORT = 4568
"""Where the endpoint is unless it is told otherwise."""

PYTHON_VARIABLE = "EMRS_LOCAL_PYTHON"
"""Environment variable that names the interpreter that runs the endpoint."""

EXIT_WITH_PARENT_VARIABLE = "EMRS_LOCAL_EXIT_WITH_PARENT"
"""Environment variable that makes the endpoint end when the process that started it is gone."""


class LocalEmrError(Exception):
    """The endpoint could not be started, or refused an administrative request."""


def port_number(text: str) -> int:
    """The value of an option that takes a port."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return int(text)


def ending_signals() -> list[signal.Signals]:
    """The signals that end a command in good order; not SIGHUP where it is ignored, as with ``nohup``."""
    hung_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hung_up]


def opener_for(url: str) -> urllib.request.OpenerDirector:
    """What asks an endpoint: no proxy, and over TLS it trusts what AWS_CA_BUNDLE names, as boto3 does.

    :param url: where the endpoint is
    :raises LocalEmrError: AWS_CA_BUNDLE cannot be read
    """
    # A proxy configured in the environment has no business between a test and its own endpoint.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if url.startswith("https:"):
        bundle = os.environ.get("AWS_CA_BUNDLE") or None
        try:
            context = ssl.create_default_context(cafile=bundle)
        except OSError as error:
            raise LocalEmrError(
                f"AWS_CA_BUNDLE={bundle}: {error.strerror or error}: name the endpoint's tls/ca.pem, as its log does"
            ) from None
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


@dataclass(frozen=True)
class RunningEndpoint:
    """An endpoint that was ready.

    :param url: where it is
    """

    url: str
    _process: subprocess.Popen[bytes]
    _log: IO[bytes]

    def check(self) -> None:
        """Have a look at its process.

        :raises LocalEmrError: it has ended
        """
        if self._process.poll() is not None:
            raise LocalEmrError(f"the endpoint ended with status {self._process.returncode}:\n{_end_of(self._log)}")


@contextlib.contextmanager
def endpoint_process(
    arguments: Sequence[str], *, start_seconds: float | None, with_aws: bool, log_file: Path | None = None
) -> Iterator[RunningEndpoint]:
    """A process that runs the endpoint, and ends with the context.

    :param arguments: its command line
    :param start_seconds: how long to wait for it to be ready; ``None``: until it is, or ends
    :param with_aws: whether it inherits AWS settings of the environment, which another S3 endpoint may need
    :param log_file: what gets its log; default: a file that is gone at the end
    :return: the endpoint
    :raises LocalEmrError: it did not become ready; the error carries what happened, and the end of its log
    """
    command = [os.environ.get(PYTHON_VARIABLE) or sys.executable, "-m", "airflow_emrs_ext.local", *arguments]
    inherited = {name: value for name, value in os.environ.items() if with_aws or not name.startswith("AWS_")}
    with tempfile.TemporaryFile("w+b") if log_file is None else log_file.open("w+b") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**inherited, EXIT_WITH_PARENT_VARIABLE: "1"},
        )
        try:
            said = _first_line(process, start_seconds)
            word, _, url = said.partition(" ")
            if word != "ready":
                what = _how_it_failed(process, said, time.monotonic() - began)
                raise LocalEmrError(f"{shlex.join(command)}: {what}\n{_end_of(log)}")
            yield RunningEndpoint(url, process, log)
        finally:
            _end(process)


def _end_of(log: IO[bytes]) -> str:
    log.seek(0)
    return "\n".join(log.read().decode(errors="replace").splitlines()[-20:])


def _first_line(process: subprocess.Popen[bytes], seconds: float | None) -> str:
    """The first line that it prints; nothing when it ended, or the time is up, before one came."""
    assert process.stdout is not None
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=lambda out=process.stdout: lines.put(out.readline()), daemon=True).start()
    try:
        return lines.get(timeout=seconds).decode(errors="replace").strip()
    except queue.Empty:
        return ""


def _how_it_failed(process: subprocess.Popen[bytes], said: str, seconds: float) -> str:
    if said:
        return f"printed {said!r} instead of the ready line"
    try:
        # Its standard output is closed a moment before it has ended.
        status = process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return f"not ready after {seconds:.1f} s"
    return f"ended with status {status} after {seconds:.1f} s, before it was ready"


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
