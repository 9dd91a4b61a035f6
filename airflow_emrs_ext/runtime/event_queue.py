"""Waits that a message ends: the events of changes of state, received from an SQS queue for all that wait."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from botocore.exceptions import ClientError

from airflow_emrs_ext.core.effects import Call, Effects, Observation, PollState
from airflow_emrs_ext.notifications import read_notification

log: logging.Logger = logging.getLogger(__name__)

Run = Callable[[Effects[dict[str, Any]]], Awaitable[dict[str, Any]]]
Ask = Callable[[PollState], Awaitable[Observation | None]]
Tell = Callable[[str, Mapping[str, str], str], bool]

# What SQS allows: how long one call waits for a message, in seconds, and how many messages it brings.
_WAIT_SECONDS = 20
_MOST_MESSAGES = 10
# How many receive at the same time when messages pour in.
_MOST_RECEIVERS = 4
# How long what is received is kept from other triggerers, in seconds: also if this one ends before it has read it.
_READ_SECONDS = 5
# For how long nobody gets a message that nobody here wanted, after each time that it was received, in seconds; in the
# end nobody can be expected to want it any more, nor after so many seconds.
_AWAY_SECONDS = (0, 0, 1, 1, 2, 4, 8, 15, 30, 30, 30)
_OLD_SECONDS = 600.0
# The pause between two receptions, unless more messages are there: what comes meanwhile is received together, and other
# triggerers have the first chance to receive what was given back.
_GATHER_SECONDS = 0.2
# Between two attempts to read a queue that cannot be read, in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Notifications:
    """What is received from one queue for all that wait on one event loop with one connection.

    A message only says when to look; what there is to see the task asks the service itself. So nothing is lost by a
    message that never comes, that is old, or that comes twice: it is a look sooner or later. What is done with one:

    - Somebody here waits for its resource: they are told, in whatever state it is, and it is deleted.
    - Nobody here does. Another triggerer may, for any state (a sensor may wait for RUNNING), and so may a task whose
      deferral is still being stored. So the message goes back to the queue, at once the first times, then for longer
      and longer, and is deleted after a dozen receptions, which take two minutes. By then whoever wants it has had it,
      and whoever has begun to wait since has looked: a wait begins with a look.
    - Nobody here does, and it is old, because nobody received for a time: it is deleted.

    What is no event of a change of state is nobody's, and goes the same way.

    It receives as long as somebody waits, with as many calls at a time as messages pour in.

    :param queue: URL of the queue
    :param run: makes the calls
    :param tell: answers who waits for a resource, and says whether anybody does
    :param changed: called when the queue can be read, and when it cannot any more
    """

    def __init__(self, queue: str, run: Run, tell: Tell, changed: Callable[[], None]) -> None:
        self._queue = queue
        self._run = run
        self._tell = tell
        self._changed = changed
        self._waiting = 0
        self._receivers: set[asyncio.Task[None]] = set()
        self._trouble: str | None = ""
        self._said: set[str] = set()

    async def poll_state(self, effect: PollState, ask: Ask) -> Observation | None:
        """What is to be seen, looked for rarely for as long as the queue can be read.

        :param ask: looks, or is told
        """
        self._waiting += 1
        if not self._receivers:
            self._receive_more()
        try:
            return await ask(replace(effect, notified=self._is_read))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Receive no more."""
        for receiver in self._receivers:
            receiver.cancel()

    def _receive_more(self) -> None:
        receiver = asyncio.create_task(self._receive())
        self._receivers.add(receiver)

    async def _receive(self) -> None:
        """Receive as long as somebody waits."""
        try:
            await self._receive_in_turn()
        finally:
            # At once, so that who begins to wait now finds that nobody receives.
            self._receivers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _receive_in_turn(self) -> None:
        """Receive, as the only one unless messages pour in."""
        pause = _FIRST_PAUSE
        while self._waiting:
            try:
                messages = await self._messages()
                is_full = len(messages) == _MOST_MESSAGES
                if is_full and len(self._receivers) < _MOST_RECEIVERS:
                    self._receive_more()
                await self._settle(messages)
                self._note(None)
                pause = _FIRST_PAUSE
                if not is_full:
                    await asyncio.sleep(_GATHER_SECONDS)
            except Exception as error:
                # No queue, no permission, no network: the looks are what there is then, and no task fails.
                self._note(error)
                is_full = False
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)
            if not is_full and len(self._receivers) > 1:
                return

    async def _messages(self) -> list[dict[str, Any]]:
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=_MOST_MESSAGES,
            # Whether it can be read is to be known at once.
            WaitTimeSeconds=_WAIT_SECONDS if self._is_read() else 0,
            VisibilityTimeout=_READ_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    async def _settle(self, messages: list[dict[str, Any]]) -> None:
        """Tell what they say, then delete them or give them back."""
        done: list[dict[str, Any]] = []
        back: list[dict[str, Any]] = []
        for number, message in enumerate(messages):
            entry = {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            told = read_notification(message["Body"])
            away = _seconds_away(message["Attributes"])
            if (told is not None and self._tell(*told)) or away is None:
                done.append(entry)
            else:
                back.append({**entry, "VisibilityTimeout": away})
        for operation, entries in (("delete_message_batch", done), ("change_message_visibility_batch", back)):
            if entries:
                await self._return(operation, entries)

    async def _return(self, operation: str, entries: list[dict[str, Any]]) -> None:
        try:
            await self._call(operation, Entries=entries)
        except Exception as error:
            # What is not deleted, or given back, comes back by itself: a nuisance, and no reason to rely on looks.
            if (said := f"{operation} {_reason(error)}") not in self._said:
                self._said.add(said)
                log.warning("Messages of queue %s stay on it: %s", self._queue, error)

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return await self._run(_ask(Call(operation, {"QueueUrl": self._queue, **parameters}, service="sqs")))

    def _note(self, error: Exception | None) -> None:
        """Say how it stands with the queue, once per change, and let those who wait look accordingly."""
        trouble = None if error is None else _reason(error)
        if trouble == self._trouble:
            return
        if error is not None:
            log.warning("Queue %s cannot be read, and waits look as often as without it: %s", self._queue, error)
        elif self._trouble:
            log.info("Queue %s can be read again", self._queue)
        self._trouble = trouble
        self._changed()

    def _is_read(self) -> bool:
        return self._trouble is None


def _ask(call: Call) -> Effects[dict[str, Any]]:
    answer: dict[str, Any] = yield call
    return answer


def _seconds_away(attributes: Mapping[str, str]) -> int | None:
    """For how long to give a message back; ``None``: nobody wants it."""
    receptions = int(attributes["ApproximateReceiveCount"])
    is_old = time.time() - int(attributes["SentTimestamp"]) / 1000 > _OLD_SECONDS
    return None if is_old or receptions > len(_AWAY_SECONDS) else _AWAY_SECONDS[receptions - 1]


def _reason(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
