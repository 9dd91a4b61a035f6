"""Benchmark: what a DAG file pays for its imports, of this package and of the Amazon provider.

Each measurement is a fresh interpreter that has imported ``airflow.sdk``, with compiled bytecode, as the processes that
parse DAG files have. Prints a table and writes ``build/benchmarks/imports.json``:
``python -m tests.benchmarks.imports [--rounds 15]``.
"""

from __future__ import annotations

import argparse
import json
import os
import pkgutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import airflow_emrs_ext

REPORT = Path(__file__).parents[2] / "build" / "benchmarks" / "imports.json"

# Another load on the machine adds to the time on the clock; the time of the processor is what is compared.
COLUMNS = ("milliseconds", "cpu_milliseconds", "megabytes", "modules")
LIMITS = {"cpu_milliseconds": 15.0, "megabytes": 2.0}

PARTS = ("operators", "sensors", "links", "decorators", "triggers")

# Imported when a function is decorated, as Airflow does with its own; and when a trigger runs.
NOT_OF_A_DAG_FILE = {"decorators.session_tasks", "triggers.runner"}

MEASURE = """
import gc, json, os, sys, time
try:
    import airflow.sdk
except ImportError:
    import airflow.models.baseoperator

def megabytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

gc.collect()
names, resident, began, worked = set(sys.modules), megabytes(), time.perf_counter(), time.process_time()
exec(sys.argv[1])
took = [1e3 * (time.perf_counter() - began), 1e3 * (time.process_time() - worked)]
print(json.dumps([*took, megabytes() - resident, len(set(sys.modules) - names)]))
"""

AIRFLOW = """
try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:
    from airflow.models import DAG, BaseOperator
"""

DAG_FILE = """
from datetime import datetime
{imports}
with DAG("measured", schedule=None, start_date=datetime(2026, 1, 1)):
    for number in range(10):
        {operator}(task_id=f"task_{{number}}", {parameters})
"""

JOB_RUN = 'application_id="application", execution_role_arn="arn:aws:iam::123456789012:role/job", job_driver={}'


def declarations(*parts: str) -> str:
    """Imports of what DAG files may import of this package."""
    root = Path(airflow_emrs_ext.__file__).parent
    return "\n".join(
        f"import airflow_emrs_ext.{part}.{module.name}"
        for part in parts
        for module in pkgutil.iter_modules([str(root / part)])
        if not module.name.startswith("_") and f"{part}.{module.name}" not in NOT_OF_A_DAG_FILE
    )


def dag_file(operator: str, module: str = "", parameters: str = "") -> str:
    """A DAG file with ten tasks."""
    imports = f"from {module} import {operator}" if module else ""
    return AIRFLOW + DAG_FILE.format(imports=imports, operator=operator, parameters=parameters)


CASES: Mapping[str, str] = {
    "Airflow: BaseOperator": AIRFLOW,
    "Airflow: BaseTrigger": f"{AIRFLOW}\nimport airflow.triggers.base",
    **{f"this package: {part}": AIRFLOW + declarations(part) for part in PARTS},
    "this package: all but triggers": AIRFLOW + declarations(*PARTS[:-1]),
    "this package: all": AIRFLOW + declarations(*PARTS),
    **{
        f"Amazon provider: {part}.emr": f"{AIRFLOW}\nimport airflow.providers.amazon.aws.{part}.emr"
        for part in ("operators", "sensors", "triggers")
    },
    "DAG file: BaseOperator": dag_file("BaseOperator"),
    "DAG file: this package": dag_file(
        "EmrServerlessStartJobRunOperator", "airflow_emrs_ext.operators.job_run", JOB_RUN
    ),
    "DAG file: Amazon provider": dag_file(
        "EmrServerlessStartJobOperator", "airflow.providers.amazon.aws.operators.emr", JOB_RUN
    ),
}


def measure(code: str, environment: Mapping[str, str]) -> list[float]:
    """What some code costs in a fresh interpreter: :data:`COLUMNS`."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, code], capture_output=True, text=True, check=True, env=environment
    )
    costs: list[float] = json.loads(done.stdout.splitlines()[-1])
    return costs


def benchmark(rounds: int) -> dict[str, dict[str, float]]:
    """The medians of each case; the cases take turns, so that another load on the machine meets all of them."""
    found: dict[str, list[list[float]]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "AIRFLOW_HOME": home}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for code in CASES.values():
            measure(code, environment)  # compiles
        for _ in range(rounds):
            for name, code in CASES.items():
                found[name].append(measure(code, environment))
    return {
        name: {
            column: round(statistics.median(values), 2)
            for column, values in zip(COLUMNS, zip(*of_case, strict=True), strict=True)
        }
        for name, of_case in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="interpreters for each case")
    rounds = parser.parse_args().rounds
    costs = benchmark(rounds)
    operators, amazon = costs["this package: operators"], costs["Amazon provider: operators.emr"]
    plain, ours, theirs = (costs[f"DAG file: {whose}"] for whose in ("BaseOperator", "this package", "Amazon provider"))
    packages = ("apache-airflow", "apache-airflow-providers-amazon", "airflow-emrs-ext")
    report: dict[str, Any] = {
        "versions": {name: version(name) for name in packages},
        "rounds": rounds,
        "costs": costs,
        "limits": LIMITS,
        "within_limits": all(operators[column] <= limit for column, limit in LIMITS.items()),
        "amazon_to_ours": {column: round(amazon[column] / operators[column], 1) for column in COLUMNS},
        "dag_file_more_than_plain": {
            "this package": round(ours["cpu_milliseconds"] - plain["cpu_milliseconds"], 1),
            "Amazon provider": round(theirs["cpu_milliseconds"] - plain["cpu_milliseconds"], 1),
        },
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{'after airflow.sdk':34}{'ms':>8}{'CPU ms':>8}{'MB':>8}{'modules':>8}")
    for name, cost in costs.items():
        print(
            f"{name:34}"
            + "".join(f"{cost[column]:8.{digits}f}" for column, digits in zip(COLUMNS, (1, 1, 2, 0), strict=True))
        )
    limits = ", ".join(f"{limit:.0f} {column}" for column, limit in LIMITS.items())
    print(f"operators: {'within' if report['within_limits'] else 'BEYOND'} the limits of {limits}; written to {REPORT}")


if __name__ == "__main__":
    main()
