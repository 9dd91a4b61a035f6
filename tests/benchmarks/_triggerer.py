"""A process that runs triggers as Airflow's triggerer does, and measures what they cost it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import resource
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

# What triggers import at their first use, or when they are imported themselves: imports are measured by themselves.
_IMPORTED_BEFORE = (
    "airflow.providers.amazon.aws.hooks.base_aws",
    "airflow.triggers.base",
    "airflow_emrs_ext.triggers.runner",
    "aiobotocore.session",
)


class Triggerer:
    """Such a process; it ends with the context.

    :param triggers: the path of the class of each trigger, and its arguments
    :param environ: variables that lead its clients to the endpoint
    :param log: where its log is written
    """

    def __init__(
        self, triggers: Sequence[tuple[str, Mapping[str, Any]]], environ: Mapping[str, str], log: Path
    ) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="emrs-triggerer-")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env={
                    **os.environ,
                    **environ,
                    "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
                    "AIRFLOW_HOME": self._home.name,
                    "AIRFLOW__EMRS_EXT__JOURNAL_FOLDER": f"{self._home.name}/journal",
                    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                },
                text=True,
            )
        self._say(triggers)
        self._hear()

    def begin(self, seconds: float) -> None:
        """Run the triggers, so long at most."""
        self._say(seconds)

    def report(self) -> dict[str, Any]:
        """What it has measured, when the last trigger has fired or the time is up."""
        return self._hear()

    def __enter__(self) -> Triggerer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._home.cleanup()

    def _say(self, what: Any) -> None:
        assert self._process.stdin is not None
        print(json.dumps(what), file=self._process.stdin, flush=True)

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The triggerer ended with status {self._process.wait()}; see its log")
        return json.loads(line)


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]  # it is chosen by the platform
    """Notes how long the event loop does not come to look for what has happened; a ticker would cost more than it."""

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.longest = self.longest_of_own = 0.0
        self._at, self._used = time.monotonic(), time.thread_time()

    def select(self, timeout: float | None = None) -> Any:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._at)
        self.longest_of_own = max(self.longest_of_own, time.thread_time() - self._used)
        happened = super().select(timeout)
        self._at, self._used = time.monotonic(), time.thread_time()
        if timeout is not None and not happened:
            # Other threads of the process may keep it from going on in time.
            self.longest = max(self.longest, self._at - now - timeout)
        return happened


class _Collector:
    """Notes how long the passes of Python's garbage collector take, in which the event loop stands still."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._at = time.monotonic()
        gc.callbacks.append(self._note)

    def _note(self, phase: str, about: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if phase == "stop":
            self.longest = max(self.longest, now - self._at)
        self._at = now


async def _run(
    triggers: Sequence[tuple[str, Mapping[str, Any]]], seconds: float, selector: _Selector
) -> dict[str, Any]:
    events: list[dict[str, Any]] = []
    errors: list[str] = []
    gc.collect()
    _forget_peak()
    memory, used, began = _memory("VmRSS"), _cpu_seconds(), time.time()
    selector.forget()
    collector = _Collector()
    tasks = []
    for number, (path, arguments) in enumerate(triggers):
        # As Airflow gives other triggers a turn between two that it makes.
        await asyncio.sleep(0)
        trigger = _class_of(path)(**arguments)
        trigger.trigger_id = number
        trigger.task_instance = SimpleNamespace(
            id=number, dag_id="a_dag", run_id="a_run", task_id="a_task", map_index=number, try_number=1
        )
        tasks.append(asyncio.create_task(_follow(number, trigger, events, errors)))
    await asyncio.wait(tasks, timeout=seconds)
    return {
        "began": began,
        "ended": time.time(),
        "cpu_seconds": _cpu_seconds() - used,
        "memory_bytes": _memory("VmHWM") - memory,
        "longest_block_seconds": selector.longest,
        "longest_block_cpu_seconds": selector.longest_of_own,
        "longest_gc_seconds": collector.longest,
        "events": events,
        "errors": errors,
    }


async def _follow(number: int, trigger: Any, events: list[dict[str, Any]], errors: list[str]) -> None:
    try:
        async for event in trigger.run():
            now = time.time()
            payload = json.loads(json.dumps(getattr(event, "payload", None), default=str))
            events.append({"trigger": number, "time": now, "kind": type(event).__name__, "payload": payload})
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")


def _class_of(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory(what: str) -> int:
    """Of this process, in bytes: ``VmRSS`` is what it uses, ``VmHWM`` the most that it has used."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def _forget_peak() -> None:
    """Let the most memory be counted from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def _main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints
    triggers = json.loads(sys.stdin.readline())
    for name in _IMPORTED_BEFORE:
        import_module(name)
    for path in {path for path, _ in triggers}:
        _class_of(path)
    print(json.dumps("ready"), file=answers, flush=True)
    if line := sys.stdin.readline():
        selector = _Selector()
        report = asyncio.SelectorEventLoop(selector).run_until_complete(_run(triggers, json.loads(line), selector))
        print(json.dumps(report), file=answers, flush=True)
        # What still waits is not to be cancelled: it would look after its job run.
        os._exit(0)


if __name__ == "__main__":
    _main()
