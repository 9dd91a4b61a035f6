"""Benchmark: how soon a job run of pi and a session are there, on the Spark of each release.

In each round a label of Spark 3.5, one of Spark 4.1, and the endpoint of another checkout (the build before), which
runs every label on its own Spark. Each has an endpoint of its own, with the archive of its classes; the first job run
of each is not counted. Ratios are to the last side. Prints a table and writes ``build/benchmarks/releases.json``:
``python -m tests.benchmarks.releases [--rounds 5] [--before TREE]``. Spark 3.5 is to be installed, by ``emrs-local
runtimes install``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from airflow_emrs_ext.local.processes.endpoint import endpoint_process
from airflow_emrs_ext.local.runners.spark.java import SparkRuntime, find_runtime
from airflow_emrs_ext.local.runners.spark.runtimes import installed
from airflow_emrs_ext.local.runners.spark.warm_up import warm_up
from airflow_emrs_ext.local.testing import LocalEmr
from tests.benchmarks._results import FOLDER, table, write

ROLE = "arn:aws:iam::123456789012:role/job"
PI = "local:///usr/lib/spark/examples/src/main/python/pi.py"
SETTINGS = {"scheduling_seconds": 0.01, "application_start_seconds": 0.01, "session_start_seconds": 0.01}
BEFORE = "the build before"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="a checkout of the build before")
    arguments = parser.parse_args()
    there: list[SparkRuntime] = [*installed(), find_runtime()]
    if not any(runtime.line == (3, 5) for runtime in there):
        sys.exit("Spark 3.5 is not installed: emrs-local runtimes install 3.5")
    for runtime in there:
        warm_up(runtime)
    here = Path.cwd()
    labels = {
        "Spark 3.5, emr-7.13.0": ("emr-7.13.0", here),
        "Spark 4.1, emr-spark-8.1.0": ("emr-spark-8.1.0", here),
    }
    if arguments.before:
        labels[BEFORE] = ("emr-7.13.0", arguments.before)
    seconds: dict[str, dict[str, list[float]]] = {name: {"pi": [], "session": []} for name in labels}
    with ExitStack() as stack:
        sides = {name: stack.enter_context(_side(label, tree)) for name, (label, tree) in labels.items()}
        for number in range(-1, arguments.rounds):
            for name, measures in sides.items():
                for what, measure in measures.items():
                    found = measure()
                    if number >= 0:
                        seconds[name][what].append(found)
    medians = {name: {what: statistics.median(values) for what, values in of.items()} for name, of in seconds.items()}
    base = medians[list(labels)[-1]]
    rows = [
        (name, *(cell for what in base for cell in (round(of[what], 2), f"{of[what] / base[what]:.2f}x")))
        for name, of in medians.items()
    ]
    write(FOLDER / "releases.json", {"rounds": arguments.rounds, "seconds": seconds})
    print(table(("median seconds", "pi", "", "session", ""), rows))


@contextmanager
def _side(label: str, tree: Path) -> Iterator[dict[str, Callable[[], float]]]:
    """What is measured of a release, on an endpoint of its own.

    :param label: the release
    :param tree: the checkout whose endpoint it is
    """
    here = Path.cwd()
    with ExitStack() as stack:
        os.chdir(tree)
        try:
            arguments = ["--port", "0", "--quota-scale", "0"]
            url = stack.enter_context(endpoint_process(arguments, start_seconds=60, with_aws=False)).url
        finally:
            os.chdir(here)
        emr = LocalEmr(url, s3_endpoint=None, settings={})
        emr.configure(**SETTINGS)
        client = emr.client("emr-serverless")
        application_id = client.create_application(
            type="SPARK",
            releaseLabel=label,
            clientToken="releases",
            interactiveConfiguration={"sessionEnabled": True},
            autoStopConfiguration={"enabled": False},
        )["applicationId"]
        ids = {"applicationId": application_id}

        def pi() -> float:
            began = time.monotonic()
            driver = {"sparkSubmit": {"entryPoint": PI, "entryPointArguments": ["10"]}}
            run = client.start_job_run(**ids, executionRoleArn=ROLE, clientToken=str(began), jobDriver=driver)
            _until(lambda: client.get_job_run(**ids, jobRunId=run["jobRunId"])["jobRun"]["state"], "SUCCESS")
            return time.monotonic() - began

        def session() -> float:
            began = time.monotonic()
            found = client.start_session(**ids, executionRoleArn=ROLE, clientToken=str(began))["sessionId"]
            _until(lambda: client.get_session(**ids, sessionId=found)["session"]["state"], "IDLE")
            seconds = time.monotonic() - began
            client.terminate_session(**ids, sessionId=found)
            _until(lambda: client.get_session(**ids, sessionId=found)["session"]["state"], "TERMINATED")
            return seconds

        yield {"pi": pi, "session": session}


def _until(state: Callable[[], str], wanted: str) -> None:
    while (found := state()) != wanted:
        if found in ("FAILED", "CANCELLED", "TERMINATED"):
            raise RuntimeError(f"{found} instead of {wanted}")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
