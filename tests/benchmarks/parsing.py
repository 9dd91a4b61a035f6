"""Benchmark: what parsing each example DAG costs, and the same file with ``BaseOperator`` in the place of this package.

Each measurement is a fresh interpreter that has imported ``airflow.sdk``, with compiled bytecode, as the processes that
parse DAG files have. The other side imports nothing of this package: its operators and sensors are classes derived from
``BaseOperator``, its functions return empty structures. Prints a table and writes ``build/benchmarks/parsing.json``:
``python -m tests.benchmarks.parsing [--rounds 7]``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks._results import FOLDER, table, write

DAGS = Path(__file__).parents[2] / "dags"
SIDES = ("BaseOperator", "this package")

MEASURE = r"""
import gc, importlib.abc, importlib.machinery, json, pathlib, re, sys, time, types
try:
    from airflow.sdk import BaseOperator, dag, task
except ImportError:
    from airflow.models.baseoperator import BaseOperator
    from airflow.decorators import dag, task

class Plain(BaseOperator):
    def __init__(self, *, task_id, **others):
        super().__init__(task_id=task_id)

    @classmethod
    def partial(cls, *, task_id, **others):
        return types.SimpleNamespace(expand=lambda **mapped: cls(task_id=task_id))

class Block(dict):
    @property
    def operator(self):
        return Plain(task_id="operator")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

class Stub(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Plain if name.startswith("Emr") else lambda *_, **__: Block()

class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "airflow_emrs_ext":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return Stub(spec.name)

    def exec_module(self, module):
        pass

file = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(file.parent))
text = file.read_text()
if sys.argv[2] == "BaseOperator":
    sys.meta_path.insert(0, Stubs())
    text = re.sub(r"@task\.emr_serverless_session\((?:[^()]|\([^()]*\))*\)", "@task", text)
    text = re.sub(r"def (\w+)\(spark(?:, )?", r"def \1(", text)
code = compile(text, str(file), "exec")
gc.collect()
worked = time.process_time()
exec(code, {"__name__": file.stem, "__doc__": file.stem, "__file__": str(file)})
print("cost", json.dumps(1e3 * (time.process_time() - worked)))
"""


def measure(file: Path, side: str, environment: Mapping[str, str]) -> float:
    """The processor's time that a file takes in a fresh interpreter, in milliseconds."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file), side], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{file.name}, {side}:\n{done.stderr[-2000:]}")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("cost ")]
    return float(json.loads(line.removeprefix("cost ")))


def benchmark(rounds: int) -> dict[str, dict[str, float]]:
    """The medians of each file and side, measured one after the other in each round."""
    files = sorted(DAGS.glob("example_*.py"))
    found: dict[str, dict[str, list[float]]] = {file.stem: {side: [] for side in SIDES} for file in files}
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "AIRFLOW_HOME": home}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + 1):
            for file in files:
                for side in SIDES:
                    cost = measure(file, side, environment)
                    if number:  # the first compiles
                        found[file.stem][side].append(cost)
            print(f"round {number} of {rounds}", file=sys.stderr)
    return {
        name: {side: round(statistics.median(costs), 2) for side, costs in of_file.items()}
        for name, of_file in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interpreters for each file and side")
    rounds = parser.parse_args().rounds
    costs = benchmark(rounds)
    more = {name: round(sides["this package"] - sides["BaseOperator"], 2) for name, sides in costs.items()}
    summary = {"median_more": round(statistics.median(more.values()), 2), "most_more": max(more.values())}
    path = FOLDER / "parsing.json"
    write(path, {"rounds": rounds, "unit": "CPU milliseconds", "files": costs, "more": more, **summary})
    print(table(["CPU ms", *SIDES, "more"], [[name, *sides.values(), more[name]] for name, sides in costs.items()]))
    print(f"this package takes {summary['median_more']} ms more of a file (median); written to {path}")


if __name__ == "__main__":
    main()
