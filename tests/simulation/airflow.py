"""What Airflow does around the product, as far as it matters: rows of task instances, workers, triggerers, people.

The states and their changes are those of Airflow 2.10 to 3.3 (``TaskInstance``, ``clear_task_instances``,
``Trigger.submit_event``, the triggerer's loop), without a database: who asks for a state is told the truth, or nothing
at all in a window of the family ``silent``.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache, partial
from importlib import import_module
from typing import Any
from uuid import UUID

from greenlet import GreenletExit

from airflow_emrs_ext._compat import AirflowFailException, TaskDeferred
from airflow_emrs_ext.job_spec import eks_spark_submit, spark_submit
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import EmrServerlessStartSessionOperator
from airflow_emrs_ext.triggers.recovery import look_after_what_was_left
from tests.simulation import histories
from tests.simulation.driver import (
    ACTOR,
    CALL_PATIENCE,
    NOWHERE,
    Folder,
    Process,
    SimulatedHook,
    Stuck,
    Variables,
    VirtualLoop,
    actor,
)
from tests.simulation.histories import Event, History
from tests.simulation.invariants import Watcher, resource_of
from tests.simulation.service import WALL, Service

# A worker is lost after so many seconds without a heartbeat.
_HEARTBEAT = 90.0
# How often a triggerer sees what it is to run; how long until another has taken over from one that is lost.
_TRIGGERER_LOOP = 1.0
_TAKE_OVER = 30.0
# How long a worker, or a triggerer, that is taken for lost goes on.
_CUT_OFF = 60.0
# When the listener of a triggerer that starts looks after what was left.
_LISTENER = 10.0
_LISTENS_EVERY = 300.0

_LOOP = UUID(int=1)

ENDED = frozenset({"success", "failed"})


@cache
def _template(kind: str) -> Any:
    """An operator, made once: to make one takes longer than most histories."""
    common: dict[str, Any] = {"task_id": "a_task", "execution_role_arn": "a role"}
    if kind == "session":
        return EmrServerlessStartSessionOperator(application_id="00f0application", **common)
    common["show_driver_logs"] = "never"
    if kind == "job_run":
        return EmrServerlessStartJobRunOperator(
            application_id="00f0application", job_driver=spark_submit("s3://b/j.py"), **common
        )
    return EmrContainersStartJobRunOperator(
        virtual_cluster_id="0000cluster",
        release_label="emr-7.9.0-latest",
        job_driver=eks_spark_submit("s3://b/j.py"),
        **common,
    )


def _operator(task: histories.Task) -> Any:
    """The operator of a task, anew in each process, as each parses the DAG anew."""
    template = _template(task.kind)
    operator = object.__new__(type(template))
    ends = "terminate" if task.kind == "session" else "cancel"
    operator.__dict__.update(template.__dict__)
    operator.__dict__.update(
        {
            "retries": task.retries,
            "deferrable": task.mode != "blocking",
            "wait_timeout": task.timeout,
            "reattach": task.reattach,
            f"{ends}_on_kill": task.end_on_kill,
            f"{ends}_on_timeout": task.end_on_timeout,
            "hook": SimulatedHook(),
            "_start": {},
        }
    )
    if task.kind != "session":
        submit_from = "triggerer" if task.mode == "triggerer" else "worker"
        operator.__dict__.update({"wait_for": task.wait_for, "submit_from": submit_from})
    return operator


class RuntimeTaskInstance:
    """What a process knows of its task instance: as it was when the process began."""

    def __init__(self, row: Row, process: Any) -> None:
        self.dag_id, self.run_id, self.task_id, self.map_index = row.key
        for name, value in row.place.items():
            setattr(self, name, value)
        self.try_number, self.max_tries = row.try_number, row.max_tries
        self.start_date = datetime.fromtimestamp(WALL + row.world.loop.now + process.skew, timezone.utc)
        self._row, self._process = row, process
        self.id = row.instance

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        """Kept, unless Airflow has another process for the task by now."""
        if self._row.process is self._process:
            self._row.xcoms[key] = value

    def xcom_pull(self, task_ids: Any = None, key: str = "return_value", **_: Any) -> Any:
        return self._row.xcoms.get(key)


@dataclass
class DagRun:
    """What operators use of a DAG run."""

    start_date: datetime


@dataclass(eq=False)
class Trigger:
    """A row of the triggers; it is gone when no task refers to it."""

    id: int
    row: Row
    path: str
    arguments: str
    method: str
    extra: Mapping[str, Any]
    runs: list[TriggerRun] = field(default_factory=list)


@dataclass(eq=False)
class TriggerRun:
    """A trigger in a triggerer: who calls there."""

    trigger: Trigger
    process: Triggerer
    job: Any = None
    faults: int = 0

    def __post_init__(self) -> None:
        row = self.trigger.row
        self.world, self.task, self.deployment = row.world, row, row.deployment
        self.paces, self.skew = self.process, self.process.skew

    @property
    def told(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.task.trigger is not self.trigger


class Row:
    """A task instance: its row in the database, and what the scheduler does with it."""

    def __init__(self, world: World, deployment: Deployment, task: histories.Task, number: int) -> None:
        self.world, self.deployment, self.parameters, self.number = world, deployment, task, number
        self.key = ("a_dag", "a_run", "a_task", -1)
        index = -1 if not world.is_loop else 1 if task.place == "iteration" else 0
        self.place: dict[str, Any] = {"region_id": _LOOP if world.is_loop else NOWHERE, "region_index": index}
        self.was_unattended = False
        """Whether a person has ended it while nothing ran for it."""
        self.has_resumed = True
        """Whether a worker has gone on with its last deferral, as far as its row tells."""
        self.exists = True
        self.state: str | None = None
        self.try_number, self.max_tries = 0, task.retries
        self._trigger: Trigger | None = None
        self.process: Any = None
        self.xcoms: dict[str, Any] = {}
        self.began = 0.0
        self.error: BaseException | None = None
        self.result: Any = None
        self.ids: dict[str, Any] = {}

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it from others of its deployment."""
        dag_id, run_id, task_id, _ = self.key
        further = {"region_id": str(_LOOP)} if self.world.is_loop else {}
        index = self.place["region_index"]
        return {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": index, **further}

    @property
    def trigger(self) -> Trigger | None:
        """Which trigger it is deferred to."""
        return self._trigger

    @trigger.setter
    def trigger(self, trigger: Trigger | None) -> None:
        if trigger is not self._trigger:
            self._trigger = trigger
            self.deployment.changed()

    @property
    def was_made_again(self) -> bool:
        """Whether there was another DAG run of this name, whose tries have made generations, too."""
        others = [one for one in self.deployment.all if one is not self and not one.exists]
        return any((one.key, one.place) == (self.key, self.place) for one in others)

    @property
    def instance(self) -> str:
        """Its id: another one for each try, and for each DAG run of one name."""
        return f"{self.number}.{self.try_number}"

    @property
    def trigger_id(self) -> int | None:
        """As in the database."""
        return self.trigger.id if self.trigger else None

    # --- the scheduler ------------------------------------------------------------------------------------------------

    def schedule(self, after: float = 0.5) -> None:
        """Begin another try soon."""
        self.state = "queued"
        self._soon(after, "queued", self._begin_try)

    def _soon(self, after: float, state: str, act: Callable[[], None]) -> None:
        """Do something unless the state has changed by then."""
        self.world.loop.call_later(after, lambda: act() if self.state == state and self.exists else None)

    def _begin_try(self) -> None:
        self.try_number += 1
        self.was_unattended = False
        self.xcoms, self.result, self.error = {}, None, None
        self.began = self.world.loop.now
        self.world.watcher.tried(self)
        self._run_in_worker(None, {})

    def _run_in_worker(self, method: str | None, arguments: Mapping[str, Any]) -> None:
        self.state = "running"
        process = Process(
            self.world,
            lambda: self._work(method, arguments),
            deployment=self.deployment,
            task=self,
            skew=self.world.next_skew(),
            folder=self.deployment.folder,
        )
        self.process = process
        process.begin()

    def _work(self, method: str | None, arguments: Mapping[str, Any]) -> None:
        """What a worker does with a try."""
        process = actor()
        operator = process.operator = _operator(self.parameters)
        ti = RuntimeTaskInstance(self, process)
        context = {"ti": ti, "task_instance": ti, "dag_run": DagRun(self.deployment.started(self))}
        try:
            if method is None:
                result = operator.execute(context)
            else:
                result = operator.resume_execution(method, dict(arguments), context)
            done = partial(self._succeed, result)
        except TaskDeferred as deferral:
            done = partial(self._defer, deferral)
        except GreenletExit:
            raise
        except BaseException as error:  # whatever ends a process, signals included
            done = partial(self._fail, error)
        if not process.told and (self.state in ENDED or not self.exists):
            # It has come to its end before it was told that a person has ended its task; Airflow asks nobody then.
            self.was_unattended = True
        if self.process is process and self.exists:
            if self.state == "running":
                done()
            elif self.state == "restarting":
                self._fail(None)

    def _succeed(self, result: Any) -> None:
        self.state, self.process, self.result = "success", None, result
        self.world.watcher.over(self)

    def _fail(self, error: BaseException | None) -> None:
        self.process, self.error = None, error
        is_cleared = self.state == "restarting"
        if is_cleared or (self.try_number <= self.max_tries and not isinstance(error, AirflowFailException)):
            self.state = "up_for_retry"
            self.world.watcher.waits(self, error)
            self._soon(self.parameters.retry_delay, "up_for_retry", self._begin_try)
        else:
            self.state = "failed"
            self.world.watcher.over(self)

    def _defer(self, deferral: TaskDeferred) -> None:
        path, arguments = deferral.trigger.serialize()
        written = self.deployment.written(arguments)
        self.state, self.process, self.has_resumed = "deferred", None, False
        self.trigger = self.deployment.new_trigger(
            self, path, json.dumps(written), deferral.method_name, deferral.kwargs or {}
        )

    def fired(self, trigger: Trigger, payload: Any) -> None:
        """A trigger of its has sent an event, or could not be run."""
        if self.trigger is not trigger or self.state != "deferred" or not self.exists:
            return
        self.trigger, self.state, self.has_resumed = None, "scheduled", True
        if payload is None:
            method, arguments = "__fail__", {"error": "Trigger failure", "traceback": ""}
        else:
            method, arguments = trigger.method, {**trigger.extra, "event": json.loads(json.dumps(payload))}
        self._soon(0.5, "scheduled", lambda: self._run_in_worker(method, arguments))

    # --- people, and what happens to workers --------------------------------------------------------------------------

    def happens(self, what: str) -> None:
        """One of :data:`~tests.simulation.histories.EVENTS`."""
        if not self.exists or self.state is None:
            return
        getattr(self, f"_{what}")()

    def _mark_failed(self, state: str = "failed") -> None:
        if self.state in ENDED:
            return
        self._note_attendance()
        self.world.watcher.acts(self, "mark")
        process, self.state, self.trigger, self.result = self.process, state, None, None
        self.world.watcher.over(self)
        self._tell(process)

    def _note_attendance(self) -> None:
        """Whether anything runs for the task that could know what it leaves."""
        if self.state in ENDED:
            return
        if self.state == "deferred":
            self.was_unattended = self.trigger is None or not self.trigger.runs
        elif self.state in ("running", "restarting"):
            self.was_unattended = not self.process.is_alive or self.process.told
        else:
            self.was_unattended = True

    def _mark_success(self) -> None:
        self._mark_failed("success")

    def _clear(self) -> None:
        self.world.watcher.acts(self, "clear")
        if self.state == "running":
            self.state = "restarting"
            self._tell(self.process)
            # What ends without a word is found by its missing heartbeat.
            self._soon(_HEARTBEAT, "restarting", lambda: self._fail(None))
            return
        process = self.process
        self.max_tries = self.try_number + self.parameters.retries
        self.trigger = self.process = None
        self.has_resumed = True
        if self.state in ENDED:
            self.deployment.restarted(self)
        self.schedule(after=0.5 + 10.0 * self.world.service.roll("clear"))
        self._tell(process)

    def _delete(self) -> None:
        self._note_attendance()
        self.world.watcher.acts(self, "delete")
        process = self.process
        self.exists, self.trigger, self.state = False, None, None
        self.world.watcher.over(self)
        self._tell(process)

    def _remake(self) -> None:
        self._delete()
        self.world.loop.call_later(20.0, lambda: self.world.add(self.parameters, self.deployment))

    def _tell(self, process: Any) -> None:
        """Let the process of a task know that it is not wanted any more: at its next heartbeat."""
        if process is not None and process.is_alive:
            seconds = 5.0 * self.world.service.roll("heartbeat")
            self.world.loop.call_later(seconds, lambda: self._signal(process))

    def _signal(self, process: Any) -> None:
        if process.is_alive and hasattr(process, "operator"):
            process.signal(process.operator.on_kill, self.world.history.grace)

    def _lose_worker(self) -> None:
        if self.state == "running":
            self.process.kill()
            self.world.watcher.lost(self)
            self._soon_failed()

    def _stop_worker(self) -> None:
        if self.state == "running":
            self.process.stopped = True
            self.world.watcher.acts(self, "stop")
            self._signal(self.process)
            self._soon_failed()

    def _cut_off(self) -> None:
        if self.state == "running":
            process = self.process
            self.world.watcher.lost(self)
            self._soon_failed()
            self.world.loop.call_later(_HEARTBEAT + _CUT_OFF, lambda: self._signal(process))

    def _soon_failed(self) -> None:
        """Airflow has no heartbeat of its process."""
        process = self.process

        def fail() -> None:
            if self.process is process and self.exists and self.state in ("running", "restarting"):
                self._fail(None)

        self.world.loop.call_later(_HEARTBEAT, fail)

    def _lose_triggerer(self) -> None:
        self.deployment.triggerers[-1].lose()

    def _stop_triggerer(self) -> None:
        self.deployment.triggerers[-1].stop()

    def _second_triggerer(self) -> None:
        self.deployment.triggerers[-1].hand_over()

    def _upgrade(self) -> None:
        self.deployment.is_newer = True


class Triggerer:
    """A process with an event loop, on which triggers run."""

    def __init__(self, deployment: Deployment, folder: Folder) -> None:
        self.deployment, self.world, self.folder = deployment, deployment.world, folder
        self.number = self.world.count()
        self.world.processes[self.number] = self
        skews = self.world.history.skews
        self.skew = skews[2 % len(skews)]
        self.dead = self.has_left = self.is_stopping = False
        self.runs: dict[int, TriggerRun] = {}
        self.world.loop.call_later(_LISTENER, self._listen)
        deployment.changed()

    def _listen(self) -> None:
        """What the product's listener does when a triggerer has started, in another process of its."""
        if self.dead or self.is_stopping or self.world.over:
            return
        self.deployment.look_after(self.folder, self.skew)
        self.world.loop.call_later(_LISTENS_EVERY, self._listen)

    def look(self) -> None:
        """See which triggers to run, and which not any more."""
        if self.dead or self.is_stopping:
            return
        mine = {} if self.has_left else self.deployment.triggers
        for trigger in mine.values():
            if trigger.id not in self.runs:
                run = self.runs[trigger.id] = TriggerRun(trigger, self)
                trigger.runs.append(run)
                self._start(run)
        for number, run in list(self.runs.items()):
            if run.job.done():
                if number not in mine:
                    del self.runs[number]
            elif number not in mine:
                # It is cancelled until it is gone.
                run.job.cancel("user-action")
                self.deployment.changed()

    @property
    def is_alive(self) -> bool:
        """Whether it goes on."""
        return not self.dead

    def _start(self, run: TriggerRun) -> None:
        token = ACTOR.set(run)
        run.job = self.world.loop.create_task(self._run(run))
        ACTOR.reset(token)

    async def _run(self, run: TriggerRun) -> None:
        trigger, row = run.trigger, run.trigger.row
        payload = None
        try:
            module, _, name = trigger.path.rpartition(".")
            instance = getattr(import_module(module), name)(**json.loads(trigger.arguments))
            instance.task_instance = RuntimeTaskInstance(row, self)
            instance.trigger_id = trigger.id
            async for event in instance.run():
                payload = event.payload
                break
        except Exception as error:  # as the triggerer: a trigger that cannot be run fails its task
            self.world.watcher.trigger_failed(row, error)
        await asyncio.sleep(0.5)
        row.fired(trigger, self.deployment.written(payload) if payload is not None else None)

    def lose(self) -> None:
        """It is killed; another takes over, with the same folder, and its own listener."""
        self.dead = True
        self.deployment.succeed(self, _TAKE_OVER)

    def stop(self) -> None:
        """It is shut down: triggers are cancelled, and not waited for long."""
        self.is_stopping = True
        for run in self.runs.values():
            run.job.cancel("EOF - shutting down")
        self.world.loop.call_later(5.0, lambda: setattr(self, "dead", True))
        self.deployment.succeed(self, 5.0)

    def hand_over(self) -> None:
        """It is taken for lost, goes on for a while, and learns then that it has nothing to run any more."""
        self.deployment.succeed(self, _TAKE_OVER)
        self.world.loop.call_later(_TAKE_OVER + _CUT_OFF, self._leave)

    def _leave(self) -> None:
        self.has_left = True
        self.deployment.changed()


class Deployment:
    """An Airflow: its task instances, and its triggerers."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.all: list[Row] = []
        self.triggers: dict[int, Trigger] = {}
        self.is_newer = False
        self.options: dict[tuple[str, str], Any] = {}
        self._starts: dict[int, float] = {}
        self._will_look = False
        self.variables = Variables(self, is_new=len(world.history.tasks) > 1)
        self.triggerers: list[Triggerer] = []
        self.folder = Folder()
        """The journal of the workers, and of the first triggerer."""
        self.triggerers.append(Triggerer(self, self.folder))

    def changed(self) -> None:
        """Let the triggerers see, in their next round, what they are to run."""
        if not self._will_look:
            self._will_look = True
            self.world.loop.call_later(_TRIGGERER_LOOP, self._look)

    def _look(self) -> None:
        self._will_look = False
        self.triggers = {one.trigger.id: one.trigger for one in self.all if one.exists and one.trigger}
        for triggerer in self.triggerers:
            triggerer.look()

    def answers(self) -> None:
        """See whether this Airflow answers now.

        :raises OSError: it does not
        """
        if self.world.history.windows and self.world.service.window(("silent",), "any"):
            raise OSError("Airflow does not answer")

    def row(self, identity: Mapping[str, Any]) -> Row | None:
        """The one in the database with these ids.

        :raises OSError: Airflow does not answer
        """
        self.answers()
        for row in self.all:
            if row.exists and row.identity == identity:
                return row
        return None

    def started(self, row: Row) -> datetime:
        """When a row's DAG run has started, by the database's clock."""
        seconds = self._starts.setdefault(row.number, self.world.loop.now)
        return datetime.fromtimestamp(WALL + seconds + self.world.history.skews[0], timezone.utc)

    def restarted(self, row: Row) -> None:
        """A DAG run that has ended starts again when a task of it is cleared."""
        self._starts[row.number] = self.world.loop.now

    def new_trigger(self, row: Row, path: str, arguments: str, method: str, extra: Mapping[str, Any]) -> Trigger:
        """A row of the triggers."""
        return Trigger(self.world.count(), row, path, arguments, method, extra)

    def written(self, given: Any) -> Any:
        """What a newer version writes, which an older one reads."""
        if not self.is_newer or not isinstance(given, dict):
            return given
        given = {**given, "a_new_field": 1}
        if isinstance(given.get("wait_policy"), dict):
            given["wait_policy"] = {**given["wait_policy"], "a_new_field": 1.0}
        return given

    def succeed(self, triggerer: Triggerer, after: float) -> None:
        """Another triggerer begins; it has the folder of the one before it, or its own."""
        is_shared = self.world.history.shared_journal
        folder = triggerer.folder if is_shared else Folder()

        def begin() -> None:
            self.triggerers = [*(one for one in self.triggerers if one.is_alive), Triggerer(self, folder)]
            if not is_shared:
                # Its machine is started again, too, and finds what was left there.
                self.world.loop.call_later(60.0, self._look_again, triggerer)

        self.world.loop.call_later(after, begin)

    def _look_again(self, lost: Triggerer) -> None:
        if not self.world.over:
            self.look_after(lost.folder, lost.skew)
            self.world.loop.call_later(_LISTENS_EVERY, self._look_again, lost)

    def look_after(self, folder: Folder, skew: float) -> None:
        """Work off the journal of a folder."""
        if folder.files:
            look = look_after_what_was_left
            Process(self.world, look, deployment=self, task=None, skew=skew, folder=folder).begin()


class World:
    """One history, as it happens."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.chance = random.Random(history.seed)
        self.loop = VirtualLoop()
        self.is_loop = any(one.place == "iteration" for one in history.tasks)
        self.over = False
        self._quiet = 0.0
        self.processes: dict[int, Any] = {}
        self._count = self._tries = 0
        self.watcher = Watcher(self)
        self.service = Service(history, self.loop.time, self.watcher)
        self.deployments: list[Deployment] = []
        self.rows: list[Row] = []

    def count(self) -> int:
        """Another number."""
        self._count += 1
        return self._count

    def is_alive(self, number: int) -> bool:
        """Whether a process goes on."""
        return number in self.processes and bool(self.processes[number].is_alive)

    def next_skew(self) -> float:
        """Of the clock of the next worker."""
        self._tries += 1
        skews = self.history.skews
        return skews[(2 + self._tries) % len(skews)]

    def add(self, task: histories.Task, deployment: Deployment) -> None:
        """A task instance begins."""
        row = Row(self, deployment, task, len(self.rows))
        self.rows.append(row)
        deployment.all.append(row)
        deployment.started(row)
        row.schedule()

    def _begin(self, task: histories.Task) -> None:
        wanted = 2 if task.place == "deployment" else 1
        while len(self.deployments) < wanted:
            self.deployments.append(Deployment(self, "ab"[len(self.deployments)]))
        self.add(task, self.deployments[wanted - 1])

    def _happens(self, event: Event) -> None:
        if event.task < len(self.rows):
            self.rows[event.task].happens(event.what)

    def run(self) -> Watcher:
        """Let it happen."""
        asyncio.events._set_running_loop(None)
        try:
            self.loop.run_until_complete(self._all())
        except Stuck:
            self.watcher.violation("stuck", "nothing is left to happen, and something is waited for")
        finally:
            self.over = True
            self.loop.close()
        return self.watcher

    async def _all(self) -> None:
        history, loop = self.history, self.loop
        for task in history.tasks:
            loop.call_later(task.begins, self._begin, task)
        for event in history.events:
            loop.call_later(event.at, self._happens, event)
        # What goes wrong is over; what has to be repeated, taken over or worked off has been.
        self._quiet = history.quiet
        await self._until(self._quiet + 2 * CALL_PATIENCE + 150.0)
        for deployment in self.deployments:
            deployment.triggerers[-1].lose()
        await self._until(loop.now + _TAKE_OVER + _LISTENER + 120.0)
        self.watcher.no_orphans()
        self.service.release()
        end = loop.now + 4 * max(one.retry_delay for one in history.tasks) + 2000.0
        await self._until(end)
        self.watcher.finish()

    async def _until(self, moment: float) -> None:
        """Wait, but no longer than anything may still happen."""
        while self.loop.now < moment and not self.watcher.violations:
            if self.loop.now > self._quiet and all(row.state in ENDED or not row.exists for row in self.rows):
                moment = min(moment, self.loop.now + 300.0)
            await asyncio.sleep(min(300.0, max(0.01, moment - self.loop.now)))
            if self.service.calls > 20_000 or self.loop.rounds > 200_000:
                self.watcher.violation("busy", "more calls than anybody needs")


@dataclass(frozen=True)
class Outcome:
    """How a task instance has ended.

    :param started: how many resources it has started
    :param result: which of all that were started is its result
    """

    state: str | None
    error: str | None
    started: int
    result: int | None


def outcomes(world: World) -> list[Outcome]:
    """How each task instance of a history has ended."""
    return [
        Outcome(
            row.state,
            type(row.error).__name__ if row.state == "failed" and row.error else None,
            sum(one.task is row for one in world.service.resources),
            resource_of(row.result),
        )
        for row in world.rows
    ]


def happen(history: History) -> Watcher:
    """What becomes of a history; call it within :func:`~tests.simulation.driver.simulated`."""
    return World(history).run()
