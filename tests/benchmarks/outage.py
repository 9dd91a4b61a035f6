"""Benchmark: one triggerer waits for many job runs while the service is away for two minutes.

Connections are refused (``refused``), or nobody answers on them (``silent``). Job runs end before, during and after
the outage, and all of them succeed: ``python -m tests.benchmarks.outage [--cases refused] [--sides emrs_ext]``. Each
result is noted in a file of JSON, where those of other cases and sides stay.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from airflow_emrs_ext.shared.quotas import quotas_of
from tests.benchmarks import _results
from tests.benchmarks._job_runs import SERVERLESS, SIDES, WAITER_DELAY, prepare, start
from tests.benchmarks._waits import is_throttled, moment, percentile, wait
from tests.faults.forwarder import Forwarder, forwarded

# How long the triggerer waits before the service is away, and how long job runs end after it is back, in seconds.
_BEFORE = 30.0
_AFTER = 60.0
# What a triggerer may take after that.
_MOST_LAG = 300.0
_FIRST_SECONDS = 10

CASES = ("refused", "silent")
LIMITS = {"false_failures": 0, "recovery_seconds": WAITER_DELAY, "throttled_after": 0, "past_quota": 0}
FIGURES = {
    "false_failures": "false failures",
    "missed": "never noticed",
    "recovery_seconds": "last end of the outage noticed, s after it",
    "recovery_p50_seconds": "their median, s after it",
    "calls_after": f"calls in the {_FIRST_SECONDS} s after it",
    "most_calls_in_a_second": "most of them in a second",
    "past_quota": "of them past a quota's tokens",
    "throttled_after": "throttled",
    "calls": "calls in all",
    "cpu_seconds": "CPU, s",
    "longest_block_seconds": "longest block of the loop, s",
}


def measure(emr: LocalEmr, case: str, side: str, tasks: int, outage: float, log: Path) -> dict[str, Any]:
    """Let a side wait through an outage.

    :param outage: its length in seconds
    :param log: of the triggerer
    """
    prepare(emr)
    runs = start(emr, SERVERLESS, [SERVERLESS.make_place(emr)], tasks)
    back: list[float] = []
    with forwarded(emr.url) as forwarder:
        go_away, come_back = _ways(emr, case, forwarder, outage)

        def break_and_mend(began: float) -> None:
            time.sleep(began + _BEFORE - time.time())
            go_away()
            time.sleep(began + _BEFORE + outage - time.time())
            back.append(time.time())
            come_back()

        observed = wait(
            emr,
            side,
            runs,
            spread=_BEFORE + outage + _AFTER,
            seconds=_BEFORE + outage + _AFTER + _MOST_LAG,
            log=log,
            environ={**emr.environ, "AWS_ENDPOINT_URL": forwarder.url},
            meanwhile=break_and_mend,
        )
    (end,) = back
    noticed = observed.noticed
    late = [
        noticed[own_id] - end
        for own_id, ended in observed.ended.items()
        if end - outage <= ended <= end and own_id in noticed
    ]
    first = [call for call in observed.calls if 0 <= moment(call) - end < _FIRST_SECONDS]
    seconds = [
        Counter(call["operation"] for call in first if int(moment(call) - end) == n) for n in range(_FIRST_SECONDS)
    ]
    return {
        **observed.figures(),
        "ended_during_outage": len(late),
        "recovery_seconds": percentile(late, 1),
        "recovery_p50_seconds": percentile(late, 0.5),
        "calls_after": len(first),
        "calls_of_each_second": [dict(one) for one in seconds],
        "most_calls_in_a_second": max(one.total() for one in seconds),
        "past_quota": _past_quota(seconds),
        "throttled_after": sum(is_throttled(call) for call in observed.calls if moment(call) >= end),
    }


def _ways(
    emr: LocalEmr, case: str, forwarder: Forwarder, outage: float
) -> tuple[Callable[[], None], Callable[[], None]]:
    """How the service goes away, and how it comes back."""
    if case == "refused":
        return forwarder.close, forwarder.open
    # What was asked during the outage is never answered.
    return lambda: emr.inject("*", "stall", times=None, seconds=3 * outage), emr.clear_faults


def _past_quota(seconds: list[Counter[str]]) -> int:
    """How many calls are more than the quotas let through of a full bucket."""
    past, quotas = 0, quotas_of("emr-serverless")
    for operation in set().union(*seconds):
        rate, tokens = quotas[operation]
        burst = tokens
        for second in seconds:
            tokens -= second[operation]
            past += int(max(0.0, -tokens))
            tokens = min(burst, max(0.0, tokens) + rate)
    return past


def as_table(name: str, sides: Mapping[str, Mapping[str, Any]]) -> str:
    """What became of the sides, and what is asked for."""
    theirs, ours = (sides.get(side, {}) for side in SIDES)
    rows = [
        _results.compared(words, theirs.get(figure), ours.get(figure), limit=LIMITS.get(figure))
        for figure, words in FIGURES.items()
    ]
    return _results.table((f"outage: {name}", *_results.COMPARED), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--outage", type=float, default=120.0, help="how long the service is away, in seconds")
    parser.add_argument("--output", type=Path, default=_results.FOLDER / "outage.json")
    given = parser.parse_args()
    with local_emr() as emr:
        os.environ.update(emr.environ, AIRFLOW_CONN_AWS_DEFAULT="aws://")
        for name in given.cases:
            for side in given.sides:
                log = _results.log_of(given.output, name, side)
                result = measure(emr, name, side, given.tasks, given.outage, log)
                _results.note(given.output, name, side, result, tasks=given.tasks, outage_seconds=given.outage)
            print(as_table(name, _results.load(given.output)["cases"][name]), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
