"""What drives steps: it makes their calls, waits for them, and hands them the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any, TypeVar, cast

from asgiref.sync import sync_to_async

from airflow_emrs_ext.core.effects import AcquireSlot, Call, Effect, Effects, Fetch, PollState, Sleep
from airflow_emrs_ext.runtime.answer_checks import check
from airflow_emrs_ext.runtime.rate_limiter import RateLimiter
from airflow_emrs_ext.runtime.streams import adrain, fetch

T = TypeVar("T")


async def drive(
    steps: Effects[T], perform: Callable[[Call | Fetch | PollState], Awaitable[Any]], rate_limiter: RateLimiter
) -> T:
    """Drive steps on the event loop; steps that are interrupted are closed.

    :param perform: makes a step other than a pause or a turn, and answers; its errors are for the steps
    :param rate_limiter: says in how many seconds a call may be made
    """
    answer: Any = None
    with closing(steps):
        while True:
            try:
                step = next_step(steps, answer)
            except StopIteration as stop:
                return cast("T", stop.value)
            if isinstance(step, Sleep):
                await asyncio.sleep(step.seconds)
                answer = None
                continue
            if isinstance(step, AcquireSlot):
                answer = rate_limiter.take(step.service, step.operation)
                continue
            try:
                answer = await perform(step)
                rate_limiter.on_answer(answer)
            except Exception as error:
                # Whatever a client raises is for the steps to judge.
                rate_limiter.on_error(step, error)
                answer = error


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


def next_step(steps: Effects[Any], answer: Any) -> Effect:
    """Hand the answer of the last step to the steps, an error by raising it there, and take the next."""
    return steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
