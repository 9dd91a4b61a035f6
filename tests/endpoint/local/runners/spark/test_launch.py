"""Processes that leave nothing behind: no Java here, any program will do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_emrs_ext.local.processes.guard import session_members
from airflow_emrs_ext.local.runners.spark.launch import GuardedProcess, free_port, heap_mb
from tests.polling import eventually

# Starts a child in a process group of its own, as Spark's Python daemon is, says who they are, and waits.
FAMILY = """
import os, signal, subprocess, sys, time
{prologue}
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], preexec_fn=os.setpgrp)
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


async def start(directory: Path, code: str) -> GuardedProcess:
    return await GuardedProcess.start(
        [sys.executable, "-c", code],
        environ={**os.environ, "MARK": "seen"},
        cwd=directory,
        stdout=directory / "stdout",
        stderr=directory / "stderr",
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


async def family(directory: Path, prologue: str = "") -> tuple[GuardedProcess, list[int]]:
    process = await start(directory, FAMILY.format(prologue=prologue))
    line = await asyncio.to_thread(eventually, lambda: (directory / "stdout").read_text().strip())
    return process, [int(pid) for pid in line.split()]


async def test_output_status_environment_and_directory(tmp_path: Path) -> None:
    process = await start(
        tmp_path, "import os, sys; print(os.environ['MARK'], os.getcwd()); print('e', file=sys.stderr); sys.exit(7)"
    )

    assert await process.wait() == 7
    assert (tmp_path / "stdout").read_text() == f"seen {tmp_path}\n"
    assert (tmp_path / "stderr").read_text() == "e\n"
    assert not process.is_running


async def test_a_signal_is_a_status_above_128(tmp_path: Path) -> None:
    process = await start(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    assert await process.wait() == 128 + signal.SIGSEGV


async def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    process = await start(
        tmp_path,
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], preexec_fn=os.setpgrp)\n"
        "print(child.pid)",
    )

    assert await process.wait() == 0
    assert not is_alive(int((tmp_path / "stdout").read_text()))


async def test_stop_is_polite_first(tmp_path: Path) -> None:
    prologue = "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(0)))"
    process, pids = await family(tmp_path, prologue)

    await process.stop(30)

    assert "bye" in (tmp_path / "stdout").read_text()
    assert not [pid for pid in pids if is_alive(pid)]


async def test_stop_kills_all_after_the_grace(tmp_path: Path) -> None:
    process, pids = await family(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")

    await process.stop(0.2)

    assert not [pid for pid in pids if is_alive(pid)]
    assert await process.wait() == 128 + signal.SIGKILL


async def test_stop_at_once_right_after_the_start(tmp_path: Path) -> None:
    process = await start(tmp_path, FAMILY.format(prologue=""))

    await process.stop(0)

    assert not session_members(process.pid)


async def test_a_killed_guard_takes_nothing_from_the_endpoint(tmp_path: Path) -> None:
    process, pids = await family(tmp_path)

    os.kill(process.pid, signal.SIGKILL)

    assert await process.wait() == 128 + signal.SIGKILL
    assert not [pid for pid in pids if is_alive(pid)]


def test_nothing_survives_an_endpoint_that_is_killed(tmp_path: Path) -> None:
    endpoint = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import asyncio, pathlib, sys\n"
            "sys.path.append(sys.argv[2])\n"
            "from tests.endpoint.local.runners.spark.test_launch import family\n"
            "async def main():\n"
            "    _, pids = await family(pathlib.Path(sys.argv[1]))\n"
            "    print(*pids, flush=True)\n"
            "    await asyncio.sleep(600)\n"
            "asyncio.run(main())\n",
            str(tmp_path),
            str(Path(__file__).parents[5]),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert endpoint.stdout is not None
    pids = [int(pid) for pid in endpoint.stdout.readline().split()]
    assert [is_alive(pid) for pid in pids] == [True, True]

    endpoint.kill()
    endpoint.wait()
    endpoint.stdout.close()

    eventually(lambda: not [pid for pid in pids if is_alive(pid)])


def test_the_heap_leaves_room_for_several_drivers() -> None:
    assert 512 <= heap_mb() <= 1024


def test_free_ports_differ() -> None:
    assert len({free_port() for _ in range(5)}) > 1


@pytest.mark.parametrize("missing", ["/no/such/executable"])
async def test_a_command_that_does_not_exist_ends_with_a_status(tmp_path: Path, missing: str) -> None:
    process = await GuardedProcess.start(
        [missing], environ=dict(os.environ), cwd=tmp_path, stdout=tmp_path / "stdout", stderr=tmp_path / "stderr"
    )

    assert await process.wait() != 0
    assert missing in (tmp_path / "stderr").read_text()
