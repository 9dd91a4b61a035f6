"""Patience, written once: calls that survive throttling and waits that end, as generators that do no I/O.

A procedure is a generator that yields what it wants done, a :class:`Call` or a :class:`Sleep`, and is sent the answer
(or thrown the botocore error). A worker drives it with blocking calls, the triggerer with asynchronous ones
(:meth:`~airflow_emrs_ext.hooks.serverless.EmrServerlessHook.run` and ``arun``), so that both modes take the same
decisions, log the same lines and raise the same errors.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_emrs_ext.exceptions import EmrError, ServiceUnavailable, TargetUnreachable, WaitTimeout
from airflow_emrs_ext.models import ClaimedKind, ResourceKind, Snapshot
from airflow_emrs_ext.refusals import is_passing, refusal
from airflow_emrs_ext.states import State
from airflow_emrs_ext.steps import Call, Glance, Sight, Sleep, Steps, Terms, Turn

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 20.0
# A turn that comes sooner is not worth a line.
_LONG_TURN = 5.0


def patiently(call: Call, terms: Terms) -> Steps[dict[str, Any]]:
    """Make one call when its turn comes, waiting out throttling, server errors and network failures with jitter.

    botocore's own retry modes give up after a few attempts: of 100 tasks that submit at once under StartJobRun's quota
    of one per second they fail 62 to 72. Here only the deadline or ``call_patience`` ends the attempts.

    :raises ServiceUnavailable: the failures outlasted the patience
    :raises WaitTimeout: they lasted until the deadline
    :raises EmrError: the service refused the call (see :func:`~airflow_emrs_ext.refusals.refusal`)
    """
    give_up = terms.patience.before_deadline(terms.clock() + terms.patience.call_patience)
    for failures in count(1):
        yield from _turn(call, give_up, terms)
        terms.asks(call)
        try:
            response: dict[str, Any] = yield call
            return response
        except (ClientError, BotoCoreError) as error:
            if not is_passing(error):
                raise refusal(call.operation, call.parameters, error, call.service) from error
            longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10))
            pause = terms.uniform(longest / 4, longest)
            remaining = give_up - terms.clock()
            if remaining <= 0:
                raise _given_up(call, terms, give_up, f"{error} ({failures} attempts)", **_code(error)) from error
            level = logging.WARNING if failures in (1, 5) or failures % 20 == 0 else logging.DEBUG
            terms.log.log(level, "%s: %s; attempt %d, trying again in %.1f s", call.operation, error, failures, pause)
            yield Sleep(min(pause, remaining))
    raise AssertionError("unreachable: count() does not end")


def _turn(call: Call, give_up: float, terms: Terms) -> Steps[None]:
    seconds: float = yield Turn(call.service, call.operation)
    if seconds <= 0:
        return
    if seconds >= _LONG_TURN:
        terms.log.info("%s: its turn under the service's quota comes in %.0f s", call.operation, seconds)
    remaining = max(0.0, give_up - terms.clock())
    yield Sleep(min(seconds, remaining))
    if seconds > remaining:
        raise _given_up(call, terms, give_up, "its turn under the service's quota has not come")


def _given_up(call: Call, terms: Terms, give_up: float, why: str, **facts: str) -> EmrError:
    facts = {"operation": call.operation, **facts}
    if give_up == terms.patience.deadline:
        return WaitTimeout(
            f"The deadline came before {call.operation} did: {why}. "
            "Raise wait_timeout (or execution_timeout), or lower the load.",
            facts,
        )
    return ServiceUnavailable(
        f"{call.operation} did not succeed for the patience of {terms.patience.call_patience:.0f} s: {why}. "
        f"The service was throttling or could not be reached; raise [emrs_ext] patience or lower the load.",
        facts,
    )


def _code(error: ClientError | BotoCoreError) -> dict[str, str]:
    return {"code": error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__}


Rest = Callable[[Snapshot, float], Steps[None]]
"""How a wait spends so many seconds between two looks; told what it saw last."""


def sleep(snapshot: Snapshot, seconds: float) -> Steps[None]:
    """Do nothing else meanwhile."""
    yield Sleep(seconds)


def await_state(
    kind: ResourceKind[State],
    ids: Mapping[str, str],
    targets: Iterable[State],
    terms: Terms,
    rest: Rest = sleep,
) -> Steps[Snapshot]:
    """Look at a resource until it is in one of ``targets``.

    :param rest: what else is done while nothing is to be seen
    :return: the observation that ended the wait
    :raises TargetUnreachable: the resource can no longer reach any of ``targets`` (or the kind's own error: see
        :meth:`~airflow_emrs_ext.models.ResourceKind.ended`)
    :raises WaitTimeout: the deadline passed
    :raises ServiceUnavailable: the service could not be reached for the whole patience
    """
    targets = frozenset(targets)
    awaited = _either(targets)
    progress = _Progress(kind.label(ids), awaited, terms)
    started = terms.clock()
    while True:
        snapshot = yield from look(kind, ids, terms)
        if verdict(kind, ids, snapshot, targets):
            progress.reached(snapshot)
            return snapshot
        now = terms.clock()
        _check_deadline(kind, ids, snapshot, awaited, started, terms)
        progress.waiting(snapshot)
        yield from rest(snapshot, pause_before_next_look(now - started, now, terms))


def await_news(kind: ClaimedKind[State], ids: Mapping[str, str], targets: Iterable[State], terms: Terms) -> Steps[None]:
    """Wait until a look at a resource is worth its calls: it is in one of ``targets``, or can reach none any more.

    It is seen in listings that answer for many wherever there are any.

    :raises WaitTimeout: the deadline passed
    :raises ServiceUnavailable: the service could not be reached for the whole patience
    """
    targets = frozenset(targets)
    awaited = _either(targets)
    progress = _Progress(kind.label(ids), awaited, terms)
    started = terms.clock()
    state: State | None = None
    attempt: int | None = None
    created_at: str | None = None
    while True:
        within = terms.patience.before_deadline(terms.clock() + terms.patience.progress_interval) - terms.clock()
        sight: Sight | None = yield Glance(kind.key, ids, state, created_at, terms.patience.waiter_delay, within)
        is_late = terms.patience.deadline is not None and terms.clock() >= terms.patience.deadline
        if sight is None or is_late:
            snapshot = yield from look(kind, ids, terms)
            attempt, created_at = snapshot.attempt, snapshot.facts["created_at"]
        elif sight.state is None:
            return
        else:
            snapshot = Snapshot(kind.parse_state(ids, sight.state), "", attempt, {**ids, "state": sight.state})
        state = snapshot.state
        if state in targets or not state.can_reach(targets):
            return
        if is_late:
            _check_deadline(kind, ids, snapshot, awaited, started, terms)
        progress.waiting(snapshot)


def _check_deadline(
    kind: ResourceKind[State], ids: Mapping[str, str], snapshot: Snapshot, awaited: str, started: float, terms: Terms
) -> None:
    now = terms.clock()
    if terms.patience.deadline is not None and now >= terms.patience.deadline:
        raise WaitTimeout(
            f"{kind.label(ids)} is still {snapshot.state} at the deadline, after {now - started:.0f} s of waiting "
            f"for {awaited}. Raise wait_timeout (or execution_timeout) if it needs longer.",
            snapshot.facts,
        )


def look(kind: ResourceKind[State], ids: Mapping[str, str], terms: Terms) -> Steps[Snapshot]:
    """One observation of a resource."""
    return kind.read(ids, (yield from patiently(kind.describe(ids), terms)))


def verdict(kind: ResourceKind[State], ids: Mapping[str, str], snapshot: Snapshot, targets: Iterable[State]) -> bool:
    """The one decision about an observation: ``True`` when it is one of the targets, ``False`` when it may become one.

    :raises TargetUnreachable: it can no longer become one (or the kind's own error: see
        :meth:`~airflow_emrs_ext.models.ResourceKind.ended`)
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


