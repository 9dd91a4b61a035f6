"""Waits for a state, that end: by the state, by one from which it cannot be reached any more, or by the deadline.

They are generators that do no I/O: a worker drives them with blocking calls, the triggerer with asynchronous ones
(:mod:`airflow_emrs_ext.runtime.driver`), so that both modes take the same decisions, log the same lines and raise the
same errors. How soon a poller that many share looks is in :mod:`airflow_emrs_ext.runtime.poll_schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Effects, Observation, PollState, RunContext, Sleep
from airflow_emrs_ext.exceptions import TargetUnreachable, WaitTimeout
from airflow_emrs_ext.resources import ResourceKind, Snapshot
from airflow_emrs_ext.shared.states import State

Rest = Callable[[Snapshot, float], Effects[None]]
"""How a wait spends so many seconds between two looks; told what it saw last."""


def sleep(snapshot: Snapshot, seconds: float) -> Effects[None]:
    """Do nothing else meanwhile."""
    yield Sleep(seconds)


def await_state(
    kind: ResourceKind[State],
    ids: Mapping[str, str],
    targets: Iterable[State],
    ctx: RunContext,
    rest: Rest = sleep,
) -> Effects[Snapshot]:
    """Look at a resource until it is in one of ``targets``.

    :param rest: what else is done while nothing is to be seen
    :return: the observation that ended the wait
    :raises TargetUnreachable: the resource can no longer reach any of ``targets`` (or the kind's own error: see
        :meth:`~airflow_emrs_ext.resources.ResourceKind.ended`)
    :raises WaitTimeout: the deadline passed
    :raises ServiceUnavailable: the service could not be reached for the whole patience
    """
    targets = frozenset(targets)
    awaited = _either(targets)
    progress = _Progress(kind.label(ids), awaited, ctx)
    started = ctx.clock()
    while True:
        snapshot = yield from look(kind, ids, ctx)
        if verdict(kind, ids, snapshot, targets):
            progress.reached(snapshot)
            return snapshot
        now = ctx.clock()
        _check_deadline(kind, ids, snapshot, awaited, started, ctx)
        progress.waiting(snapshot)
        yield from rest(snapshot, pause_before_next_look(now - started, now, ctx))


def await_news(
    kind: ResourceKind[State], ids: Mapping[str, str], targets: Iterable[State], ctx: RunContext
) -> Effects[None]:
    """Wait until a look at a resource is worth its calls: it is in one of ``targets``, or can reach none any more.

    It is seen in listings that answer for many wherever there are any.

    :raises WaitTimeout: the deadline passed
    :raises ServiceUnavailable: the service could not be reached for the whole patience
    """
    targets, wait_policy = frozenset(targets), ctx.wait_policy
    awaited = _either(targets)
    progress = _Progress(kind.label(ids), awaited, ctx)
    started = ctx.clock()
    state: State | None = None
    attempt: int | None = None
    created_at: str | None = None
    while True:
        within = wait_policy.before_deadline(ctx.clock() + wait_policy.progress_interval) - ctx.clock()
        observation: Observation | None = yield PollState(
            kind.key, ids, state, created_at, wait_policy.waiter_delay, within, wait_policy.notification_queue
        )
        is_late = wait_policy.deadline is not None and ctx.clock() >= wait_policy.deadline
        if observation is None or is_late:
            snapshot = yield from look(kind, ids, ctx)
            attempt, created_at = snapshot.attempt, snapshot.facts["created_at"]
        elif observation.state is None:
            return
        else:
            snapshot = Snapshot(kind.states.parse(observation.state), "", attempt, {**ids, "state": observation.state})
        state = snapshot.state
        if state in targets or not state.can_reach(targets):
            return
        if is_late:
            _check_deadline(kind, ids, snapshot, awaited, started, ctx)
        progress.waiting(snapshot)


def _check_deadline(
    kind: ResourceKind[State], ids: Mapping[str, str], snapshot: Snapshot, awaited: str, started: float, ctx: RunContext
) -> None:
    now = ctx.clock()
    if ctx.wait_policy.deadline is not None and now >= ctx.wait_policy.deadline:
        raise WaitTimeout(
            f"{kind.label(ids)} is still {snapshot.state} at the deadline, after {now - started:.0f} s of waiting "
            f"for {awaited}. Raise {ctx.wait_policy.limit} if it needs longer.",
            snapshot.facts,
        )


def look(kind: ResourceKind[State], ids: Mapping[str, str], ctx: RunContext) -> Effects[Snapshot]:
    """One observation of a resource."""
    return (yield from patiently(kind.describe(ids), ctx, partial(kind.observe, ids)))


def verdict(kind: ResourceKind[State], ids: Mapping[str, str], snapshot: Snapshot, targets: Iterable[State]) -> bool:
    """The one decision about an observation: ``True`` when it is one of the targets, ``False`` when it may become one.

    :raises TargetUnreachable: it can no longer become one (or the kind's own error: see
        :meth:`~airflow_emrs_ext.resources.ResourceKind.ended`)
    """
    targets = frozenset(targets)
    if snapshot.state in targets:
        return True
    if snapshot.state.can_reach(targets):
        return False
    raise kind.ended(ids, snapshot) or TargetUnreachable(
        f"{kind.label(ids)} is {snapshot.state} and can no longer reach {_either(targets)}{_because(snapshot)}. "
        f"Wait for {snapshot.state} too if that is fine (a sensor's target_states).",
        snapshot.facts,
    )


def pause_before_next_look(waited: float, now: float, ctx: RunContext) -> float:
    """How long until the next look: a fifth of the time waited so far, at least 1 s, at most ``waiter_delay``.

    Short runs are noticed early, long ones cost few calls; a tenth of jitter keeps tasks that started together apart.
    """
    pause = min(max(1.0, waited / 5), ctx.wait_policy.waiter_delay) * ctx.uniform(0.9, 1.1)
    return max(0.0, ctx.wait_policy.before_deadline(now + pause) - now)


def _either(states: Iterable[State]) -> str:
    return " or ".join(sorted(states))


def _because(snapshot: Snapshot) -> str:
    return f" ({snapshot.state_details})" if snapshot.state_details else ""


class _Progress:
    """Log lines of a wait: every change of state, attempt or details, and a sign of life each ``progress_interval``.

    A state that is not known is a warning, once.
    """

    def __init__(self, label: str, awaited: str, ctx: RunContext) -> None:
        self._label, self._awaited, self._run_context = label, awaited, ctx
        self._started = ctx.clock()
        self._last_line = 0.0
        self._last_seen: tuple[State, int | None, str | None] | None = None
        self._unknown: set[State] = set()

    def waiting(self, snapshot: Snapshot) -> None:
        if not snapshot.state.is_known and snapshot.state not in self._unknown:
            self._unknown.add(snapshot.state)
            self._run_context.log.warning(
                "%s is %s, a state that this version of airflow-emrs-ext does not know: it counts as active, and the "
                "wait goes on. Upgrade the package.",
                self._label,
                snapshot.state,
            )
        seen = (snapshot.state, snapshot.attempt, snapshot.state_details)
        now = self._run_context.clock()
        if seen != self._last_seen or now - self._last_line >= self._run_context.wait_policy.progress_interval:
            self._last_seen, self._last_line = seen, now
            deadline = self._run_context.wait_policy.deadline
            left = "" if deadline is None else f", {max(0.0, deadline - now):.0f} s left"
            self._line(snapshot, f"waiting for {self._awaited}{left}{_because(snapshot)}")

    def reached(self, snapshot: Snapshot) -> None:
        self._line(snapshot, "as awaited")

    def _line(self, snapshot: Snapshot, remark: str) -> None:
        attempt = "" if snapshot.attempt is None else f", attempt {snapshot.attempt}"
        elapsed = self._run_context.clock() - self._started
        self._run_context.log.info("%s is %s%s after %.0f s; %s", self._label, snapshot.state, attempt, elapsed, remark)
