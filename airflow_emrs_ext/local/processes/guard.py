"""Runs one process and outlives neither it nor the endpoint; a script that needs nothing but the standard library.

``python -I -S guard.py COMMAND...`` is the leader of a session of its own. It starts the command in that session and
waits for whichever comes first: the command ends, or standard input reaches its end, which happens at the latest when
the endpoint that holds the other end is gone, SIGKILL included. Either way it kills every process that is left in
the session (Spark's Python daemon leaves the process group, but not the session) and then ends itself, with
the exit status of the command.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_OWN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_KILL_POLL_SECONDS = 0.01


def session_members(session: int) -> list[int]:
    """Process ids of all members of a session except its leader."""
    if Path("/proc/self").exists():
        everyone = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names only, fast
    else:
        listing = subprocess.run(["ps", "-axo", "pid="], capture_output=True, text=True, check=True)
        everyone = [int(word) for word in listing.stdout.split()]
    members = []
    for pid in everyone:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid != session and os.getsid(pid) == session and not _is_zombie(pid):
                members.append(pid)
    return members


def signal_session(session: int, number: int) -> bool:
    """Send a signal to all members of a session except its leader; whether there were any."""
    members = session_members(session)
    for pid in members:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return bool(members)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _run(command: list[str]) -> int:
    for number in _OWN_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    child_ended, wake_up = os.pipe()
    os.set_blocking(wake_up, False)
    signal.set_wakeup_fd(wake_up)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
        setsigdef=[*_OWN_SIGNALS, signal.SIGPIPE],
    )
    status = None
    while status is None:
        ready, _, _ = select.select([0, child_ended], [], [])
        if child_ended in ready:
            os.read(child_ended, 512)
            ended, raw = os.waitpid(child, os.WNOHANG)
            if ended:
                status = os.waitstatus_to_exitcode(raw)
        elif not os.read(0, 512):
            status = -signal.SIGKILL
    # Twice at least: a process may have been forked between the listing and the signal.
    while signal_session(os.getpid(), signal.SIGKILL):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(_KILL_POLL_SECONDS)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1:]))
