"""The command of a Spark driver and the process that it becomes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow_emrs_ext.local.processes import guard
from airflow_emrs_ext.local.runners.spark.java import SparkRuntime

# What Spark's own launcher opens of the module system, without the modules that a reduced runtime lacks.
_OPENED_PACKAGES = (
    *(f"java.base/java.{name}" for name in ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util")),
    *(f"java.base/java.util.{name}" for name in ("concurrent", "concurrent.atomic")),
    *(f"java.base/{name}" for name in ("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs")),
    *(f"java.base/sun.{name}" for name in ("security.action", "util.calendar")),
    "java.security.jgss/sun.security.krb5",
)
_COLLECTOR = re.compile(r"-XX:\+Use\w*GC")
_KILL_POLL_SECONDS = 0.02


def java_command(
    runtime: SparkRuntime,
    main_class: str,
    arguments: Sequence[str],
    *,
    heap_mb: int,
    archive: str | None = None,
    java_options: Sequence[str] = (),
    class_path: Sequence[str] = (),
) -> list[str]:
    """The command that runs a main class of Spark's.

    :param runtime: the Java and the Spark to run it on
    :param main_class: e.g. ``org.apache.spark.deploy.SparkSubmit``
    :param arguments: its arguments
    :param heap_mb: upper bound of the Java heap in MiB
    :param archive: class data sharing archives that the warm-up made for this very runtime
    :param java_options: further options of the virtual machine
    :param class_path: entries after Spark's own jars
    """
    return [
        str(runtime.java),
        "-cp",
        os.pathsep.join([str(runtime.spark_home / "jars" / "*"), *class_path]),
        f"-Xmx{heap_mb}m",
        # Short runs on few cores: compiling less and collecting serially halves the start.
        *([] if any(_COLLECTOR.fullmatch(option) for option in java_options) else ["-XX:+UseSerialGC"]),
        "-XX:TieredStopAtLevel=1",
        # Options for the Java of another release are not worth a failed job; Spark's own launcher does the same.
        "-XX:+IgnoreUnrecognizedVMOptions",
        *([f"-XX:SharedArchiveFile={archive}", "-Xshare:auto"] if archive else []),
        # The virtual machine's own warnings go to standard output by default, which belongs to the job.
        "-Xlog:disable",
        "-Xlog:all=warning:stderr",
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED_PACKAGES),
        # Keys of objects and the job's own texts do not depend on the locale of whoever started the endpoint.
        "-Dfile.encoding=UTF-8",
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
        *java_options,
        main_class,
        *arguments,
    ]


def heap_mb() -> int:
    """The heap of one driver in MiB: an eighth of the machine's memory, at least 512 and at most 1024."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(512, min(1024, memory // (8 * 1024 * 1024)))


def runtime_key(runtime: SparkRuntime) -> str:
    """A name that changes whenever a class data sharing archive made for ``runtime`` would no longer fit."""
    jars = sorted((runtime.spark_home / "jars").iterdir())
    known = [str(runtime.java.resolve()), str(runtime.java.stat().st_mtime_ns), str(runtime.spark_home)]
    known += [f"{jar.name} {jar.stat().st_mtime_ns} {jar.stat().st_size}" for jar in jars]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]


def free_port() -> int:
    """A TCP port that is free on loopback now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class GuardedProcess:
    """A process in a session of its own; all that it started ends with it, at the latest with the endpoint."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, command: Sequence[str], *, environ: Mapping[str, str], cwd: Path, stdout: Path, stderr: Path
    ) -> GuardedProcess:
        """Start a command.

        :param command: the executable, as an absolute path, and its arguments
        :param environ: its whole environment
        :param cwd: its working directory
        :param stdout: the file that its standard output is appended to
        :param stderr: the file that its standard error is appended to
        """
        with stdout.open("ab") as out, stderr.open("ab") as err:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(Path(guard.__file__)),
                *command,
                # Never written to: its end tells the guard that the endpoint is gone.
                stdin=asyncio.subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=dict(environ),
                cwd=cwd,
                start_new_session=True,
            )
        return cls(process)

    @property
    def pid(self) -> int:
        """The id of the session and of the guard that leads it."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """The command, or something that it started, has not ended yet."""
        return self._process.returncode is None

    async def wait(self) -> int:
        """The exit status, once the command and all that it started have ended; 128 + n after signal n."""
        status = await self._process.wait()
        # The guard has cleaned up behind the command, unless it was itself killed from outside.
        while guard.signal_session(self.pid, signal.SIGKILL):  # noqa: ASYNC110 - no event tells of their end
            await asyncio.sleep(_KILL_POLL_SECONDS)
        return status if status >= 0 else 128 - status

    async def stop(self, grace_seconds: float) -> None:
        """Ask the whole session to end, kill it after ``grace_seconds``, and return when it is gone."""
        if self.is_running and grace_seconds > 0:
            guard.signal_session(self.pid, signal.SIGTERM)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._process.wait()), grace_seconds)
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self.wait()
