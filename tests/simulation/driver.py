"""Virtual time, and the product in it: its own drivers of steps, triggers and listings, with clients of the service.

Everything runs in one thread on one event loop, whose clock jumps to whatever comes next. A worker is a greenlet: where
it would sleep or wait for an answer, it hands over to the loop, so that blocking code of the product runs as it is and
can be interrupted there, as by a signal. What a killed process would have done next is never done.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import collections.abc
import gc
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar, copy_context
from functools import cache, cached_property
from heapq import heappop, heappush
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asgiref.sync
from boto3.session import Session
from greenlet import getcurrent, greenlet

from airflow_emrs_ext import _compat
from airflow_emrs_ext.aws import ownership_tags, waiting
from airflow_emrs_ext.core import deployment, formats, service_clock, settings
from airflow_emrs_ext.core.effects import RunContext, WaitPolicy
from airflow_emrs_ext.hooks import base as base_hooks
from airflow_emrs_ext.hooks.base import EmrHook, default_wait_policy
from airflow_emrs_ext.operators._base import ends_with_task, operator
from airflow_emrs_ext.operators._base.operator import EmrOperator
from airflow_emrs_ext.runtime import driver, poll_schedule, shared_driver
from airflow_emrs_ext.runtime.rate_limiter import RateLimiter
from airflow_emrs_ext.shared.quotas import QUOTAS
from airflow_emrs_ext.shared.service_model import extend
from airflow_emrs_ext.triggers import _compat as triggers_compat
from airflow_emrs_ext.triggers import journal_entries, recovery, runner
from airflow_emrs_ext.triggers.workflow import WorkflowTrigger
from tests.simulation.service import WALL, Spoiled

CALL_PATIENCE = 60.0
"""As ``[emrs_ext] patience`` and ``access_patience``, but shorter, so that histories are."""

WAITER_DELAY = 60.0
"""As ``[emrs_ext] waiter_delay``, but longer: a history costs what its looks cost."""

ACTOR: ContextVar[Any] = ContextVar("actor")
"""Who runs on the event loop: a run of a trigger."""


NOWHERE = UUID(int=0)
"""The ``region_id`` of a task instance that is in no loop."""


class Stuck(Exception):
    """Nothing is left to happen, and something is waited for."""


class _Handle:
    """What an event loop is to call."""

    __slots__ = ("is_cancelled", "run", "what")

    def __init__(self, callback: Any, arguments: tuple[Any, ...], context: Any) -> None:
        self.run = (context or copy_context()).run
        self.what = (callback, *arguments)
        self.is_cancelled = False

    def cancel(self) -> None:
        """Do not call it."""
        self.is_cancelled = True


class VirtualLoop(asyncio.base_events.BaseEventLoop):
    """An event loop without I/O: where another would wait, its clock jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.rounds = self._last = 0
        self.set_task_factory(_mortal_task)
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args, context)
        self._last += 1
        heappush(self._scheduled, (when, self._last, handle))
        return handle

    def _run_once(self) -> None:
        """As the base's, without a selector, and without all that is only for debugging."""
        ready, scheduled = self._ready, self._scheduled
        if not ready:
            while scheduled and scheduled[0][2].is_cancelled:
                heappop(scheduled)
            if not scheduled:
                raise Stuck
            self.now = now = max(self.now, scheduled[0][0])
            while scheduled and scheduled[0][0] <= now:
                ready.append(heappop(scheduled)[2])
        self.rounds += 1
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.is_cancelled:
                self._call(handle)

    @staticmethod
    def _call(handle: _Handle) -> None:
        try:
            handle.run(*handle.what)
        except Exception:  # it ends the process that it is of
            return

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, executor: Any, function: Any, *arguments: Any) -> Any:
        future = self.create_future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # whatever a thread would hand back
            future.set_exception(error)
        return future


class _Mortal(collections.abc.Coroutine):  # type: ignore[type-arg]
    """A coroutine of a process: not another step of it is done once that is dead."""

    __slots__ = ("_coroutine", "_process")

    def __init__(self, coroutine: Any, process: Any) -> None:
        self._coroutine, self._process = coroutine, process

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value) if not self._process.dead else _rest()

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error) if not self._process.dead else _rest()

    def close(self) -> None:
        if not self._process.dead:
            self._coroutine.close()

    def __await__(self) -> Any:
        return self


def _rest() -> Any:
    future = asyncio.get_running_loop().create_future()
    future._asyncio_future_blocking = True
    return future


def _mortal_task(loop: Any, coroutine: Any, **how: Any) -> asyncio.Task[Any]:
    actor = ACTOR.get(None)
    return asyncio.Task(coroutine if actor is None else _Mortal(coroutine, actor.process), loop=loop, **how)


