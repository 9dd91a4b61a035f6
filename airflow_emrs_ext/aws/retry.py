"""Calls that survive throttling: made when their turn comes, and again for as long as it makes sense.

A workflow yields what it wants done, a :class:`~airflow_emrs_ext.core.effects.Call` or a
:class:`~airflow_emrs_ext.core.effects.Sleep`, and is sent the answer, or thrown the error of botocore.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, overload

from airflow_emrs_ext.core.effects import AcquireSlot, Call, Effects, RunContext, Sleep
from airflow_emrs_ext.exceptions import EmrError, ServiceUnavailable, WaitTimeout
from airflow_emrs_ext.resources import APIS
from airflow_emrs_ext.resources.api_errors import (
    Meaning,
    UnreadableAnswer,
    code_of,
    ids_in,
    is_without_effect,
    may_have_had_effect,
    meaning_of,
    naming,
    refusal,
)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 20.0
# A turn that comes sooner is not worth a line.
_LONG_TURN = 5.0

R = TypeVar("R")

Settle: TypeAlias = Callable[[Exception], Effects[R | None]]
"""What is done after an attempt that may have had its effect although it failed: effects to what it has made; ``None``:
it certainly has made nothing."""


@overload
def patiently(call: Call, ctx: RunContext) -> Effects[dict[str, Any]]: ...


@overload
def patiently(
    call: Call, ctx: RunContext, read: Callable[[dict[str, Any]], R], settle: Settle[R] | None = None
) -> Effects[R]: ...


def patiently(
    call: Call, ctx: RunContext, read: Callable[[dict[str, Any]], Any] = dict, settle: Settle[Any] | None = None
) -> Effects[Any]:
    """Make one call when its turn comes, and again until it is answered, with jitter.

    botocore's own retry modes give up after a few attempts: of 100 tasks that submit at once under StartJobRun's quota
    of one per second they fail 62 to 72. Here time ends the attempts: ``call_patience`` for throttling, server errors,
    network failures and answers that cannot be read, ``access_patience`` for refused access, and the deadline. A start
    whose client token the service may have seen is repeated until it is known what it has led to.

    :param read: takes of the answer what is wanted; a :class:`KeyError`, :class:`TypeError`, :class:`ValueError` or
        :class:`AttributeError` of it says that the answer cannot be read
    :param settle: for a call that must not be made twice and takes no client token: after an attempt that may have had
        its effect, another is made only if this says that it had none
    :raises ServiceUnavailable: the failures outlasted the patience
    :raises AccessDenied: access was refused for longer than the patience
    :raises WaitTimeout: they lasted until the deadline
    :raises EmrError: the service refused the call (see :func:`~airflow_emrs_ext.resources.api_errors.refusal`)
    """
    attempts = Attempts(call, ctx)
    while True:
        yield from _turn(call, attempts, ctx)
        ctx.asks(call)
        try:
            response: dict[str, Any] = yield call
        except EmrError:
            raise  # the package's own: no call was made
        except Exception as error:
            # Whatever a client raises: none of it says anything of what runs.
            failure: Exception = error
        else:
            try:
                ctx.service.note(response, ctx.clock())
                return read(response)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                failure = UnreadableAnswer(f"the answer cannot be read: {type(error).__name__}: {error}")
        if settle is not None and not is_without_effect(failure, call.service):
            made = yield from settle(failure)
            if made is not None:
                return made
        yield Sleep(attempts.pause_after(failure))


def _turn(call: Call, attempts: Attempts, ctx: RunContext) -> Effects[None]:
    seconds: float = yield AcquireSlot(call.service, call.operation)
    if seconds <= 0:
        return
    if seconds >= _LONG_TURN:
        ctx.log.info("%s: its turn under the service's quota comes in %.0f s", call.operation, seconds)
    until = attempts.until
    remaining = max(0.0, until - ctx.clock())
    yield Sleep(min(seconds, remaining))
    if seconds > remaining:
        why = "its turn under the service's quota has not come"
        raise attempts.too_late(why) if until == ctx.wait_policy.deadline else attempts.unavailable(why)


def token_member(service: str) -> str | None:
    """The member of a service's requests that makes their repetition harmless; of other services none is known."""
    api = APIS.get(service)
    return None if api is None else api.member(api.token)


