"""The shell commands of the documentation: found in its pages, and run as a reader does, in terminals."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from airflow_emrs_ext.local.processes.guard import signal_session

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(r"^( *)(`{3,})(\S*) *(.*)$")
_SHELL = ("console", "bash", "sh", "shell")
_HERE_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)")
# What goes on until it is ended, and so has a terminal of its own.
_SERVER = re.compile(r"emrs-local(?! +(status|cp|ls|cat|rm|logs|runtimes)\b)(?!.* --help)|airflow standalone")
# What a reader repeats who sees that it is not yet as on the page.
_QUESTION = re.compile(r"aws \S+ (get|list|describe)-|emrs-local (status|logs|ls|cat)\b")
_NEW_TERMINAL = "% in a new terminal"
_REFUSED = "An error occurred ("
_PATIENT_SECONDS = 600.0


@dataclass
class Step:
    """Something that a page lets its reader do.

    :param place: page and line
    :param command: a command; ``None``: the page shows what a terminal goes on to say, or a file
    :param output: what it prints, as the page has it: lines in this order, perhaps with others between them
    :param file: the page shows this file, which the reader has from then on
    :param source: what is in the file
    :param in_new_terminal: the page has said so
    """

    place: str
    command: str | None = None
    output: list[str] = field(default_factory=list)
    file: str | None = None
    source: str = ""
    in_new_terminal: bool = False


def steps_of(page: Path) -> list[Step]:
    """What a page lets its reader do, in order."""
    return list(_steps(page))


def _steps(page: Path) -> Iterator[Step]:
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    for number, line in lines:
        if line == _NEW_TERMINAL:
            yield Step(f"{page.relative_to(ROOT)}:{number}", in_new_terminal=True)
        fence = _FENCE.match(line)
        if not fence:
            continue
        indent, ticks, language, argument = fence.groups()
        block = []
        for _, inner in lines:
            if inner.strip().startswith(ticks):
                break
            block.append(inner.removeprefix(indent))
        place = f"{page.relative_to(ROOT)}:{number}"
        if language == "{literalinclude}":
            for option in block:
                if option.startswith(":caption: "):
                    source = (page.parent / argument).read_text()
                    yield Step(place, file=option.removeprefix(":caption: "), source=source)
        elif language == "console":
            yield from _console(place, block)
        elif language in _SHELL:
            yield Step(place, "\n".join(block))


def _console(place: str, block: list[str]) -> Iterator[Step]:
    step = Step(place)
    lines = iter(block)
    for line in lines:
        if not line.startswith("$ "):
            step.output.append(line)
            continue
        if step.command:
            yield _shown_file(step)
        command = line.removeprefix("$ ")
        while _goes_on(command):
            command += "\n" + next(lines)
        step = Step(place, command)
    yield _shown_file(step)


def _goes_on(command: str) -> bool:
    ends = _HERE_DOCUMENT.search(command)
    if ends:
        return command.splitlines()[-1] != ends[1]
    try:
        shlex.split(command)
    except ValueError:
        return True
    return command.endswith("\\")


def _shown_file(step: Step) -> Step:
    """``cat FILE`` with its content is a file that the reader has."""
    if step.command and step.command.startswith("cat ") and any(step.output):
        return Step(step.place, file=step.command.removeprefix("cat "), source="\n".join(step.output) + "\n")
    return step


class Reader:
    """Somebody who follows a page, from an empty home directory.

    :param home: that directory
    :param commands: those of this environment that the reader has
    """

    def __init__(self, home: Path, commands: tuple[str, ...]) -> None:
        self._home = home
        programs = home.parent / "bin"
        programs.mkdir()
        for name in commands:
            (programs / name).write_text(f'#!/bin/sh\nexec {Path(sys.executable).parent / name} "$@"\n')
            (programs / name).chmod(0o755)
        kept = {name: os.environ[name] for name in ("LANG", "PYTHONPATH", "XDG_CACHE_HOME") if name in os.environ}
        self._environ = {**kept, "HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin"}
        self._shells: list[_Shell] = []
        self._shell = self._new_shell()
        self._server: _Output | None = None
        self._server_shell = self._shell
        self._server_command = ""
        self._server_pid = 0

    def _new_shell(self) -> _Shell:
        self._shells.append(_Shell(self._environ, self._home))
        return self._shells[-1]

    def follow(self, step: Step) -> None:
        """Do what the page says, and see what it shows."""
        if step.in_new_terminal:
            self._shell = self._new_shell()
        elif step.file:
            path = self._home / step.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.source)
        elif step.command is None:
            assert self._server, f"{step.place}: no terminal goes on"
            self._server.wait_for(step)
        elif _SERVER.match(step.command):
            self.end_server()
            self._start_server(step)
        else:
            self._run(step)

    def _run(self, step: Step) -> None:
        assert step.command
        until = time.monotonic() + _PATIENT_SECONDS
        while True:
            status, said = self._shell.run(step.command)
            _, missing = _find(step.output, _whole_lines(said + "\n"))
            if (missing is None and status == 0) or not _QUESTION.match(step.command) or time.monotonic() > until:
                break
            time.sleep(2)
        refused = any(line.startswith(_REFUSED) for line in step.output)
        assert refused == (status != 0), f"{step.place}: {step.command}\nended with status {status}:\n{said}"
        assert missing is None, f"{step.place}: {step.command}\ndid not print: {missing}\nbut:\n{said}"

    def _start_server(self, step: Step) -> None:
        assert step.command
        log = self._home.parent / f"terminal-{time.monotonic_ns()}"
        log.touch()
        command = step.command.removesuffix("&")
        _, said = self._shell.run(f"(exec {command}) > {log} 2>&1 &\necho $!")
        self._server_pid = int(said)
        self._server_command, self._server_shell = command, self._shell
        self._server = _Output(log)
        self._server.wait_for(step)

    def end_server(self) -> None:
        """Press Ctrl-C in the terminal of what goes on."""
        if self._server is None:
            return
        # `airflow standalone` ends with the terminal.
        if self._server_command.startswith("emrs-local"):
            os.kill(self._server_pid, signal.SIGINT)
            status, _ = self._server_shell.run(f"wait {self._server_pid}")
            assert status == 0, self._server.text()
        else:
            self._server_shell.kill_children()
        self._server = None

    def leave(self) -> None:
        """Close all terminals."""
        for shell in self._shells:
            shell.close()


class _Output:
    """What is printed in the terminal of a server."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._seen = 0

    def text(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, step: Step) -> None:
        """Until the lines are there, after those that were waited for before."""
        until = time.monotonic() + _PATIENT_SECONDS
        while True:
            said = _whole_lines(self.text())
            end, missing = _find(step.output, said[self._seen :])
            if missing is None:
                self._seen += end
                return
            assert time.monotonic() < until, f"{step.place}: not printed: {missing}\nbut:\n{self.text()}"
            time.sleep(0.2)