class Process(greenlet):
    """A process that blocks, such as a worker's of one try.

    :param skew: of its clock, in seconds
    """

    def __init__(
        self, world: Any, work: Callable[[], None], *, deployment: Any, task: Any, skew: float, folder: Folder
    ) -> None:
        super().__init__(work)
        self.world, self.deployment, self.task, self.skew, self.folder = world, deployment, task, skew, folder
        self.number = world.count()
        self.process = self.paces = self
        self.faults = 0
        self.told = False
        """Whether a signal has told it to end."""
        self._signal: Callable[[], None] | None = None
        self._timer: Any = None
        self._deadly: Any = None
        self._is_dead = False

    def begin(self) -> None:
        """Run until it blocks."""
        self.world.processes[self.number] = self
        self.world.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self._is_dead and not self.world.over:
            self.switch()

    def pause(self, seconds: float) -> None:
        """Block; a signal is handled meanwhile."""
        loop = self.world.loop
        until = loop.now + max(0.0, seconds)
        while True:
            self._timer = loop.call_at(until, self._go_on)
            self.parent.switch()
            if self._signal is not None:
                handle, self._signal = self._signal, None
                handle()
            if loop.now >= until - 1e-6:
                return

    def signal(self, handle: Callable[[], None], grace: float) -> None:
        """Interrupt it; after the grace nothing of it is left."""
        if self.dead or self._is_dead or self.told:
            return
        self.told, self._signal = True, handle
        if self._timer is not None:
            self._timer.cancel()
        self.world.loop.call_soon(self._go_on)
        self.world.loop.call_later(grace, self.kill)

    def kill(self) -> None:
        """End it at once."""
        if not self.dead:
            self._is_dead = True
            if self._timer is not None:
                self._timer.cancel()

    @property
    def is_alive(self) -> bool:
        """Whether it goes on."""
        return not self.dead and not self._is_dead


def actor() -> Any:
    """Who runs now."""
    current = getcurrent()
    return current if isinstance(current, Process) else ACTOR.get()


class _BlockingClient:
    """A client of boto3."""

    def __init__(self, service: str) -> None:
        self._service = service

    @cached_property
    def meta(self) -> Any:
        """A real client's, which has the model of the service."""
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        return extend(Session(region_name="eu-west-1"), self._service).client(self._service, **keys).meta

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def method(**parameters: Any) -> Any:
            caller = actor()
            seconds, answer = caller.world.service.call(caller, self._service, operation, parameters)
            caller.pause(seconds)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return method


class _AsyncClient(_BlockingClient):
    """A client of aiobotocore."""

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        async def method(**parameters: Any) -> Any:
            caller = ACTOR.get()
            seconds, answer = caller.world.service.call(caller, self._service, operation, parameters)
            await asyncio.sleep(seconds)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return method


_CLIENTS = {name: _BlockingClient(name) for name in QUOTAS}
_ASYNC_CLIENTS = {name: _AsyncClient(name) for name in QUOTAS}


class NoLog:
    """A logger that formats nothing."""

    def info(self, message: str, *arguments: Any) -> None: ...

    debug = warning = error = exception = info

    def log(self, level: int, message: str, *arguments: Any) -> None: ...

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        return False


NO_LOG = NoLog()


class SimulatedHook(EmrHook):
    """The product's hook, with clients of the simulated service."""

    log = NO_LOG

    def __init__(self, *args: Any, patience: WaitPolicy | None = None, **kwargs: Any) -> None:
        self.wait_policy = patience or default_wait_policy()
        self._clients = {}
        self._has_connected = True
        self._rate_limiter: RateLimiter | None = None

    @property
    def rate_limiter(self) -> RateLimiter:
        if self._rate_limiter is None:
            paces = actor().paces
            rate_limiter = getattr(paces, "rate_limiter", None)
            if rate_limiter is None:
                rate_limiter = paces.rate_limiter = RateLimiter(QUOTAS, actor().world.loop.time)
            self._rate_limiter = rate_limiter
        return self._rate_limiter

    def _client_of(self, service: str) -> Any:
        return _CLIENTS[service]

    async def open_client(self, service: str) -> Any:
        return _entered(service)


@asynccontextmanager
async def _entered(service: str) -> Any:
    yield _ASYNC_CLIENTS[service]


class Configuration:
    """Airflow's configuration: what a deployment sets, and otherwise what the product falls back to."""

    def get(self, section: str, option: str, fallback: Any = None) -> Any:
        one = actor()
        if option in ("patience", "access_patience"):
            return CALL_PATIENCE
        if option == "waiter_delay":
            return WAITER_DELAY
        return one.deployment.options.get((section, option), fallback)

    getfloat = getboolean = getint = get


