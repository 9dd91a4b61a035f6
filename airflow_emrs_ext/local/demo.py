"""The demonstration: a real Airflow runs a DAG with real Spark jobs on the local endpoint; nothing leaves the machine.

``python -m airflow_emrs_ext.local.demo``, or ``make demo`` from a clone. It shows what happens as it happens, counts
the words itself in plain Python, compares, and ends with a summary. The exit status is 0 when every task succeeded and
both counts are equal.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from airflow_emrs_ext.local.processes.progress import Progress
from airflow_emrs_ext.local.processes.throwaway_airflow import AirflowDidNotWork, TaskState, ThrowawayAirflow
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError, local_emr

T = TypeVar("T")

DAG_ID = "example_end_to_end"
JOB_TASKS = ("word_count", "top_words")


class DemoFailed(Exception):
    """A task failed, or the counts differ."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demonstration; the process's exit status says how it went."""
    options = _parser().parse_args(arguments)
    # Like Ctrl-C: what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    dags: Path = options.dags.resolve()
    if not (dags / f"{DAG_ID}.py").is_file():
        sys.exit(
            f"{dags / DAG_ID}.py does not exist: run the demo from a clone of the project, or name its --dags folder."
        )
    try:
        demonstrate(dags, options.home.resolve(), options.timeout, options.keep)
    except (DemoFailed, AirflowDidNotWork, LocalEmrError) as error:
        sys.exit(f"\nThe demo failed. {error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; everything is stopped.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_emrs_ext.local.demo", description=__doc__)
    parser.add_argument("--dags", type=Path, default=Path("dags"), help="folder of the examples (default: dags)")
    parser.add_argument(
        "--home", type=Path, default=Path(".demo"), help="folder for logs, emptied first (default: .demo)"
    )
    parser.add_argument("--timeout", type=float, default=1800, help="seconds that the DAG run may take (default: 1800)")
    parser.add_argument(
        "--keep", action="store_true", help="leave Airflow and the endpoint running afterwards, until Ctrl-C"
    )
    return parser


def demonstrate(dags: Path, home: Path, timeout: float, keep: bool = False) -> None:
    """Run the example DAG and print how it went.

    :param dags: folder of the examples
    :param home: folder for Airflow's home and the logs
    :param timeout: how long the DAG run may take, in seconds
    :param keep: leave everything running afterwards, until Ctrl-C
    :raises DemoFailed: a task failed, or the counts differ
    """
    progress = Progress()
    progress.say("starting the local EMR Serverless endpoint, with Spark")
    with local_emr("spark", quota_scale=1.0, log_refresh_seconds=5) as emr:
        progress.say(f"endpoint ready at {emr.url}; starting Airflow")
        # The connection has no settings of its own: credentials, Region and endpoint come from the environment.
        environ = {**emr.environ, "AIRFLOW_CONN_AWS_DEFAULT": "aws://", "AIRFLOW__EMRS_EXT__WAITER_DELAY": "5"}
        airflow = ThrowawayAirflow(home, home / "dags", environ)
        airflow.make_home()
        # Only what this DAG needs: each further file costs the DAG processor a second.
        shutil.copytree(dags / "jobs", home / "dags" / "jobs")
        shutil.copy(dags / f"{DAG_ID}.py", home / "dags")
        with airflow.running():
            airflow.wait_for_dag(DAG_ID)
            progress.say(f"scheduler and triggerer run; triggering {DAG_ID}")
            airflow.command("dags", "trigger", DAG_ID)
            state = airflow.wait_for("the DAG run", lambda: _watch(airflow, emr, progress), timeout)
            tasks = airflow.task_states(DAG_ID)
            _print_tasks(tasks)
            results = {task: airflow.result(DAG_ID, task) for task in JOB_TASKS}
            _print_job_runs([result for result in results.values() if result])
            _print_sessions(emr.sessions())
            print("\nLogs")
            for task, result in results.items():
                if result:
                    _print_logs(emr, result, home / "driver-logs" / task)
            print(f"  {'Airflow':<12} {home / 'logs'}")
            _raise_for(airflow, tasks, state)
            _print_counts(emr, airflow)
            left = [one for one in [*emr.applications(), *emr.sessions()] if one["state"] != "TERMINATED"]
            if left:
                raise DemoFailed(f"The DAG left an application or a session behind: {left}")
            progress.say("done, nothing left behind")
            if keep:
                progress.say(f"the endpoint stays at {emr.url} until Ctrl-C")
                signal.pause()


def _watch(airflow: ThrowawayAirflow, emr: LocalEmr, progress: Progress) -> str | None:
    """Print what changed; the state of the DAG run once it is over."""
    for task in airflow.task_states(DAG_ID):
        if task.state not in ("scheduled", "queued"):
            progress.show(f"task {task.task_id}", task.state)
    for run in emr.job_runs():
        attempt = f", attempt {run['attempt']}" if run.get("attempt") else ""
        progress.show(f"  job run {run['name']}", run["state"] + attempt)
    for session in emr.sessions():
        progress.show(f"  session {session['sessionId']}", session["state"])
    state = airflow.run_state(DAG_ID)
    return state if state in ("success", "failed") else None