class _Shell:
    """An interactive shell, without a terminal."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ,
            cwd=folder,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; its exit status and what it has printed."""
        assert self._process.stdin
        assert self._process.stdout
        mark = f"--{time.monotonic_ns()}--"
        self._process.stdin.write(f"eval {shlex.quote(command)} < /dev/null\nprintf '\\n%s %s\\n' {mark} $?\n")
        self._process.stdin.flush()
        watchdog = threading.Timer(_PATIENT_SECONDS, self.close)
        watchdog.start()
        said = []
        try:
            for line in self._process.stdout:
                if line.startswith(mark):
                    return int(line.split()[1]), "".join(said)[:-1]
                said.append(line)
        finally:
            watchdog.cancel()
        raise AssertionError(f"{command}\nhas not ended, or has ended the shell; it printed:\n{''.join(said)}")

    def kill_children(self) -> None:
        """End all that runs in it."""
        while signal_session(self._process.pid, signal.SIGKILL):
            time.sleep(0.05)

    def close(self) -> None:
        """End it, with all that runs in it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.kill_children()


def _whole_lines(said: str) -> str:
    """What is printed, each line with single blanks."""
    return "".join(" ".join(line.split()) + "\n" for line in said.splitlines(keepends=True) if line.endswith("\n"))


def _find(expected: list[str], said: str) -> tuple[int, str | None]:
    """Where the lines of a page end in what was printed, and the first one that is not there.

    They are there in this order, with others between them; a page may break a long one.
    """
    pattern, end = "^", 0
    for line in filter(None, (" ".join(line.split()) for line in expected)):
        # An ellipsis stands for what differs each time, and so does the time at the beginning of a line.
        escaped = re.sub(r"^\d+\\.\d\\ s\\ ", r"[0-9.]+ s ", re.escape(line).replace("…", ".*?"))
        pattern += escaped
        found = re.search(pattern + r"(?=[ \n])", said, re.MULTILINE)
        if not found:
            return end, line
        end = found.end()
        pattern += r"(?: |\n(?:.*\n)*?)"
    return end, None