def pause_before_next_look(waited: float, now: float, terms: Terms) -> float:
    """How long until the next look: a fifth of the time waited so far, at least 1 s, at most ``waiter_delay``.

    Short runs are noticed early, long ones cost few calls; a tenth of jitter keeps tasks that started together apart.
    """
    pause = min(max(1.0, waited / 5), terms.patience.waiter_delay) * terms.uniform(0.9, 1.1)
    return max(0.0, terms.patience.before_deadline(now + pause) - now)


def _either(states: Iterable[State]) -> str:
    return " or ".join(sorted(states))


def _because(snapshot: Snapshot) -> str:
    return f" ({snapshot.state_details})" if snapshot.state_details else ""


class _Progress:
    """Log lines of a wait: every change of state or attempt, and a sign of life each ``progress_interval``."""

    def __init__(self, label: str, awaited: str, terms: Terms) -> None:
        self._label, self._awaited, self._terms = label, awaited, terms
        self._started = terms.clock()
        self._last_line = 0.0
        self._last_seen: tuple[State, int | None] | None = None

    def waiting(self, snapshot: Snapshot) -> None:
        seen = (snapshot.state, snapshot.attempt)
        now = self._terms.clock()
        if seen != self._last_seen or now - self._last_line >= self._terms.patience.progress_interval:
            self._last_seen, self._last_line = seen, now
            deadline = self._terms.patience.deadline
            left = "" if deadline is None else f", {max(0.0, deadline - now):.0f} s left"
            self._line(snapshot, f"waiting for {self._awaited}{left}")

    def reached(self, snapshot: Snapshot) -> None:
        self._line(snapshot, "as awaited")

    def _line(self, snapshot: Snapshot, remark: str) -> None:
        attempt = "" if snapshot.attempt is None else f", attempt {snapshot.attempt}"
        elapsed = self._terms.clock() - self._started
        self._terms.log.info("%s is %s%s after %.0f s; %s", self._label, snapshot.state, attempt, elapsed, remark)