class Attempts:
    """The attempts at one call: for how long it is repeated, and how."""

    def __init__(self, call: Call, ctx: RunContext) -> None:
        self._call, self._run_context = call, ctx
        self._began = ctx.clock()
        self._denied_since: float | None = None
        self._failures = 0
        # Only a start has a client token, which makes its repetition harmless.
        self._may_settle = ctx.settles_starts and token_member(call.service) in call.parameters
        self._is_unsettled = False

    @property
    def until(self) -> float:
        """When the next attempt comes too late."""
        wait_policy = self._run_context.wait_policy
        if self._is_unsettled:
            end = math.inf
        elif self._denied_since is not None:
            end = self._denied_since + wait_policy.access_patience
        else:
            end = self._began + wait_policy.call_patience
        return wait_policy.before_deadline(end)

    def pause_after(self, failure: Exception) -> float:
        """How long to wait before the next attempt.

        :raises EmrError: there is none
        """
        call, ctx = self._call, self._run_context
        meaning = meaning_of(failure, call.service)
        if meaning is Meaning.REFUSED:
            raise refusal(call.operation, call.parameters, failure, call.service) from failure
        self._failures += 1
        self._is_unsettled = self._is_unsettled or (self._may_settle and may_have_had_effect(failure, call.service))
        is_new = meaning is Meaning.ACCESS and self._denied_since is None
        if meaning is not Meaning.ACCESS:
            self._denied_since = None
        elif is_new:
            self._denied_since = ctx.clock()
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        pause = ctx.uniform(longest / 4, longest)
        remaining = self.until - ctx.clock()
        if remaining <= 0:
            raise self._given_up(failure) from failure
        level = logging.WARNING if is_new or self._failures in (1, 5) or self._failures % 20 == 0 else logging.DEBUG
        said = f"{call.operation}: {failure}"
        if is_new:
            said = str(refusal(call.operation, call.parameters, failure, call.service))
        ctx.log.log(level, "%s; attempt %d, trying again in %.1f s", said, self._failures, pause)
        return min(pause, remaining)

    def _given_up(self, failure: Exception) -> EmrError:
        call, wait_policy = self._call, self._run_context.wait_policy
        if self.until == wait_policy.deadline:
            return self.too_late(f"{failure} ({self._failures} attempts)", code=code_of(failure))
        about = naming(ids_in(call.operation, call.parameters))
        left = f"What runs is left as it is{about}; the next try goes on with it."
        if self._denied_since is not None:
            error = refusal(call.operation, call.parameters, failure, call.service)
            error.restate(
                f"{error.message} Access was refused for {wait_policy.access_patience:.0f} s ([emrs_ext] "
                f"access_patience). {left}",
                error.facts,
            )
            return error
        return self.unavailable(f"{failure} ({self._failures} attempts)", f" {left}", code=code_of(failure))

    def too_late(self, why: str, **facts: str) -> WaitTimeout:
        """The error of a deadline."""
        return WaitTimeout(
            f"The deadline came before {self._call.operation} did: {why}. "
            f"Raise {self._run_context.wait_policy.limit}, or lower the load.",
            self._facts(facts),
        )

    def unavailable(self, why: str, left: str = "", **facts: str) -> ServiceUnavailable:
        """The error of a patience that has ended."""
        seconds = self._run_context.wait_policy.call_patience
        return ServiceUnavailable(
            f"{self._call.operation} did not succeed for the patience of {seconds:.0f} s: {why}. The service was "
            "throttling, could not be reached or gave answers that cannot be read; raise [emrs_ext] patience or lower "
            f"the load.{left}",
            self._facts(facts),
        )

    def _facts(self, facts: dict[str, str]) -> dict[str, str]:
        call = self._call
        return {"operation": call.operation, **ids_in(call.operation, call.parameters), **facts}
