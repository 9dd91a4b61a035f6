"""What drives steps: it makes their calls, waits for them, and hands them the answers."""

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
    steps: Effects[T],
    perform: Callable[[Call | Fetch | PollState], Awaitable[Any]],
    rate_limiter: RateLimiter,
    *,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    is_final: Callable[[Exception], bool] = lambda error: False,
) -> T:
    """Drive steps; steps that are interrupted are closed.

    :param perform: makes a step other than a pause or a turn, and answers
    :param rate_limiter: says in how many seconds a call may be made
    :param sleep: waits for some seconds
    :param is_final: whether an error of ``perform`` is raised; the others are for the steps to judge
    """
    answer: Any = None
    with closing(steps):
        while True:
            try:
                step = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
            except StopIteration as stop:
                return cast("T", stop.value)
            if isinstance(step, Sleep):
                answer = None
                await sleep(step.seconds)
                continue
            if isinstance(step, AcquireSlot):
                answer = rate_limiter.take(step.service, step.operation)
                continue
            try:
                answer = await perform(step)
                rate_limiter.on_answer(answer)
            except Exception as error:
                if is_final(error):
                    raise
                rate_limiter.on_error(step, error)
                answer = error


def drive_blocking(
    steps: Effects[T],
    perform: Callable[[Call | Fetch | PollState], Any],
    rate_limiter: RateLimiter,
    *,
    is_final: Callable[[Exception], bool],
) -> T:
    """As :func:`drive`, without an event loop: whatever it waits for blocks."""
    driven = drive(steps, _blocking(perform), rate_limiter, sleep=_blocking(time.sleep), is_final=is_final)
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


async def answer_of(step: Call | Fetch, client_of: Callable[[str], Awaitable[Any]]) -> Any:
    """What a call or a document of the web answers.

    :param client_of: the asynchronous client of a service
    """
    if isinstance(step, Fetch):
        return await sync_to_async(fetch, thread_sensitive=False)(step)
    client = await client_of(step.service)
    answer = await getattr(client, step.operation)(**step.parameters)
    if step.sink is not None:
        answer["Body"] = await adrain(answer["Body"], step.sink())
    else:
        check(client, step.operation, answer)
    return answer