def _raise_for(airflow: ThrowawayAirflow, tasks: Sequence[TaskState], state: str) -> None:
    failed = [task.task_id for task in tasks if task.state == "failed"]
    if failed:
        log = "\n".join(airflow.task_log(DAG_ID, failed[0]).splitlines()[-15:])
        raise DemoFailed(f"Task {failed[0]} failed. The end of its log:\n{log}")
    if state != "success":
        raise DemoFailed(f"The DAG run is {state}; tasks: {', '.join(f'{t.task_id} {t.state}' for t in tasks)}")


def _print_tasks(tasks: Sequence[TaskState]) -> None:
    print("\nTasks")
    for task in tasks:
        seconds = "" if task.seconds is None else f"{task.seconds:6.1f} s"
        print(f"  {task.task_id:<20} {task.state or 'not run':<18} {seconds}")


def _print_job_runs(results: Sequence[Mapping[str, Any]]) -> None:
    print("\nJob runs")
    for result in results:
        attempts = ", ".join(f"{attempt['attempt']} {attempt['state']}" for attempt in result["attempts"])
        print(f"  {result['name']:<12} {result['job_run_id']}  {result['state']}; attempts: {attempts}")
        for attempt in result["attempts"]:
            if attempt["state_details"] and attempt["state"] != result["state"]:
                print(f"  {'':<12} attempt {attempt['attempt']}: {attempt['state_details']}")
        billed = result["billed_resource_utilization"] or {}
        print(
            f"  {'':<12} ran {result['total_execution_duration_seconds']} s; billed"
            f" {billed.get('vcpu_hour', 0):.3f} vCPU-hours, {billed.get('memory_gb_hour', 0):.3f} GB-hours of memory,"
            f" {billed.get('storage_gb_hour', 0):.3f} GB-hours of storage"
        )


def _print_sessions(sessions: Sequence[Mapping[str, Any]]) -> None:
    print("\nSessions")
    for session in sessions:
        billed = session.get("billedResourceUtilization") or {}
        print(
            f"  {'session':<12} {session['sessionId']}  {session['state']}; tokens minted: {session['tokensMinted']}\n"
            f"  {'':<12} ran {session.get('totalExecutionDurationSeconds', 0)} s; billed"
            f" {billed.get('vCPUHour', 0):.3f} vCPU-hours, {billed.get('memoryGBHour', 0):.3f} GB-hours of memory"
        )


def _print_logs(emr: LocalEmr, result: Mapping[str, Any], folder: Path) -> None:
    """Say where the driver's logs are, and copy them to where they can be read after the endpoint has ended."""
    name, ids = result["name"], {"applicationId": result["application_id"], "jobRunId": result["job_run_id"]}
    location = result["log_locations"]["s3_uri"]
    folder.mkdir(parents=True, exist_ok=True)
    for key in _keys(emr, location):
        content = emr.client("s3").get_object(Bucket=urlsplit(location).netloc, Key=key)["Body"].read()
        (folder / Path(key).stem).write_bytes(gzip.decompress(content))
    print(f"  {name:<12} {location}")
    print(f"  {'':<12} copied to {folder}")
    dashboard = emr.client("emr-serverless").get_dashboard_for_job_run(**ids)["url"]
    print(f"  {'':<12} dashboard, good once and while the endpoint runs: {dashboard}")


def _print_counts(emr: LocalEmr, airflow: ThrowawayAirflow) -> None:
    """Print what Spark counted, and compare it with a count of the same text in plain Python."""
    text = airflow.result(DAG_ID, "prepare")["text"]
    counter: collections.Counter[str] = collections.Counter()
    for key in _keys(emr, text):
        body = emr.client("s3").get_object(Bucket=urlsplit(text).netloc, Key=key)["Body"].read().decode()
        counter.update(re.findall("[a-z]+", body.lower()))
    first = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:10]
    expected = {
        "words": counter.total(),
        "different_words": len(counter),
        "top": [[word, n] for word, n in first],
        "by_length": [list(item) for item in _summed(counter, len) if item[0] >= 5],
        "by_initial": dict(_summed(counter, lambda word: word[0])),
    }
    found = {
        **airflow.result(DAG_ID, "report"),
        "by_length": airflow.result(DAG_ID, "word_lengths")["rows"],
        "by_initial": airflow.result(DAG_ID, "initials"),
    }
    if found != expected:
        raise DemoFailed(f"The counts differ.\nSpark:  {found}\nPython: {expected}")
    print("\nCounted by Spark, and equal to a count in plain Python")
    print(f"  {found['words']} words, {found['different_words']} different; the most frequent (job runs):")
    for word, n in found["top"]:
        print(f"  {n:>8} {word}")
    print("  by length (SQL in the session):          ", ", ".join(f"{k}: {n}" for k, n in found["by_length"]))
    print("  by first letter (Python in the session): ", ", ".join(f"{k}: {n}" for k, n in found["by_initial"].items()))
    print()


def _summed(counter: Mapping[str, int], key: Callable[[str], T]) -> list[tuple[T, int]]:
    """How many words there are of each kind, in the order of the kinds."""
    sums: collections.Counter[T] = collections.Counter()
    for word, n in counter.items():
        sums[key(word)] += n
    return sorted(sums.items())


def _keys(emr: LocalEmr, uri: str) -> Iterator[str]:
    parts = urlsplit(uri)
    pages = emr.client("s3").get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=parts.path[1:])
    return (entry["Key"] for page in pages for entry in page.get("Contents", ()))


if __name__ == "__main__":
    main()
