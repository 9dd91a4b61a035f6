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

from airflow_emrs_ext.exceptions import ServiceUnavailable, TargetUnreachable, WaitTimeout
from airflow_emrs_ext.models import ClaimedKind, ResourceKind, Snapshot
from airflow_emrs_ext.refusals import is_passing, refusal
from airflow_emrs_ext.states import State
from airflow_emrs_ext.steps import Call, Glance, Sight, Sleep, Steps, Terms

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 20.0


def patiently(call: Call, terms: Terms) -> Steps[dict[str, Any]]:
    """Make one call, waiting out throttling, server errors and network failures with jitter.

    botocore's own retry modes give up after a few attempts: of 100 tasks that submit at once under StartJobRun's quota
    of one per second they fail 62 to 72. Here only the deadline or ``call_patience`` ends the attempts.

    :raises ServiceUnavailable: the failures outlasted the patience
    :raises WaitTimeout: they lasted until the deadline
    :raises EmrError: the service refused the call (see :func:`~airflow_emrs_ext.refusals.refusal`)
    """
    give_up = terms.patience.before_deadline(terms.clock() + terms.patience.call_patience)
    for failures in count(1):
        try:
            response: dict[str, Any] = yield call
            return response
        except (ClientError, BotoCoreError) as error:
            if not is_passing(error):
                raise refusal(call.operation, call.parameters, error, call.service) from error
            longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10))
            pause = terms.uniform(longest / 4, longest)
            remaining = give_up - terms.clock()
            if remaining <= 0 and give_up == terms.patience.deadline:
                raise WaitTimeout(
                    f"The deadline came while {call.operation} was being repeated, after {failures} attempts: {error}. "
                    "Raise wait_timeout (or execution_timeout), or lower the load.",
                    {"operation": call.operation, **_code(error)},
                ) from error
            if remaining <= 0:
                raise ServiceUnavailable(
                    f"{call.operation} did not succeed in {failures} attempts: {error}. "
                    f"The service was throttling or could not be reached for the patience of "
                    f"{terms.patience.call_patience:.0f} s; raise [emrs_ext] patience or lower the load.",
                    {"operation": call.operation, **_code(error)},
                ) from error
            level = logging.WARNING if failures in (1, 5) or failures % 20 == 0 else logging.DEBUG
            terms.log.log(level, "%s: %s; attempt %d, trying again in %.1f s", call.operation, error, failures, pause)
            yield Sleep(min(pause, remaining))
    raise AssertionError("unreachable: count() does not end")


def _code(error: ClientError | BotoCoreError) -> dict[str, str]:
    return {"code": error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__}


Rest = Callable[[Snapshot, float], Steps[None]]
"""How a wait spends so many seconds between two looks; told what it saw last."""


def sleep(snapshot: Snapshot, seconds: float) -> Steps[None]:
    """Do nothing else meanwhile."""
    yield Sleep(seconds)


def look(kind: ResourceKind[State], ids: Mapping[str, str], terms: Terms) -> Steps[Snapshot]:
    """One observation of a resource."""
    return kind.read(ids, (yield from patiently(kind.describe(ids), terms)))


def glance(kind: ResourceKind[State], ids: Mapping[str, str], terms: Terms) -> Steps[Snapshot]:
    """One observation that knows no more than the state where a listing shows it."""
    assert isinstance(kind, ClaimedKind)
    sight: Sight | None = yield Glance(kind.key, ids, terms.patience.notification_queue)
    if sight is None:
        return (yield from look(kind, ids, terms))
    return Snapshot(kind.parse_state(ids, sight.state), "", None, {**ids, "state": sight.state}, partial=True)


def await_state(
    kind: ResourceKind[State],
    ids: Mapping[str, str],
    targets: Iterable[State],
    terms: Terms,
    rest: Rest = sleep,
    *,
    watches: bool = False,
) -> Steps[Snapshot]:
    """Look at a resource until it is in one of ``targets``.

    :param rest: what else is done while nothing is to be seen
    :param watches: look through listings where they answer for many, and end as soon as another look is worth its call:
        at one of ``targets``, or where none can be reached
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
    observe = glance if watches else look
    while True:
        snapshot = yield from observe(kind, ids, terms)
        if watches and not (snapshot.state.can_reach(targets) and snapshot.state not in targets):
            return snapshot
        if verdict(kind, ids, snapshot, targets):
            progress.reached(snapshot)
            return snapshot
        now = terms.clock()
        if terms.patience.deadline is not None and now >= terms.patience.deadline:
            if snapshot.partial:
                observe = look
                continue
            raise WaitTimeout(
                f"{kind.label(ids)} is still {snapshot.state} at the deadline, after {now - started:.0f} s of waiting "
                f"for {awaited}. Raise wait_timeout (or execution_timeout) if it needs longer.",
                snapshot.facts,
            )
        progress.waiting(snapshot)
        # A listing that answers for many has a pace of its own.
        if not snapshot.partial and not (watches and terms.patience.notification_queue):
            yield from rest(snapshot, pause_before_next_look(now - started, now, terms))


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
