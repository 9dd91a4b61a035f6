"""What drives effects: it makes their calls, waits for them, and hands them the answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing
from typing import Any, TypeVar, cast

from asgiref.sync import sync_to_async

from airflow_emrs_ext.core.effects import AcquireSlot, Call, Effects, Fetch, PollState, Sleep
from airflow_emrs_ext.runtime.answer_checks import check
from airflow_emrs_ext.runtime.rate_limiter import RateLimiter
from airflow_emrs_ext.runtime.streams import adrain, fetch

A = TypeVar("A")
T = TypeVar("T")


async def drive(
    effects: Effects[T],
    perform: Callable[[Call | Fetch | PollState], Awaitable[Any]],
    rate_limiter: RateLimiter,
    *,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    is_final: Callable[[Exception], bool] = lambda error: False,
) -> T:
    """Drive effects; effects that are interrupted are closed.

    :param perform: makes a effect other than a pause or a turn, and answers
    :param rate_limiter: says in how many seconds a call may be made
    :param sleep: waits for some seconds
    :param is_final: whether an error of ``perform`` is raised; the others are for the effects to judge
    """
    answer: Any = None
    with closing(effects):
        while True:
            try:
                effect = effects.throw(answer) if isinstance(answer, Exception) else effects.send(answer)
            except StopIteration as stop:
                return cast("T", stop.value)
            if isinstance(effect, Sleep):
                answer = None
                await sleep(effect.seconds)
                continue
            if isinstance(effect, AcquireSlot):
                answer = rate_limiter.take(effect.service, effect.operation)
                continue
            try:
                answer = await perform(effect)
                rate_limiter.on_answer(answer)
            except Exception as error:
                if is_final(error):
                    raise
                rate_limiter.on_error(effect, error)
                answer = error


def drive_blocking(
    effects: Effects[T],
    perform: Callable[[Call | Fetch | PollState], Any],
    rate_limiter: RateLimiter,
    *,
    is_final: Callable[[Exception], bool],
) -> T:
    """As :func:`drive`, without an event loop: whatever it waits for blocks."""
    driven = drive(effects, _blocking(perform), rate_limiter, sleep=_blocking(time.sleep), is_final=is_final)
    try:
        driven.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    raise AssertionError("what blocks has suspended")


def _blocking(function: Callable[[A], T]) -> Callable[[A], Coroutine[Any, Any, T]]:
    """A coroutine function that has its answer when it is first asked."""

    async def answer(argument: A) -> T:
        return function(argument)

    return answer


async def answer_of(effect: Call | Fetch, client_of: Callable[[str], Awaitable[Any]]) -> Any:
    """What a call or a document of the web answers.

    :param client_of: the asynchronous client of a service
    """
    if isinstance(effect, Fetch):
        return await sync_to_async(fetch, thread_sensitive=False)(effect)
    client = await client_of(effect.service)
    answer = await getattr(client, effect.operation)(**effect.parameters)
    if effect.sink is not None:
        answer["Body"] = await adrain(answer["Body"], effect.sink())
    else:
        check(client, effect.operation, answer)
    return answer