# --- what of the outside world the product touches --------------------------------------------------------------------


_real_time, _real_monotonic, _real_sleep = time.time, time.monotonic, time.sleep


def _wall() -> float:
    try:
        one = actor()
    except LookupError:
        return _real_time()  # something of the test itself
    return float(WALL + one.world.loop.now + one.skew)


def _monotonic() -> float:
    try:
        return float(actor().world.loop.now)
    except LookupError:
        return _real_monotonic()


def _uniform(low: float, high: float) -> float:
    return float(actor().world.chance.uniform(low, high))


def _sleep(seconds: float) -> None:
    try:
        one = actor()
    except LookupError:
        _real_sleep(seconds)
        return
    one.pause(seconds)


def _sync_to_async(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
    async def run(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return run


def _shared_driver(parameters: Mapping[str, Any], connect: Callable[..., Any]) -> Any:
    """What triggerers share ends at their processes."""
    return _real_shared_driver({**parameters, "triggerer": ACTOR.get().process.number}, connect)


_real_shared_driver = shared_driver.shared_driver


def _identity_fields() -> Mapping[str, Any]:
    """As Airflow 3.4 tells task instances apart, which has loops."""
    return {"dag_id": None, "run_id": None, "task_id": None, "region_index": -1, "region_id": NOWHERE}


def _row_of(ti: Any) -> Any:
    return actor().deployment.row(ownership_tags.identity_of(ti))


def _state(ti: Any) -> str | None:
    row = _row_of(ti)
    return triggers_compat.GONE if row is None else row.state


def _row_of_task(identity: Mapping[str, Any]) -> Any:
    row = actor().deployment.row(identity)
    return row and triggers_compat.TaskRow(row.state, row.trigger_id, row.try_number, row.has_resumed, row.instance)


def _state_of_task(ti: Any, *, seconds: float) -> str | None:
    """As the product's, which asks in a thread."""
    try:
        return _state(ti)
    except OSError:
        actor().pause(seconds)
        return triggers_compat.UNKNOWN


# --- the journal, in memory -------------------------------------------------------------------------------------------


class Folder:
    """A folder of files in memory, as far as the product uses one."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.is_looked_at = False

    def __truediv__(self, name: str) -> File:
        return File(self, name)

    def glob(self, pattern: str) -> list[File]:
        """All its entries, in the order in which they were written."""
        return [File(self, name) for name in self.files]


class File:
    """A file of a folder."""

    def __init__(self, parent: Folder, name: str) -> None:
        self.parent, self.name = parent, name

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove it."""
        if self.parent.files.pop(self.name, None) is None and not missing_ok:
            raise FileNotFoundError(self.name)


def _read(file: File) -> Any:
    if file.name not in file.parent.files:
        raise FileNotFoundError(file.name)
    return json.loads(file.parent.files[file.name])


def _save(file: File, entry: Mapping[str, Any]) -> None:
    # The one that was written last is the last.
    file.parent.files.pop(file.name, None)
    file.parent.files[file.name] = json.dumps(entry)


def _hand(folder: Folder) -> str:
    return str(actor().process.number)


def _is_in_hand(folder: Folder, name: Any) -> bool:
    """Whether the process lives that an entry names."""
    return name is not None and actor().world.is_alive(int(name))


@contextmanager
def _alone(folder: Folder) -> Iterator[bool]:
    if folder.is_looked_at:
        yield False
        return
    folder.is_looked_at = True
    try:
        yield True
    finally:
        folder.is_looked_at = False


class _Event:
    """An event that nobody sets: to wait for it is to pause."""

    def wait(self, seconds: float) -> bool:
        actor().pause(seconds)
        return False


class Variables:
    """Airflow's Variables, of one deployment; they can only be overwritten, as by the API of Airflow 3.

    :param is_new: whether no task has made its identity yet
    """

    inserts = False

    def __init__(self, owner: Any, *, is_new: bool) -> None:
        self._deployment = owner
        self._kept: dict[str, str] = {} if is_new else {deployment.VARIABLE: owner.name}

    def get(self, key: str) -> str | None:
        """A Variable's value."""
        self._deployment.answers()
        return self._kept.get(key)

    def put(self, key: str, value: str) -> None:
        """Make or overwrite a Variable."""
        self._deployment.answers()
        self._kept[key] = value

    def values(self, begins: str, *, but: str) -> set[str]:
        """What Variables hold whose keys begin so, but for keys that end so."""
        self._deployment.answers()
        return {value for key, value in self._kept.items() if key.startswith(begins) and not key.endswith(but)}


class _KnownByProcess(dict[str, str]):
    """What each process has looked up."""

    def __contains__(self, key: object) -> bool:
        return key in self._own()

    def __getitem__(self, key: str) -> str:
        return self._own()[key]

    def __setitem__(self, key: str, value: str) -> None:
        self._own()[key] = value

    @staticmethod
    def _own() -> dict[str, str]:
        own: dict[str, str] = vars(actor().process).setdefault("known_deployments", {})
        return own


def _pause_before_next_look(waited: float, now: float, ctx: Any) -> float:
    return _real_pause(4 * waited, now, ctx)


_real_pause = waiting.pause_before_next_look


def _check(client: Any, operation: str, answer: Any) -> None:
    """As the product's, where there may be anything to find."""
    if isinstance(answer, Spoiled):
        _real_check(client, operation, answer)


_real_check = base_hooks.check


def _patches() -> Iterator[tuple[Any, str, Any]]:
    yield time, "time", _wall
    yield time, "monotonic", _monotonic
    yield time, "sleep", _sleep
    yield asgiref.sync, "sync_to_async", _sync_to_async
    yield settings, "conf", Configuration()
    yield EmrOperator, "log", NO_LOG
    yield WorkflowTrigger, "log", NO_LOG
    # Links and summaries are not looked at, and would be a tenth of all that is done.
    yield ends_with_task.EndsWithTaskOperator, "show_links", lambda self, context, kind, ids: None
    yield operator, "log_summary", lambda facts, log: None
    yield base_hooks, "check", _check
    yield driver, "check", _check
    # The same decisions with fewer looks.
    yield waiting, "pause_before_next_look", _pause_before_next_look
    yield poll_schedule, "_SHORTEST_PAUSE", 20.0
    yield poll_schedule, "_PART_OF_AGE", 1 / 2
    yield runner, "EmrHook", SimulatedHook
    yield runner, "shared_driver", _shared_driver
    yield ownership_tags, "identity_fields", _identity_fields
    yield _compat, "identity_fields", _identity_fields
    # Histories ask for the same ones again and again.
    yield formats, "signature", cache(formats.signature)
    yield service_clock, "parsedate_to_datetime", cache(service_clock.parsedate_to_datetime)
    yield triggers_compat, "_state_in_3", _state
    yield triggers_compat, "_state_in_2", _state
    # Airflow 2 has no loops; these histories have.
    yield triggers_compat, "_identity_in_2", lambda ti: ownership_tags.identity_of(ti)
    yield triggers_compat, "row_of_task", _row_of_task
    yield recovery, "row_of_task", _row_of_task
    yield deployment, "variables", lambda: actor().deployment.variables
    yield deployment, "InDatabase", lambda: actor().deployment.variables
    yield deployment, "_known", _KnownByProcess()
    yield deployment, "team_of", lambda context: []
    yield recovery, "threading", SimpleNamespace(Event=_Event)
    yield settings, "journal_folder", lambda: actor().process.folder
    for name, stand_in in {
        "read": _read,
        "save": _save,
        "written": lambda file: 0.0,
        "hand": _hand,
        "is_in_hand": _is_in_hand,
        "alone": _alone,
        "tidy": lambda folder, before: None,
    }.items():
        yield journal_entries, name, stand_in
    yield ends_with_task, "state_of_task", _state_of_task


def collect_seldom() -> None:
    """Let the garbage collector look seldom: what Airflow has imported never is garbage, and histories leave little."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 10, 10)


_WITH_DEFAULTS = (RunContext.__init__, deployment._looked_up)


@contextmanager
def simulated() -> Iterator[None]:
    """A time in which the product runs in virtual time."""
    found = [(place, name, value, getattr(place, name)) for place, name, value in _patches()]
    # Defaults of parameters are what they were when the product was imported.
    stand_ins = {time.time: _wall, time.monotonic: _monotonic, time.sleep: _sleep, random.uniform: _uniform}
    instead = {id(real): stand_in for real, stand_in in stand_ins.items()}
    defaults = [one.__defaults__ for one in _WITH_DEFAULTS]
    for one in _WITH_DEFAULTS:
        one.__defaults__ = tuple(instead.get(id(default), default) for default in one.__defaults__ or ())
    logging.disable(logging.CRITICAL)
    for place, name, value, _ in found:
        setattr(place, name, value)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for one, before in zip(_WITH_DEFAULTS, defaults, strict=True):
            one.__defaults__ = before
        for place, name, _, value in found:
            setattr(place, name, value)
