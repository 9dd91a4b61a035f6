"""Faults that the product had, or might have, put back one by one: a simulation that finds none of them is none.

``python -m tests.simulation.mutants`` says after how many histories each is found.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

from botocore.parsers import ResponseParserError

from airflow_emrs_ext.aws import ownership_tags, retry
from airflow_emrs_ext.exceptions import EmrError, RequestRejected
from airflow_emrs_ext.operators._base import ends_with_task
from airflow_emrs_ext.operators._base import idempotent_start as start_operators
from airflow_emrs_ext.resources import api_errors
from airflow_emrs_ext.runtime.rate_limiter import RateLimiter
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.triggers import _compat, recovery, runner, workflow
from airflow_emrs_ext.workflows import clear_epochs, idempotent_start, job_run, lifecycle
from tests.simulation.checking import check, fails_alike
from tests.simulation.driver import collect_seldom, simulated
from tests.simulation.histories import draw, shrunk

Change = tuple[Any, str, Any]

_wait_for_billable = lifecycle.wait_for_billable
_parse = State.parse.__func__  # type: ignore[attr-defined]
_pause_after = retry.Attempts.pause_after
_began = retry.Attempts.__init__
_token = ownership_tags.token
_seed = ownership_tags.TaskIdentity.seed
_made = workflow.WorkflowTrigger.__init__


class _Ended(EmrError):
    """An error that ends what runs, as any once did."""


def _ends_at(*errors: type[EmrError]) -> Iterator[Change]:
    """Let the wait for something end it with other errors than that of a deadline."""

    def wait_for_billable(ctx: Any, kind: Any, ids: Any, wait: Any, *, end_on_timeout: bool) -> Any:
        try:
            return (yield from _wait_for_billable(ctx, kind, ids, wait, end_on_timeout=end_on_timeout))
        except errors:
            if end_on_timeout:
                yield from lifecycle.request_end_best_effort(ctx, kind=kind.key, ids=dict(ids))
            raise

    yield lifecycle, "wait_for_billable", wait_for_billable
    yield job_run, "wait_for_billable", wait_for_billable


def _unknown_state_ends() -> Iterator[Change]:
    def parse(cls: Any, value: Any) -> Any:
        found = _parse(cls, value)
        if not found.is_known:
            raise _Ended(f"{value} is not known")
        return found

    yield State, "parse", classmethod(parse)
    yield from _ends_at(_Ended)


def _unreadable_answer_ends() -> Iterator[Change]:
    def pause_after(self: Any, failure: Exception) -> float:
        if isinstance(failure, (api_errors.UnreadableAnswer, ResponseParserError)):
            raise _Ended("it cannot be read")
        return _pause_after(self, failure)

    yield retry.Attempts, "pause_after", pause_after
    yield from _ends_at(_Ended)


def _denied_access_ends() -> Iterator[Change]:
    def pause_after(self: Any, failure: Exception) -> float:
        if api_errors.meaning_of(failure, "emr-serverless") is api_errors.Meaning.ACCESS:
            raise RequestRejected("access is denied")
        return _pause_after(self, failure)

    yield retry.Attempts, "pause_after", pause_after
    yield from _ends_at(RequestRejected)


def _iterations_are_one() -> Iterator[Change]:
    found = ownership_tags.identity_of

    def identity_of(ti: Any, fields: Any = None) -> dict[str, Any]:
        return {name: found(ti, fields)[name] for name in ("dag_id", "run_id", "task_id")} | {"map_index": -1}

    yield ownership_tags, "identity_of", identity_of


def _deployments_are_one() -> Iterator[Change]:
    yield ownership_tags, "deployment_of", lambda context: ""


def _clocks_decide() -> Iterator[Change]:
    def includes(self: Any, generation: int, state: Any, created: float | None = None) -> bool:
        # By the service's clock and that of Airflow's database, as if they were one.
        is_old = created is not None and self.began is not None and created < self.began - 5.0
        return generation >= self.tries and not is_old

    yield clear_epochs.ClearEpoch, "includes", includes


def _not_found_is_an_owner() -> Iterator[Change]:
    found = _compat._state_in_3
    fate_of = recovery.fate_of

    def state_in_3(ti: Any) -> str | None:
        state = found(ti)
        return "deferred" if state == _compat.GONE else state

    yield _compat, "_state_in_3", state_in_3
    yield recovery, "fate_of", lambda entry, row: recovery.Fate.KEEP if row is None else fate_of(entry, row)


def _stale_entries_end() -> Iterator[Change]:
    def fate_of(entry: dict[str, Any], row: Any) -> Any:
        entry["is_ended"] = True
        return recovery.Fate.KEEP if row is not None and row.state not in ("success", "failed") else recovery.Fate.END

    yield recovery, "fate_of", fate_of


def _unknown_field_crashes() -> Iterator[Change]:
    def init(self: Any, **given: Any) -> None:
        if "a_new_field" in given:
            raise TypeError("unexpected keyword argument 'a_new_field'")
        _made(self, **given)

    yield workflow.WorkflowTrigger, "__init__", init


def _lost_start_leaks() -> Iterator[Change]:
    def init(self: Any, *given: Any) -> None:
        _began(self, *given)
        self._may_settle = False

    yield retry.Attempts, "__init__", init


def _clear_is_ignored() -> Iterator[Change]:
    yield start_operators, "tries_before_cleared", lambda ti, retries: 0


def _one_generation() -> Iterator[Change]:
    yield idempotent_start, "token", lambda seed, generation: _token(seed, 0)


def _token_of_each_try() -> Iterator[Change]:
    found = start_operators.IdempotentStartOperator.start_arguments

    def start_arguments(self: Any, context: Any, request: Any) -> dict[str, Any]:
        arguments = found(self, context, request)
        arguments["seed"] += str(context["ti"].try_number)
        return arguments

    yield start_operators.IdempotentStartOperator, "start_arguments", start_arguments
    yield idempotent_start, "_adopt_active", _nothing


def _nothing(*given: Any, **named: Any) -> Any:
    yield from ()


def _kill_ends_nothing() -> Iterator[Change]:
    yield ends_with_task.EndsWithTaskOperator, "end_started", lambda self, event="kill": None


def _shutdown_ends() -> Iterator[Change]:
    async def has_owner(trigger: Any) -> bool:
        return False

    yield workflow, "has_owner", has_owner


def _deadline_ends_nothing() -> Iterator[Change]:
    @wraps(lifecycle.wait_until_changed)
    def watch(ctx: Any, **arguments: Any) -> Any:
        return lifecycle.wait_until_changed(ctx, **{**arguments, "end_on_timeout": False})

    yield runner, "WORKFLOWS", {**runner.WORKFLOWS, "wait_until_changed": watch}


def _no_pause() -> Iterator[Change]:
    def pause_after(self: Any, failure: Exception) -> float:
        return _pause_after(self, failure) * 0.0

    yield retry.Attempts, "pause_after", pause_after
    yield RateLimiter, "take", lambda self, service, operation: 0.0


def _silence_is_an_end() -> Iterator[Change]:
    found = ends_with_task.state_of_task

    def state_of_task(ti: Any, *, seconds: float) -> str | None:
        state = found(ti, seconds=seconds)
        return "failed" if state == _compat.UNKNOWN else state

    yield ends_with_task, "state_of_task", state_of_task


MUTANTS: dict[str, Callable[[], Iterator[Change]]] = {
    "an unknown state ends": _unknown_state_ends,
    "an answer that cannot be read ends": _unreadable_answer_ends,
    "denied access ends": _denied_access_ends,
    "iterations of a loop are one": _iterations_are_one,
    "two deployments are one": _deployments_are_one,
    "clocks decide what is of today": _clocks_decide,
    "not found is an owner": _not_found_is_an_owner,
    "a stale entry of the journal ends": _stale_entries_end,
    "an unknown field is a crash": _unknown_field_crashes,
    "a start with a lost answer is given up": _lost_start_leaks,
    "a clear is ignored": _clear_is_ignored,
    "tokens have no generation": _one_generation,
    "each try has a token of its own": _token_of_each_try,
    "a kill ends nothing": _kill_ends_nothing,
    "a triggerer's shutdown ends": _shutdown_ends,
    "a deadline ends nothing in the triggerer": _deadline_ends_nothing,
    "calls are repeated without a pause": _no_pause,
    "Airflow's silence is an end": _silence_is_an_end,
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """A time in which the product has a fault."""
    changes = [(place, what, value, vars(place)[what]) for place, what, value in MUTANTS[name]()]
    for place, what, value, _ in changes:
        setattr(place, what, value)
    try:
        yield
    finally:
        for place, what, _, before in changes:
            setattr(place, what, before)


class Found(NamedTuple):
    """How a mutant is found.

    :param histories: how many it took; ``None``: it was not found
    :param history: the shrunk one
    """

    name: str
    histories: int | None
    kind: str = ""
    text: str = ""
    history: dict[str, Any] | None = None


def find(name: str, most: int, first: int = 0, *, shrinks: bool = True) -> Found:
    """After how many histories a mutant is found."""
    with simulated():
        for seed in range(first, first + most):
            with mutated(name):
                violations = check(draw(seed))
            if violations and not check(draw(seed)):
                with mutated(name):
                    kind = violations[0].kind
                    small = shrunk(draw(seed), fails_alike(kind)) if shrinks else draw(seed)
                    return Found(name, seed - first + 1, kind, check(small)[0].text, small.to_json())
    return Found(name, None)


def _find(given: tuple[str, int, int]) -> Found:
    return find(*given)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", help="keep the shrunk histories in this file")
    parser.add_argument("names", nargs="*", default=list(MUTANTS))
    given = parser.parse_args()
    collect_seldom()
    began = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(given.processes, maxtasksperchild=1) as pool:
        found = []
        print("| fault put back | histories until it is found | by |")
        print("|---|---:|---|")
        for one in pool.imap(_find, [(name, given.most, given.first) for name in given.names]):
            found.append(one)
            print(f"| {one.name} | {one.histories or 'not found'} | {one.kind}: {one.text} |", flush=True)
    print(f"{time.perf_counter() - began:.0f} s")
    if given.json:
        kept = [{"fault": one.name, "history": one.history} for one in found if one.history]
        with open(given.json, "w") as file:  # noqa: PTH123 - a path of the command line
            file.write("[\n" + ",\n".join(json.dumps(one) for one in kept) + "\n]\n")
    return 0 if all(one.histories for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
