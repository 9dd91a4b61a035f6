"""Which of what a task has started counts today."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_emrs_ext.shared.states import State

# How far the clocks of Airflow and of the service may be apart, in seconds. A worker's clock counts for nothing.
_APART_SECONDS = 300.0

# How far clocks that are right may be apart.
_RIGHT_SECONDS = 10.0


@dataclass(frozen=True)
class ClearEpoch:
    """Which of what a task has started is of today: what is from before a person cleared it is not.

    The order of tries decides wherever it can. Only a DAG run that was deleted and made again with the same id begins
    to count anew; what its predecessor has done is known by its time, and that only if it is minutes before.

    :param tries: how many tries there were when a person cleared the task; each has made one generation at most
    :param began: when the DAG run started, in seconds since the epoch, by Airflow's clock; ``None``: not known
    :param ends: whether what is active and not of today is ended; ``False``: it is the task's all the same
    """

    tries: int = 0
    began: float | None = None
    ends: bool = False

    def includes(self, generation: int, state: State, created: float | None = None) -> bool:
        """Whether a generation is of this epoch.

        :param created: when it was created, in seconds since the epoch, by the service's clock
        """
        if state.is_active:
            # No clock ends anything.
            return generation >= self.tries or not self.ends
        is_old = created is not None and self.began is not None and created < self.began - _APART_SECONDS
        return generation >= self.tries and not is_old

    def saw(self, created: float) -> bool:
        """Whether something is from after the DAG run started, if both clocks are right to some seconds."""
        return self.began is not None and created >= self.began - _RIGHT_SECONDS


class Ages:
    """What a walk along the generations knows of who has made them.

    :param newest: the first generation that no earlier try can have made, as each makes one at most
    :param asked: when the first of them is asked for, in seconds since the epoch, by the worker's clock
    :param before: when another process of this very try has asked for them, by the service's clock; ``True``: not known
    """

    def __init__(self, epoch: ClearEpoch, newest: int, asked: float, before: float | bool | None) -> None:
        self._epoch, self._newest, self._asked, self._is_asked = epoch, newest, asked, bool(before)
        self._since: float | None = None if isinstance(before, bool) else before
        self._answered = 0.0
        self._is_certain = False

    def note_answer(self, answered: float | None, now: float) -> None:
        """Learn when the first request was made, by the service's clock, which is the one that dates resources.

        :param answered: when the service answered by its own clock, if it says so
        :param now: the worker's time; of it counts what has passed, and whether it says about the same
        """
        if self._since is None and answered is not None:
            # What was answered late may have been done at the first of several attempts.
            self._since = answered - (now - self._asked)
            self._is_certain = abs(answered - now) <= _APART_SECONDS
        self._answered = answered or self._answered

    @property
    def first_asked(self) -> float | None:
        """When this try asked first, in seconds since the epoch, by the service's clock; only if this process did."""
        # Dates may be in whole seconds.
        return None if self._since is None or self._is_asked or not self._is_certain else self._since - 1.0

    def judge(self, generation: int, state: State, created: float) -> tuple[bool, bool]:
        """Whether a generation is the task's, and whether this try has made it.

        :param created: when it was created, in seconds since the epoch, by the service's clock
        """
        since = self._since
        if since is not None and created > self._answered + _APART_SECONDS:
            # What has changed the answer's time on its way here has changed it for all.
            since = self._since = None
        if since is not None and created >= since:
            return True, True
        is_of_this_try = generation >= self._newest
        is_before = since is not None and self._is_certain and not self._is_asked and not self._epoch.saw(created)
        if is_of_this_try and is_before and not state.is_active:
            # Older than this try, and no earlier one can have made it: it is of a DAG run that was deleted.
            return False, False
        return self._epoch.includes(generation, state, created), is_of_this_try
