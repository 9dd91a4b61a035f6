"""What must never happen, whatever else does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_emrs_ext.exceptions import EmrError, RequestConflict
from tests.simulation.driver import Process

# Errors with which a task leaves what runs to its next try, or, after the last, to whoever reads the message.
_LEAVING = frozenset({"ServiceUnavailable", "AccessDenied", "UnreadableAnswer", "DeploymentUnknown"})

# By how many seconds the clocks of Airflow and the service may differ: so long a DAG run that was made again may take
# what the one before it has done for its own.
_CLOCKS_APART = 310.0


@dataclass
class Violation:
    """What has happened all the same."""

    kind: str
    text: str
    at: float


@dataclass
class _Known:
    """What is known of a task instance.

    :param acts: when a person did what, and in which try
    :param lost: whether a process of its is lost that may have started something
    :param named: what the errors of its tries have named
    :param has_left: whether its last one leaves what runs
    :param handed: what a success of its has handed over, to run on without it
    """

    acts: list[tuple[float, str]] = field(default_factory=list)
    cleared: float = -1.0
    lost: bool = False
    tries: list[float] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    has_left: bool = False
    handed: set[int] = field(default_factory=set)


class Watcher:
    """Is told what happens, and says what must not."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.violations: list[Violation] = []
        self._known: dict[Any, _Known] = {}

    def violation(self, kind: str, text: str) -> None:
        """Note one."""
        self.violations.append(Violation(kind, text, self.world.loop.now))

    def of(self, row: Any) -> _Known:
        """What is known of a task instance."""
        if row not in self._known:
            self._known[row] = _Known()
        return self._known[row]

    # --- what happens to tasks ----------------------------------------------------------------------------------------

    def tried(self, row: Any) -> None:
        """Another try begins."""
        self.of(row).tries.append(self.world.loop.now)

    def waits(self, row: Any, error: BaseException | None) -> None:
        """A try has failed, and another will follow."""
        self._foreseen(row, error)

    def acts(self, row: Any, what: str) -> None:
        """A person has ended, cleared or deleted it."""
        known = self.of(row)
        known.acts.append((self.world.loop.now, what))
        if what == "clear" and row.state != "running":
            # Of a running task Airflow does not say that a person has cleared it: it is tried again, as after a loss.
            known.cleared = self.world.loop.now

    def lost(self, row: Any) -> None:
        """A worker of its is lost."""
        self.of(row).lost = True

    def trigger_failed(self, row: Any, error: BaseException) -> None:
        """Airflow fails a task whose trigger cannot be run."""
        self.violation("crash", f"a trigger fails: {type(error).__name__}: {error}")

    def over(self, row: Any) -> None:
        """It has ended, one way or another."""
        known = self.of(row)
        if row.state == "success" and row.result is not None:
            self._own(row)
            known.handed.add(resource_of(row.result) or 0)
        if row.state == "failed" and row.error is not None:
            self._foreseen(row, row.error)
            known.has_left = type(row.error).__name__ in _LEAVING

    def _foreseen(self, row: Any, error: BaseException | None) -> None:
        if isinstance(error, EmrError):
            if isinstance(error, RequestConflict):
                self.violation("conflict", f"the parameters of its tries are the same, and a start is refused: {error}")
            self.of(row).named |= {value for value in error.facts.values() if isinstance(value, str)}
        elif error is not None:
            self.violation("crash", f"a task fails with {type(error).__name__}: {error}")

    def _own(self, row: Any) -> None:
        """A green result is this instance's own."""
        own = resource_of(row.result)
        resource = self.world.service.resources[own]
        now, known = self.world.loop.now, self.of(row)
        if _is_of_one_before(resource.task, row):
            if not row.parameters.end_on_kill:
                return  # What was to be kept when its DAG run was deleted is the next one's.
            began = known.tries[0]
            is_recent = began - resource.created < _CLOCKS_APART
            is_odd = any(one.family == "odd" and began <= one.begins + one.lasts for one in self.world.history.windows)
            if any(self.world.history.skews) or is_recent or is_odd or resource.is_active(began):
                # No clock ends what is active, as far as its state tells; and wrong ones, or minutes, do not tell it
                # from one before it.
                return
        if resource.task is not row:
            self.violation("foreign", f"its result is {own}, which another task instance has started")
        elif (
            not row.was_made_again
            and known.cleared > resource.created
            and row.parameters.end_on_kill
            and row.parameters.reattach
        ):
            self.violation("stale result", f"its result is {own}, from before a person cleared it")
        elif (
            row.parameters.wait_for == "completion"
            and row.parameters.kind != "session"
            and (resource.run.ends == "failure" or resource.is_active(now))
        ):
            self.violation("false green", f"{own} is {resource.state(now)}")

    # --- what happens to what was started -----------------------------------------------------------------------------

    def started(self, resource: Any) -> None:
        """At most one of a task instance is active."""
        now = self.world.loop.now
        for other in self.world.service.resources:
            if other.task is resource.task and other.is_active(now):
                if not resource.task.parameters.reattach and (self._may_be_unlisted(other) or _is_told(resource.by)):
                    continue  # No listing of what is active shows it, and no token leads to it; or it is to be ended.
                text = f"{other.number} is {other.state(now)} and another is started, by {_name(resource.by)}"
                self.violation("two", text)

    def _may_be_unlisted(self, resource: Any) -> bool:
        return resource.run.odd is not None or self._is_left_out(resource)

    def _is_left_out(self, resource: Any) -> bool:
        now = self.world.loop.now
        return any(
            one.family in ("stale", "dropped") and one.begins <= now and resource.created <= one.begins + one.lasts
            for one in self.world.history.windows
        )

    def ended(self, resource: Any, by: Any) -> None:
        """Nothing is ended but for a reason of the law's."""
        row, now = resource.task, self.world.loop.now
        if by.task in resource.askers and by.task is not row:
            return  # Two DAG runs of one name have asked for it with the same token, the deleted one to end it.
        if by.task is not None and by.task is not row and not _is_of_one_before(row, by.task):
            self.violation("another's", f"{resource.number} is ended by another task instance's {_name(by)}")
            return
        known, task = self.of(row), row.parameters
        began = max((one for one in known.tries if one <= resource.created), default=resource.created)
        if any(at >= began and what != "stop" for at, what in known.acts) or _is_told(resource.by) or _is_told(by):
            return
        if task.timeout is not None and known.tries:
            # A deadline is a time by the clock of the worker that has set it.
            slack = max(self.world.history.skews) - min(self.world.history.skews) + 1.0
            if any(now >= began + task.timeout - slack for began in known.tries):
                return
        if not task.reattach and known.tries and known.tries[-1] > resource.created:
            return
        stops = any(at >= resource.created and what == "stop" for at, what in known.acts)
        was_stopped = stops or any(getattr(one, "stopped", False) for one in (resource.by, by))
        if was_stopped and (row.try_number > row.max_tries or not task.reattach):
            return
        self.violation("ended", f"{resource.number} is ended by {_name(by)}: no person, no deadline")

    def over_quota(self, service: str, operation: str) -> None:
        """Calls keep to the quotas."""
        self.violation("quota", f"{service} {operation} is called more often than its quota allows")

    # --- at the end ---------------------------------------------------------------------------------------------------

    def no_orphans(self) -> None:
        """Nothing is active that nobody owns."""
        now = self.world.loop.now
        for resource in self.world.service.resources:
            row = resource.task
            if not resource.is_active(now) or resource.ended is not None:
                continue
            if row.exists and row.state not in ("success", "failed"):
                continue
            if not self._may_be_left(resource, row):
                state = row.state if row.exists else "deleted"
                self.violation("orphan", f"{resource.number} is {resource.state(now)}, and its task is {state}")

    def _may_be_left(self, resource: Any, row: Any) -> bool:
        known, task = self.of(row), row.parameters
        if resource.number in known.handed or known.lost:
            return True
        acts = [what for at, what in known.acts]
        if (acts or task.timeout is not None) and self._is_left_out(resource):
            return True  # It is looked for by its tags, and an incomplete listing is believed.
        if acts and resource.created < row.began and any(one.family == "silent" for one in self.world.history.windows):
            return True  # Of what a killed try has left the next one knew nothing yet when a person ended it, too.
        if known.has_left and (list(resource.ids.values())[-1] in known.named or _is_before(resource, row)):
            return True
        if any(_is_of_one_before(row, other) or _is_of_one_before(other, row) for other in self.world.rows):
            return True  # Which of two DAG runs of one name it is of, the order of tries does not tell.
        if not task.reattach and self._may_be_unlisted(resource):
            return True
        if task.mode == "triggerer" and task.wait_for == "submission":
            return True  # Nobody was going to wait for it: the journal tells nothing of it, lest a success be ended.
        if not row.exists and resource.state(self.world.loop.now) in _targets(task):
            # It was ready, or ran, before anybody looked at a deleted task's journal: somebody may have it.
            return True
        if row.was_unattended:
            # A person has ended it while no code ran that could know: the sweep finds what it has left.
            return True
        if acts and not task.end_on_kill:
            return True
        if task.timeout is not None and not task.end_on_timeout:
            return True
        # Airflow ends the process of a killed task after its grace, whatever it has reached by then.
        return any(
            isinstance(process, Process) and process.task is row and process.told and not process.dead
            for process in self.world.processes.values()
        )

    def finish(self) -> None:
        """Everything comes to an end."""
        for row in self.world.rows:
            if row.exists and row.state not in ("success", "failed"):
                self.violation("waits", f"a task is still {row.state}, try {row.try_number}")


def _targets(task: Any) -> frozenset[str]:
    """States that a task has waited for, and after which it leaves what it has started."""
    if task.kind == "session":
        return frozenset({"IDLE"})
    return frozenset({"RUNNING"} if task.wait_for == "running" else ())


def resource_of(result: Any) -> int | None:
    """The number of the resource that a task's result tells of."""
    own = (result or {}).get("job_run_id") or (result or {}).get("session_id")
    return None if own is None else int(own)


def _is_of_one_before(row: Any, other: Any) -> bool:
    """Whether a task instance was deleted and made again."""
    is_same = row.key == other.key and row.place == other.place and row.deployment is other.deployment
    return is_same and row is not other and not row.exists


def _is_before(resource: Any, row: Any) -> bool:
    """Whether an earlier try has started it, and the last one has not got so far as to ask for a start."""
    asked_for = str(getattr(row.error, "facts", {}).get("operation", ""))
    return bool(resource.created < row.began) and not asked_for.startswith("start")


def _is_told(caller: Any) -> bool:
    """Whether a person has ended what a caller works for."""
    return bool(caller.told) and not getattr(caller, "stopped", False)


def _name(caller: Any) -> str:
    return type(caller).__name__
