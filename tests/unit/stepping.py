"""A driver of steps with scripted answers and a clock that only sleeping moves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from airflow_emrs_ext.core.effects import AcquireSlot, Call, Effects, PollState, RunContext, Sleep, WaitPolicy

T = TypeVar("T")


def client_error(code: str, message: str = "", status: int = 400, operation: str = "GetJobRun") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


@dataclass
class Stepper:
    """Answers calls from a script; an answer that is an exception is raised in the steps.

    :param turns: in how many seconds the turn of each call comes; after the last of them at once
    """

    answers: Iterable[Any]
    now: float = 1000.0
    calls: list[Call] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)

    def run_context(self, **patience: Any) -> RunContext:
        return RunContext(
            wait_policy=WaitPolicy(**patience),
            log=logging.getLogger("stepping"),
            clock=lambda: self.now,
            uniform=lambda low, high: high,
        )

    def run(self, make: Callable[[RunContext], Effects[T]], **patience: Any) -> T:
        steps = make(self.run_context(**patience))
        answers = iter(self.answers)
        answer: Any = None
        while True:
            try:
                step = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
            except StopIteration as stop:
                return stop.value
            if isinstance(step, Sleep):
                self.sleeps.append(step.seconds)
                self.now += step.seconds
                answer = None
            elif isinstance(step, PollState):
                # As in a worker, which has no listings that answer for many.
                answer = None
            elif isinstance(step, AcquireSlot):
                answer = self.turns.pop(0) if self.turns else 0.0
            else:
                self.calls.append(step)
                answer = next(answers)
