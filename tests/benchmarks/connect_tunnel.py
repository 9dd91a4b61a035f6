"""What the tunnel to a session costs: statements and bytes per second through it, and past it.

    python -m tests.benchmarks.connect_tunnel [--statements 200] [--rows 3000000] [--rounds 3]

Starts the local endpoint with real Spark and one session, and prints one JSON object. ``direct`` is a client that has
the token itself; both ways lead through the endpoint's own proxy, as through the service's on AWS. Rounds of the two
alternate, because a busy machine is slower in one minute than in the next; each figure is the median of its rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from airflow_emrs_ext.local.testing import LocalEmr, local_emr

ROLE = "arn:aws:iam::123456789012:role/session"
WAYS = ("direct", "tunnel")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--statements", type=int, default=200, help="statements in a round (default 200)")
    parser.add_argument("--rows", type=int, default=3_000_000, help="rows of the large collect (default 3 million)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds each way (default 3)")
    options = parser.parse_args()
    with local_emr(runner="spark", application_start_seconds=0.05, scheduling_seconds=0.02) as emr:
        # The hook's log has no place in the result.
        os.environ.update({**emr.environ, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"})
        print(json.dumps(measure(emr, options.statements, options.rows, options.rounds), indent=2))


def measure(emr: LocalEmr, statements: int, rows: int, rounds: int) -> dict[str, Any]:
    """The figures of both ways."""
    from airflow_emrs_ext.hooks.spark_connect import EmrServerlessSparkConnectHook

    hook = EmrServerlessSparkConnectHook(aws_conn_id=None, region_name=emr.region)
    session = start_session(hook)
    figures: dict[str, dict[str, list[float]]] = {way: {"statements": [], "megabytes": []} for way in WAYS}
    with hook.session(session) as through_tunnel, directly(hook, session) as direct:
        sparks = {"direct": direct, "tunnel": through_tunnel}
        for spark in sparks.values():
            statements_per_second(spark, 50)
            megabytes_per_second(spark, rows)
        for _ in range(rounds):
            for way, spark in sparks.items():
                figures[way]["statements"].append(statements_per_second(spark, statements))
                figures[way]["megabytes"].append(megabytes_per_second(spark, rows))
    medians = {
        way: {
            "statements_per_second": round(statistics.median(found["statements"]), 1),
            "megabytes_per_second": round(statistics.median(found["megabytes"]), 1),
        }
        for way, found in figures.items()
    }
    ratios = {name: round(medians["tunnel"][name] / medians["direct"][name], 2) for name in medians["direct"]}
    return {"statements": statements, "rows": rows, "rounds": rounds, **medians, "tunnel_to_direct": ratios}


def start_session(hook: Any) -> dict[str, Any]:
    """A session that is ready."""
    from airflow_emrs_ext.workflows.registry import WORKFLOWS

    application = hook.create_application(
        release_label="emr-7.13.0",
        type="SPARK",
        client_token="benchmark",
        interactive_configuration={"sessionEnabled": True},
    )
    started = hook.start_session(
        application_id=application["applicationId"], execution_role_arn=ROLE, client_token="benchmark"
    )
    ids = {"application_id": started["applicationId"], "session_id": started["sessionId"]}
    ready = ["STARTED", "IDLE", "BUSY"]
    return dict(hook.run(WORKFLOWS["wait_for_state"](hook.run_context, kind="session", ids=ids, target_states=ready)))


@contextmanager
def directly(hook: Any, session: dict[str, Any]) -> Iterator[Any]:
    """A Spark session of a client that has the token itself."""
    from pyspark.sql import SparkSession

    answer = hook.get_session_endpoint(session["application_id"], session["session_id"])
    host = urlsplit(answer["endpoint"]).netloc
    spark = SparkSession.builder.remote(f"sc://{host}/;x-aws-proxy-auth={answer['authToken']}").create()
    try:
        yield spark
    finally:
        spark.stop()


def statements_per_second(spark: Any, count: int) -> float:
    """How many small statements run in a second, one after the other."""
    began = time.perf_counter()
    for number in range(count):
        spark.sql(f"SELECT {number} AS n").collect()
    return count / (time.perf_counter() - began)


def megabytes_per_second(spark: Any, rows: int) -> float:
    """How fast a large result arrives, in Arrow's own size."""
    frame = spark.range(rows).selectExpr("id", "id * 1.5D AS x", "uuid() AS s")
    began = time.perf_counter()
    size = frame.toArrow().nbytes
    return float(size / 1e6 / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
