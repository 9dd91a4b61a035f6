"""An interpreter that has imported something heavy, once: each piece of code runs in a fork of it, as in a new one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Run = Callable[..., list[str]]


class CodeFailed(Exception):
    """Code has raised an error, or has ended its process; carries what it printed."""


# Results go through a pipe of their own: what is imported may print.
_SERVER = """
import json, os, sys, traceback

exec(sys.argv[1], {})
answers = os.fdopen(int(sys.argv[2]), "w")
for line in sys.stdin:
    code, arguments = json.loads(line)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(write, 1)
        os.dup2(write, 2)
        sys.argv = ["-c", *arguments]
        status = 1
        try:
            exec(code, {"__name__": "__main__"})
            status = 0
        except SystemExit as end:
            status = 0 if end.code in (None, 0) else 1
            if status:
                print(end.code)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(write)
    with os.fdopen(read, errors="replace") as output:
        said = output.read()
    answers.write(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said]) + "\\n")
    answers.flush()
"""


@contextmanager
def interpreter(imports: str, *, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Iterator[Run]:
    """Code is run by ``run(code, *arguments)``, with these arguments of the command; the lines that it prints.

    ``run`` raises :class:`CodeFailed`.

    :param imports: code that runs first, for all
    :param environ: the environment variables of all; default: this process's
    :param folder: the working directory of all; default: this process's
    """
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, imports, str(write)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        pass_fds=[write],
        env=environ,
        cwd=folder,
        start_new_session=True,
    ) as process:
        os.close(write)
        assert process.stdin is not None
        requests = process.stdin
        with os.fdopen(read) as answers:

            def run(code: str, *arguments: str) -> list[str]:
                requests.write(json.dumps([code, arguments]) + "\n")
                requests.flush()
                status, said = json.loads(answers.readline() or '[null, "the interpreter has ended"]')
                if status != 0:
                    raise CodeFailed(said)
                return str(said).splitlines()

            try:
                yield run
            finally:
                # With the fork that runs.
                os.killpg(process.pid, signal.SIGKILL)
